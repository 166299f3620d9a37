//! What each manifest of `tests/data/fence/` must come to, in the words that users see.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// A rule that says no: its policy and its whole message.
pub type Refusal = (&'static str, &'static str);

/// The binding of a policy to the profile, as the product names it.
pub fn bound(policy: &str) -> String {
    format!("{policy}-restricted")
}

/// A refusal as the API server words it, whichever engine judged.
pub fn sentence(&(policy, message): &Refusal) -> String {
    let binding = bound(policy);
    format!(
        "ValidatingAdmissionPolicy '{policy}' with binding '{binding}' denied request: {message}"
    )
}

/// A manifest that is refused, and by which rules.
pub struct Refused {
    pub manifest: &'static str,
    pub by: &'static [Refusal],
}

/// Refused Sandboxes. `check` lists every refusal; kubectl shows the first that its server came to.
pub const REFUSED: &[Refused] = &[
    Refused {
        manifest: "privileged-init.yaml",
        by: &[
            (
                "sandbox-guardrails-privileges",
                "spec.podTemplate.spec.initContainers[0].securityContext.privileged (container setup) is true; remove \
                 it or set it to false (profile restricted, spec.user.allowPrivilegeEscalation)",
            ),
            (
                "sandbox-guardrails-privileges",
                "spec.podTemplate.spec.initContainers[0].securityContext.allowPrivilegeEscalation (container setup) \
                 is not set; set it to false (profile restricted, spec.user.allowPrivilegeEscalation)",
            ),
        ],
    },
    Refused {
        manifest: "host-path.yaml",
        by: &[(
            "sandbox-guardrails-host",
            "spec.podTemplate.spec.volumes[0].hostPath (volume node) is /var/run; use emptyDir or a volume claim \
             (profile restricted, spec.host.forbidHostPath)",
        )],
    },
    Refused {
        manifest: "root.yaml",
        by: &[(
            "sandbox-guardrails-user",
            "spec.podTemplate.spec.containers[0].securityContext.runAsUser (container agent) is 0, which is root; \
             choose another user or remove it (profile restricted, spec.user.runAsNonRoot)",
        )],
    },
];

/// An edit of the compliant Sandbox, refused while it runs.
pub const WEAKENED: Refused = Refused {
    manifest: "weakened.yaml",
    by: &[(
        "sandbox-guardrails-privileges",
        "spec.podTemplate.spec.containers[0].securityContext.allowPrivilegeEscalation (container agent) is true; set \
         it to false (profile restricted, spec.user.allowPrivilegeEscalation)",
    )],
};

/// A Pod that names the compliant Sandbox as its owner.
pub const DIRECT_POD: Refused = Refused {
    manifest: "direct-pod.yaml",
    by: &[(
        "sandbox-guardrails-host",
        "spec.hostPID is true; remove it or set it to false (profile restricted, spec.host.forbidNamespaces)",
    )],
};

/// A debug container as `kubectl debug` adds it by default.
pub const DEBUG_CONTAINER: &[Refusal] = &[
    (
        "sandbox-guardrails-privileges",
        "spec.ephemeralContainers[0].securityContext.capabilities.drop (container debug) is not set; drop ALL \
         (profile restricted, spec.user.dropCapabilities)",
    ),
    (
        "sandbox-guardrails-privileges",
        "spec.ephemeralContainers[0].securityContext.capabilities.add (container debug) has SYS_PTRACE; remove it, \
         none may be added (profile restricted, spec.user.allowedCapabilities)",
    ),
    (
        "sandbox-guardrails-privileges",
        "spec.ephemeralContainers[0].securityContext.allowPrivilegeEscalation (container debug) is not set; set it to \
         false (profile restricted, spec.user.allowPrivilegeEscalation)",
    ),
];

/// Admitted Sandboxes, with the Pod spec that is stored.
pub fn admitted() -> [(&'static str, Value); 2] {
    [
        (
            "compliant.yaml",
            json!({
                "runtimeClassName": "gvisor",
                "automountServiceAccountToken": false,
                "securityContext": {
                    "runAsNonRoot": true,
                    "runAsUser": 1000,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [{
                    "name": "agent",
                    "image": "registry.example/agent:1.4",
                    "ports": [{"containerPort": 8888, "protocol": "TCP"}],
                    "resources": {"limits": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "2Gi"}},
                    "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                    "volumeMounts": [{"name": "work", "mountPath": "/work"}],
                }],
                "volumes": [{"name": "work", "emptyDir": {}}],
            }),
        ),
        (
            "no-runtime-class.yaml",
            json!({
                "runtimeClassName": "gvisor",
                "automountServiceAccountToken": false,
                "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{
                    "name": "agent",
                    "image": "registry.example/agent:1.4",
                    "resources": {"limits": {"cpu": "500m", "memory": "512Mi", "ephemeral-storage": "2Gi"}},
                    "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                }],
            }),
        ),
    ]
}

pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn text(path: &Path) -> Result<&str> {
    path.to_str().context("paths of the repository are text")
}

pub fn manifest(name: &str) -> Result<String> {
    let path = repository("tests/data/fence").join(name);
    std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}
