//! The pack `pod-security` beside the API server's own PodSecurity admission: for every control and both levels, the
//! same Pod is admitted or refused by both.
//!
//! The Pods are those of Sandboxes, since the pack judges no others. Each is first created, dry, in a namespace without
//! a level, which fills in what the API server fills in; then in one that enforces each level.

mod support;

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use sandfence::model::gvk::Gvr;
use sandfence::model::json::Json;
use sandfence::model::request::Request;
use sandfence::model::yaml;
use sandfence::policy::diagnostic::Sourced;
use sandfence::policy::judge::judge;
use sandfence::policy::packs;
use sandfence::policy::set::{Set, Settings};
use serde_json::{Value, json};
use support::Cluster;

const LEVELS: [&str; 2] = ["baseline", "restricted"];

/// A Pod that keeps both levels.
fn good() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "agent", "labels": {"agents.x-k8s.io/sandbox-name-hash": "0a1b2c3d"}},
        "spec": {
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "main",
                "image": "registry.example.com/agent:1",
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    })
}

/// Puts a value at a path whose objects are made on the way; `null` removes what is there.
fn set(object: &mut Value, path: &str, value: Value) {
    let mut at = object;
    let steps: Vec<&str> = path.split('.').collect();
    let (last, parents) = steps.split_last().expect("a path has a last step");
    for step in parents {
        at = match step.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[*step],
        };
    }
    if value.is_null() {
        at.as_object_mut().map(|object| object.remove(*last));
    } else {
        at[*last] = value;
    }
}

/// One Pod: what it is about, and what differs from the good one.
type Variant = (String, Vec<(String, Value)>);

fn variant(name: &str, changes: &[(&str, Value)]) -> Variant {
    let changes = changes.iter();
    let changes = changes.map(|(path, value)| ((*path).to_owned(), value.clone()));
    (name.to_owned(), changes.collect())
}

/// Pods that differ in what reaches the node.
fn node() -> Vec<Variant> {
    let mut all = vec![
        variant("good", &[]),
        variant("host users", &[("spec.hostUsers", json!(false))]),
    ];
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        for value in [true, false] {
            let path = format!("spec.{field}");
            all.push(variant(
                &format!("{field} {value}"),
                &[(&path, json!(value))],
            ));
        }
    }
    for port in [0, 8080] {
        let ports = json!([{"containerPort": 80, "hostPort": port}]);
        all.push(variant(
            &format!("host port {port}"),
            &[("spec.containers.0.ports", ports)],
        ));
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        for host in ["", "10.0.0.1"] {
            let path = format!("spec.containers.0.{probe}");
            let http = json!({"httpGet": {"port": 80, "host": host}});
            all.push(variant(&format!("{probe} http '{host}'"), &[(&path, http)]));
            let tcp = json!({"tcpSocket": {"port": 80, "host": host}});
            all.push(variant(&format!("{probe} tcp '{host}'"), &[(&path, tcp)]));
        }
    }
    for hook in ["postStart", "preStop"] {
        let path = "spec.containers.0.lifecycle";
        let http = json!({hook: {"httpGet": {"port": 80, "host": "10.0.0.1"}}});
        all.push(variant(&format!("{hook} to a host"), &[(path, http)]));
    }
    let safe = [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
        "kernel.msgmax",
        "net.core.somaxconn",
    ];
    for name in safe {
        let sysctls = json!([{"name": name, "value": "1"}]);
        all.push(variant(
            &format!("sysctl {name}"),
            &[("spec.securityContext.sysctls", sysctls)],
        ));
    }
    all
}

