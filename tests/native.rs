//! `sandfence render native` on a real API server without any webhook: what the suites' cases create is refused, admitted
//! and changed there as our judge says.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PostParams};
use kube::{Api, Client};
use sandfence::model::json::Json;
use sandfence::model::request::{Operation, Request};
use sandfence::model::yaml::{self, Document};
use sandfence::model::yaml_out::to_yaml_stream;
use sandfence::policy::diagnostic::Sourced;
use sandfence::policy::judge::judge;
use sandfence::policy::mutate::mutate;
use sandfence::policy::set::{Set, Settings};
use sandfence::policy::suite::{self, Case, ProfileSource, Suite};
use serde_json::{Value, json};
use support::{Cluster, Namespace};

/// How long policies may take to come into force.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);

/// The label by which a namespace is under a profile.
const UNDER: &str = "test.sandfence.dev/profile";

/// Objects that kubectl creates in one go.
const CHUNK: usize = 200;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

/// The documents of a file or of all files of a folder.
fn load(path: &Path) -> Result<Vec<Document>, String> {
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries = fs::read_dir(path).map_err(|error| error.to_string())?;
        files = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|one| one == "yaml"));
        files.sort();
    }
    let mut documents = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let name = file.display().to_string();
        documents.extend(yaml::read(&name, &text).map_err(|error| error.to_string())?);
    }
    Ok(documents)
}

/// A pack with its suite.
struct Pack {
    name: String,
    folder: PathBuf,
    suite: Suite,
}

fn packs() -> Result<Vec<Pack>> {
    let mut packs = Vec::new();
    for entry in fs::read_dir(root())? {
        let folder = entry?.path();
        let Ok(documents) = load(&folder.join("suite.yaml")) else {
            continue;
        };
        let document = documents.into_iter().next().context("a suite")?;
        let suite = suite::read(document).map_err(|mistakes| anyhow!("{mistakes:?}"))?;
        let name = folder.file_name().context("a name")?.to_string_lossy();
        packs.push(Pack {
            name: name.into_owned(),
            suite,
            folder,
        });
    }
    packs.sort_by(|a, b| a.name.cmp(&b.name));
    ensure!(packs.len() >= 4, "only {} packs", packs.len());
    Ok(packs)
}

impl Pack {
    /// The profile of a case, by a name that no other pack has.
    fn profile(&self, case: &Case) -> Option<String> {
        let name = case.profile.as_ref().or(self.suite.profile.as_ref())?;
        Some(format!("{}-{name}", self.name))
    }

    /// Its profiles, each for the namespaces that are under it.
    fn profiles(&self) -> Result<Vec<Json<'static>>> {
        let mut out = Vec::new();
        for source in &self.suite.profiles {
            let objects = match source {
                ProfileSource::Object(object) => vec![object.clone()],
                ProfileSource::File(path) => load(&self.folder.join(path))
                    .map_err(|error| anyhow!(error))?
                    .into_iter()
                    .map(|document| document.value)
                    .collect(),
            };
            for object in objects {
                let mut value = Value::from(&object);
                let name = value["metadata"]["name"].as_str().context("a name")?;
                let name = format!("{}-{name}", self.name);
                value["spec"]["namespaceSelector"] = json!({"matchLabels": {UNDER: name}});
                value["metadata"] = json!({"name": name});
                out.push(Json::from(value));
            }
        }
        Ok(out)
    }
}

/// A case as both sides see it.
struct Trial {
    name: String,
    request: Request<'static>,
    /// Labels of its namespace; equal ones share one.
    labels: BTreeMap<String, String>,
}

/// The cases that create an object as a whole.
fn trials(packs: &[Pack]) -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for pack in packs {
        for case in &pack.suite.cases {
            let load = |path: &str| load(&pack.folder.join(path));
            let request = suite::request_of(&pack.suite, case, &load).map_err(|e| anyhow!(e))?;
            let whole = request.sub_resource.is_none() && request.options.is_null();
            // When an object was created says the API server, whatever the case says.
            let timed = request
                .object
                .at(&["metadata", "creationTimestamp"])
                .is_some();
            let whole = whole && !timed;
            if request.operation != Operation::Create || !whole || request.namespace.is_empty() {
                continue;
            }
            let mut labels: BTreeMap<String, String> =
                case.namespace_labels.iter().cloned().collect();
            labels.extend(pack.profile(case).map(|name| (UNDER.to_owned(), name)));
            trials.push(Trial {
                name: format!("{}: {}", pack.name, case.name),
                request,
                labels,
            });
        }
    }
    Ok(trials)
}

impl Trial {
    /// Puts it where and under whom it is tried.
    fn place(&mut self, namespace: &str) {
        let request = &mut self.request;
        request.namespace = namespace.to_owned();
        if let Some(metadata) = request
            .object
            .get_mut("metadata")
            .and_then(Json::as_object_mut)
        {
            metadata.insert("namespace", Json::from(namespace.to_owned()));
        }
        let mut labels: serde_json::Map<String, Value> = self
            .labels
            .iter()
            .map(|(key, value)| (key.clone(), json!(value)))
            .collect();
        labels.insert("kubernetes.io/metadata.name".to_owned(), json!(namespace));
        request.namespace_object = Some(Arc::new(Json::from(json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": namespace, "labels": labels},
        }))));
        for group in ["system:authenticated", "system:masters"] {
            request.user.groups.push(group.to_owned());
        }
    }

    /// What we say: the sentences of the refusals, or the object that is stored.
    fn ours(&self, set: &Set) -> Result<Value, Vec<String>> {
        let mutated = mutate(set, &self.request);
        let mut request = self.request.clone();
        if let Some(object) = mutated.object {
            request.object = object;
        }
        let verdict = judge(set, &request);
        let findings = mutated.findings.iter().chain(&verdict.findings);
        let refusals: Vec<String> = findings
            .filter(|finding| finding.denies)
            .map(|finding| finding.denial())
            .collect();
        if refusals.is_empty() {
            Ok(Value::from(&request.object))
        } else {
            Err(refusals)
        }
    }

    /// What the API server says: the message of its refusal, or the object that it would store.
    async fn theirs(&self, client: Client) -> Result<Result<Value, String>> {
        let kind = &self.request.kind;
        let gvk = GroupVersionKind::gvk(&kind.group, &kind.version, &kind.kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, &self.request.resource.resource);
        let api: Api<DynamicObject> =
            Api::namespaced_with(client, &self.request.namespace, &resource);
        let object = serde_json::from_value(Value::from(&self.request.object))?;
        let dry = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        match api.create(&dry, &object).await {
            Ok(object) => Ok(Ok(serde_json::to_value(&object)?)),
            Err(kube::Error::Api(status)) => Ok(Err(status.message.clone())),
            Err(error) => Err(error.into()),
        }
    }

    /// What is different between the two; `None` when they agree.
    fn difference(
        &self,
        ours: &Result<Value, Vec<String>>,
        theirs: &Result<Value, String>,
    ) -> Option<String> {
        let what = match (ours, theirs) {
            (Err(refusals), Err(message)) => {
                if refusals.iter().any(|one| message.ends_with(one.as_str())) {
                    return None;
                }
                format!("refused as {message}, by us as {refusals:?}")
            }
            (Ok(_), Err(message)) => format!("refused: {message}"),
            (Err(refusals), Ok(_)) => format!("admitted, refused by us: {refusals:?}"),
            (Ok(ours), Ok(theirs)) => {
                // Defaults of built-in kinds are not ours to set.
                let comparable = self.request.kind.group.ends_with("agents.x-k8s.io");
                if !comparable || ours["spec"] == theirs["spec"] {
                    return None;
                }
                format!("stored as {}, by us as {}", theirs["spec"], ours["spec"])
            }
        };
        Some(format!("{}: {what}", self.name))
    }
}

/// Whether a policy refused, and not the API server itself.
fn by_policy(theirs: &Result<Value, String>) -> bool {
    theirs
        .as_ref()
        .map_or_else(|message| message.contains(" denied request: "), |_| true)
}