/// Every kind of volume, by a value that the API server takes.
fn volumes() -> Vec<Variant> {
    let sources = json!({
        "configMap": {"name": "a"},
        "secret": {"secretName": "a"},
        "emptyDir": {},
        "downwardAPI": {"items": []},
        "projected": {"sources": []},
        "persistentVolumeClaim": {"claimName": "a"},
        "csi": {"driver": "a.example.com"},
        "ephemeral": {"volumeClaimTemplate": {"spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        }}},
        "image": {"reference": "registry.example.com/data:1"},
        "hostPath": {"path": "/data"},
        "nfs": {"server": "a", "path": "/"},
        "iscsi": {"targetPortal": "10.0.0.1:3260", "iqn": "iqn.2001-04.com.example:a", "lun": 0},
        "glusterfs": {"endpoints": "a", "path": "b"},
        "rbd": {"monitors": ["10.0.0.1"], "image": "a"},
        "cephfs": {"monitors": ["10.0.0.1"]},
        "gcePersistentDisk": {"pdName": "a"},
        "awsElasticBlockStore": {"volumeID": "a"},
        "azureDisk": {"diskName": "a", "diskURI": "/subscriptions/a"},
        "azureFile": {"secretName": "a", "shareName": "b"},
        "vsphereVolume": {"volumePath": "a"},
        "fc": {"targetWWNs": ["500a0982991b8dc5"], "lun": 0},
        "flexVolume": {"driver": "a/b"},
        "portworxVolume": {"volumeID": "a"},
        "quobyte": {"registry": "a:1", "volume": "b"},
        "cinder": {"volumeID": "a"},
        "storageos": {"volumeName": "a", "volumeNamespace": "b"},
        "scaleIO": {"gateway": "https://a", "system": "b", "secretRef": {"name": "c"}, "volumeName": "d"},
        "photonPersistentDisk": {"pdID": "a"},
        "flocker": {"datasetName": "a"},
    });
    let sources = sources.as_object().cloned().unwrap_or_default();
    let each = sources.into_iter().map(|(kind, source)| {
        let volumes = json!([{"name": "v", kind.as_str(): source}]);
        variant(&format!("volume {kind}"), &[("spec.volumes", volumes)])
    });
    each.collect()
}

/// Security contexts: of the Pod, of a container, of an init container beside the good one.
fn contexts() -> Vec<Variant> {
    let mut values: Vec<(&str, Value)> = vec![
        ("privileged", json!(true)),
        ("privileged", json!(false)),
        ("allowPrivilegeEscalation", json!(true)),
        ("allowPrivilegeEscalation", Value::Null),
        ("procMount", json!("Default")),
        ("procMount", json!("Unmasked")),
        ("readOnlyRootFilesystem", json!(false)),
        ("runAsNonRoot", json!(true)),
        ("runAsNonRoot", json!(false)),
        ("runAsUser", json!(0)),
        ("runAsUser", json!(1000)),
        ("runAsGroup", json!(0)),
        ("capabilities", Value::Null),
        ("capabilities", json!({"drop": ["NET_RAW"]})),
        ("capabilities", json!({"drop": ["all"]})),
        ("capabilities", json!({"drop": ["ALL", "NET_RAW"]})),
        ("windowsOptions", json!({"hostProcess": false})),
        ("windowsOptions", json!({"hostProcess": true})),
        ("windowsOptions", json!({"runAsUserName": "ContainerUser"})),
    ];
    for capability in [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
        "NET_RAW",
        "SYS_ADMIN",
        "SYS_PTRACE",
        "ALL",
        "CAP_CHOWN",
        "chown",
        "BPF",
    ] {
        values.push((
            "capabilities",
            json!({"drop": ["ALL"], "add": [capability]}),
        ));
    }
    for profile in ["RuntimeDefault", "Unconfined"] {
        values.push(("seccompProfile", json!({"type": profile})));
        values.push(("appArmorProfile", json!({"type": profile})));
    }
    let localhost = json!({"type": "Localhost", "localhostProfile": "a"});
    values.push(("seccompProfile", localhost.clone()));
    values.push(("appArmorProfile", localhost));
    for (field, value) in [
        ("type", "container_t"),
        ("type", "container_init_t"),
        ("type", "container_kvm_t"),
        ("type", "container_engine_t"),
        ("type", "spc_t"),
        ("type", ""),
        ("user", "system_u"),
        ("role", "system_r"),
        ("level", "s0:c1"),
    ] {
        values.push(("seLinuxOptions", json!({field: value})));
    }
    let of_pods = [
        "runAsNonRoot",
        "runAsUser",
        "runAsGroup",
        "seccompProfile",
        "appArmorProfile",
        "seLinuxOptions",
        "windowsOptions",
    ];
    let mut all = Vec::new();
    for (field, value) in &values {
        let text = if value.is_null() {
            "unset".to_owned()
        } else {
            value.to_string()
        };
        let own = format!("spec.containers.0.securityContext.{field}");
        all.push(variant(
            &format!("container {field} {text}"),
            &[(&own, value.clone())],
        ));
        let mut init = good()["spec"]["containers"][0].clone();
        init["name"] = json!("init");
        set(
            &mut init,
            &format!("securityContext.{field}"),
            value.clone(),
        );
        all.push(variant(
            &format!("init container {field} {text}"),
            &[("spec.initContainers", json!([init]))],
        ));
        if of_pods.contains(field) {
            let path = format!("spec.securityContext.{field}");
            all.push(variant(
                &format!("pod {field} {text}"),
                &[(&path, value.clone())],
            ));
            // The container has the last word where it has one.
            all.push(variant(
                &format!("pod {field} {text}, container as well"),
                &[(&path, value.clone()), (&own, value.clone())],
            ));
        }
    }
    all
}

/// What only shows in combination.
fn combined() -> Vec<Variant> {
    let context = "spec.containers.0.securityContext";
    vec![
        variant(
            "no context at all",
            &[
                ("spec.securityContext", Value::Null),
                (context, Value::Null),
            ],
        ),
        variant(
            "no context of the pod",
            &[("spec.securityContext", Value::Null)],
        ),
        variant("no context of the container", &[(context, Value::Null)]),
        variant(
            "root by the pod, user by the container",
            &[
                ("spec.securityContext.runAsNonRoot", Value::Null),
                (
                    "spec.containers.0.securityContext.runAsNonRoot",
                    json!(true),
                ),
            ],
        ),
        variant(
            "no seccomp profile anywhere",
            &[("spec.securityContext.seccompProfile", Value::Null)],
        ),
        variant(
            "seccomp profile of the container alone",
            &[
                ("spec.securityContext.seccompProfile", Value::Null),
                (
                    "spec.containers.0.securityContext.seccompProfile",
                    json!({"type": "RuntimeDefault"}),
                ),
            ],
        ),
        variant(
            "seccomp of the container against that of the pod",
            &[
                (
                    "spec.securityContext.seccompProfile",
                    json!({"type": "Unconfined"}),
                ),
                (
                    "spec.containers.0.securityContext.seccompProfile",
                    json!({"type": "RuntimeDefault"}),
                ),
            ],
        ),
        variant(
            "root in a user namespace",
            &[
                ("spec.hostUsers", json!(false)),
                ("spec.securityContext.runAsNonRoot", Value::Null),
                ("spec.securityContext.runAsUser", json!(0)),
            ],
        ),
        variant(
            "unmasked proc in a user namespace",
            &[
                ("spec.hostUsers", json!(false)),
                (
                    "spec.containers.0.securityContext.procMount",
                    json!("Unmasked"),
                ),
            ],
        ),
        variant(
            "windows with nothing of linux",
            &[
                ("spec.os", json!({"name": "windows"})),
                ("spec.securityContext", json!({"runAsNonRoot": true})),
                (context, Value::Null),
            ],
        ),
        variant(
            "linux by name with nothing of linux",
            &[
                ("spec.os", json!({"name": "linux"})),
                ("spec.securityContext", json!({"runAsNonRoot": true})),
                (context, Value::Null),
            ],
        ),
        variant(
            "windows host process",
            &[
                ("spec.os", json!({"name": "windows"})),
                ("spec.hostNetwork", json!(true)),
                (
                    "spec.securityContext",
                    json!({"windowsOptions": {"hostProcess": true}}),
                ),
                (context, Value::Null),
            ],
        ),
        variant(
            "apparmor annotation unconfined",
            &[(
                "metadata.annotations",
                json!({"container.apparmor.security.beta.kubernetes.io/main": "unconfined"}),
            )],
        ),
        variant(
            "apparmor annotation default",
            &[(
                "metadata.annotations",
                json!({"container.apparmor.security.beta.kubernetes.io/main": "runtime/default"}),
            )],
        ),
        variant(
            "apparmor annotation localhost",
            &[(
                "metadata.annotations",
                json!({"container.apparmor.security.beta.kubernetes.io/main": "localhost/a"}),
            )],
        ),
        variant(
            "a second container without context",
            &[(
                "spec.containers.1",
                json!({"name": "side", "image": "registry.example.com/side:1"}),
            )],
        ),
    ]
}

fn pod(changes: &[(String, Value)]) -> Value {
    let mut pod = good();
    for (path, value) in changes {
        if path == "spec.containers.1" {
            if let Some(containers) = pod["spec"]["containers"].as_array_mut() {
                containers.push(value.clone());
            }
        } else {
            set(&mut pod, path, value.clone());
        }
    }
    pod
}

/// The pack.
fn pack() -> Result<Set> {
    let files = packs::FILES.iter();
    let mut objects = Vec::new();
    for (name, text) in files.filter(|(name, _)| name.contains("/pod-security/")) {
        let read = yaml::read(name, text).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        objects.extend(read.into_iter().map(Sourced::from));
    }
    Set::build(objects, &Settings::default()).map_err(|mistakes| anyhow::anyhow!("{mistakes:?}"))
}

/// Whether the pack admits a Pod in a namespace that enforces the level, and what it says if not.
fn admits(pack: &Set, pod: &Value, level: &str) -> Result<(bool, String)> {
    let text = pod.to_string();
    let object = Json::parse(&text).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let mut request = Request::create(Gvr::new("v1", "pods"), object);
    request.namespace = "team".to_owned();
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "team", "labels": {"pod-security.kubernetes.io/enforce": level}},
    });
    let namespace = namespace.to_string();
    let namespace = Json::parse(&namespace).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    request.namespace_object = Some(Arc::new(namespace.to_owned_json()));
    let verdict = judge(pack, &request);
    let said: Vec<&str> = verdict
        .findings
        .iter()
        .map(|finding| finding.message.as_str())
        .collect();
    Ok((verdict.allowed(), said.join("; ")))
}