/// What `render native` prints for the shipped packs under these profiles.
fn rendered(profiles: &[Json<'static>]) -> Result<Vec<Document>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("profiles.yaml");
    fs::write(&file, to_yaml_stream(profiles))?;
    let output = Command::new(env!("CARGO_BIN_EXE_sandfence"))
        .args(["render", "native", "--policies"])
        .arg(root())
        .arg("--profile")
        .arg(&file)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(yaml::read("native", &text)?)
}

async fn install(cluster: &Cluster, documents: &[Document]) -> Result<()> {
    for chunk in documents.chunks(CHUNK) {
        let text = to_yaml_stream(chunk.iter().map(|document| &document.value));
        let output = cluster.kubectl(&["create", "-f", "-"], &text).await?;
        ensure!(output.status == 0, "{}", output.stderr);
    }
    Ok(())
}

#[test]
fn every_kind_of_the_packs_is_rendered_and_nothing_of_our_own_but_parameters() -> Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_sandfence"))
        .args(["render", "native"])
        .output()?;
    assert_eq!(output.status.code(), Some(0));
    let documents = yaml::read("native", &String::from_utf8(output.stdout)?)?;
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for document in &documents {
        let kind = document.value.str_at(&["kind"]).context("a kind")?;
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    let names: Vec<&str> = kinds.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "GuardrailProfile",
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
        ]
    );
    assert_eq!(kinds["GuardrailProfile"], 1);
    assert_eq!(
        kinds["MutatingAdmissionPolicy"],
        kinds["MutatingAdmissionPolicyBinding"]
    );
    let note =
        "note: no GuardrailProfile among the inputs: judging by the shipped profile `restricted`";
    assert!(String::from_utf8(output.stderr)?.contains(note));
    Ok(())
}

#[tokio::test]
async fn the_api_server_alone_decides_as_the_suites_say() -> Result<()> {
    let packs = packs()?;
    let mut profiles = Vec::new();
    for pack in &packs {
        profiles.extend(pack.profiles()?);
    }
    let cluster = Cluster::dedicated().await?;
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/sandfence/crds");
    cluster.apply_crd_files(&crds).await?;
    install(&cluster, &rendered(&profiles)?).await?;

    // Ours comes from the packs as they are, not from what was rendered.
    let mut objects: Vec<Sourced> = profiles.into_iter().map(Sourced::cluster).collect();
    for pack in &packs {
        let documents = load(&pack.folder).map_err(|error| anyhow!(error))?;
        let policies = documents.into_iter().filter(|one| !suite::is_suite(one));
        objects.extend(policies.map(Sourced::from));
    }
    let set = Set::build(objects, &Settings::default()).map_err(|e| anyhow!("{e:?}"))?;

    let mut trials = trials(&packs)?;
    let mut namespaces: BTreeMap<BTreeMap<String, String>, Namespace> = BTreeMap::new();
    for trial in &mut trials {
        if !namespaces.contains_key(&trial.labels) {
            let labels: Vec<(&str, &str)> = trial
                .labels
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect();
            let made = cluster.namespace_with("native", &labels).await?;
            namespaces.insert(trial.labels.clone(), made);
        }
        let namespace = namespaces[&trial.labels].name().to_owned();
        trial.place(&namespace);
    }
    let compared = settle(&cluster, &set, &trials).await?;
    println!("{} cases, {compared:?}", trials.len());
    ensure!(
        compared.refused >= 60 && compared.admitted >= 30,
        "{compared:?}"
    );
    Ok(())
}

#[derive(Debug, Default)]
struct Compared {
    refused: usize,
    admitted: usize,
    /// Refused by the API server for reasons of its own.
    other: usize,
}

/// Tries all cases until both sides agree about each.
async fn settle(cluster: &Cluster, set: &Set, trials: &[Trial]) -> Result<Compared> {
    let deadline = Instant::now() + SETTLE_LIMIT;
    let mut clients: BTreeMap<(String, Vec<String>), Client> = BTreeMap::new();
    let mut compared = Compared::default();
    let mut open: BTreeSet<usize> = (0..trials.len()).collect();
    loop {
        let mut different = Vec::new();
        for at in open.clone() {
            let trial = &trials[at];
            let user = &trial.request.user;
            let key = (user.username.clone(), user.groups.clone());
            let client = match clients.get(&key) {
                Some(client) => client.clone(),
                None => {
                    let groups: Vec<&str> = user.groups.iter().map(String::as_str).collect();
                    let client = cluster.client_as(&user.username, &groups)?;
                    clients.insert(key, client.clone());
                    client
                }
            };
            let (ours, theirs) = (trial.ours(set), trial.theirs(client).await?);
            if !by_policy(&theirs) {
                compared.other += 1;
                open.remove(&at);
                continue;
            }
            match trial.difference(&ours, &theirs) {
                Some(difference) => different.push(difference),
                None => {
                    open.remove(&at);
                    compared.refused += usize::from(ours.is_err());
                    compared.admitted += usize::from(ours.is_ok());
                }
            }
        }
        if open.is_empty() {
            return Ok(compared);
        }
        ensure!(
            Instant::now() < deadline,
            "{} of {} cases differ:\n{}",
            different.len(),
            trials.len(),
            different.join("\n")
        );
    }
}