/// The Pod that the API server would store, or its refusal.
async fn create(pods: &Api<Pod>, pod: &Value) -> Result<Result<Value, String>> {
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let pod: Pod = serde_json::from_value(pod.clone())?;
    match pods.create(&dry, &pod).await {
        Ok(stored) => Ok(Ok(serde_json::to_value(stored)?)),
        Err(kube::Error::Api(status)) => Ok(Err(status.message.clone())),
        Err(error) => Err(error.into()),
    }
}

#[tokio::test]
async fn the_pack_decides_as_pod_security_admission() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let free = cluster.namespace("level-none").await?;
    let mut enforced = Vec::new();
    for level in LEVELS {
        let labels = [("pod-security.kubernetes.io/enforce", level)];
        enforced.push((level, cluster.namespace_with(level, &labels).await?));
    }
    let pods = |name: &str| Api::<Pod>::namespaced(cluster.client(), name);
    let pack = pack()?;
    let variants: Vec<Variant> = [node(), volumes(), contexts(), combined()].concat();
    let (mut invalid, mut compared, mut refused, mut different) = (Vec::new(), 0, 0, Vec::new());
    for (name, changes) in &variants {
        let pod = pod(changes);
        let stored = match create(&pods(free.name()), &pod).await? {
            Ok(stored) => stored,
            Err(message) => {
                invalid.push(format!("{name}: {message}"));
                continue;
            }
        };
        for (level, namespace) in &enforced {
            let theirs = create(&pods(namespace.name()), &pod).await?;
            if let Err(message) = &theirs {
                ensure!(
                    message.contains("violates PodSecurity"),
                    "{name}: {message}"
                );
            }
            let (ours, said) = admits(&pack, &stored, level).with_context(|| name.clone())?;
            compared += 1;
            refused += usize::from(!ours);
            if ours != theirs.is_ok() {
                different.push(format!(
                    "{level}, {name}\n  server: {theirs:?}\n  pack:   {ours} {said}"
                ));
            }
        }
    }
    println!(
        "{compared} compared, {refused} refused by the pack; {} invalid",
        invalid.len()
    );
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n")
    );
    assert!(compared > 2 * 150, "{compared} compared");
    assert!(refused > 100, "{refused} refused");
    // What the API server takes for no Pod at all teaches nothing.
    assert!(invalid.len() < 20, "{}", invalid.join("\n"));
    Ok(())
}
