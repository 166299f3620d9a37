//! Ways out of the fence, as data (`tests/data/fence/attacks.yaml`): each is tried on the API server by somebody with all
//! rights of the cluster, and has to be stopped by the rule that is there for it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use hyper::http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};

use super::behind::{Fence, succeeds};
use super::cases::repository;
use super::support::Namespace;

/// The fewest ways out that the suite holds.
pub const FEWEST: usize = 60;
/// How long a new profile may take to come into force.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);

/// A namespace of sandboxes as their controllers left it, and who attacks it.
pub struct Siege {
    attacker: Client,
    controller: Client,
    namespace: String,
    /// A namespace that asks for the restricted Pod Security Standard.
    labelled: Namespace,
    file: Value,
}

/// What an attack sends.
struct Call {
    method: Method,
    path: String,
    content: &'static str,
    body: Value,
}

impl Siege {
    /// Reads the attacks and lets the controllers make what is attacked.
    pub async fn lay(fence: &Fence) -> Result<Self> {
        let path = repository("tests/data/fence/attacks.yaml");
        let text = std::fs::read_to_string(&path)?;
        let documents = sandfence::model::yaml::read("attacks.yaml", &text)?;
        let [document] = documents.as_slice() else {
            bail!("expected one document");
        };
        let groups = ["system:masters", "system:authenticated"];
        let controller = "system:serviceaccount:sandfence-system:sandfence";
        let labels = [("pod-security.kubernetes.io/enforce", "restricted")];
        let mut siege = Self {
            attacker: fence.cluster.client_as("mallory", &groups)?,
            controller: fence.cluster.client_as(controller, &groups)?,
            namespace: fence.namespace.name().to_owned(),
            labelled: fence.cluster.namespace_with("labelled", &labels).await?,
            file: Value::from(&document.value),
        };
        let profile = siege.file["profile"].to_string();
        let create = ["create", "-f", "-"];
        succeeds(fence.cluster.kubectl(&create, &profile).await?)?;
        for name in siege.list("made")?.clone() {
            let name = name.as_str().context("a name")?;
            let call = siege.create(&siege.file["bases"][name], &siege.namespace, false)?;
            let answer = siege.send(&siege.controller, &call).await;
            let made = answer.with_context(|| format!("the controllers make {name}"))?;
            // What it owns names it by its uid.
            let uid = made["metadata"]["uid"].as_str().context("a uid")?;
            let text = siege
                .file
                .to_string()
                .replace(&format!("UID-OF-{name}"), uid);
            siege.file = serde_json::from_str(&text)?;
        }
        Ok(siege)
    }

    fn list(&self, key: &str) -> Result<&Vec<Value>> {
        self.file[key]
            .as_array()
            .with_context(|| format!("{key} is a list"))
    }

    /// Tries everything; returns how many ways were tried.
    pub async fn hold(&self) -> Result<usize> {
        let attacks = self.list("attacks")?;
        // The profile of the suite may still be on its way into the server.
        let deadline = Instant::now() + SETTLE_LIMIT;
        let probe = attacks.last().context("attacks")?;
        while let Err(error) = self.try_one(probe).await {
            ensure!(Instant::now() < deadline, "not in force: {error:#}");
        }
        let mut problems = Vec::new();
        for attack in attacks {
            if let Err(error) = self.try_one(attack).await {
                problems.push(format!("{}: {error:#}", attack["name"]));
            }
        }
        ensure!(problems.is_empty(), "{}", problems.join("\n"));
        Ok(attacks.len())
    }

    async fn try_one(&self, attack: &Value) -> Result<()> {
        let call = self.call(attack)?;
        let found = match self.send(&self.attacker, &call).await {
            Ok(_) => bail!("{} {} was admitted", call.method, call.path),
            Err(kube::Error::Api(status)) => {
                let causes = status.details.iter().flat_map(|details| &details.causes);
                let mut found: Vec<String> = causes.map(|cause| cause.message.clone()).collect();
                found.push(status.message.clone());
                found
            }
            Err(error) => return Err(error.into()),
        };
        let text = |key: &str| {
            attack[key]
                .as_str()
                .with_context(|| format!("{key} is missing"))
        };
        let policy = format!(
            "ValidatingAdmissionPolicy '{}' with binding '",
            text("stopped")?
        );
        let says = text("says")?;
        ensure!(
            found
                .iter()
                .any(|line| line.contains(&policy) && line.contains(says)),
            "expected {policy}…{says}, found {found:#?}"
        );
        Ok(())
    }

    fn call(&self, attack: &Value) -> Result<Call> {
        let target = |key: &str| attack[key].as_str();
        if let Some(base) = target("create") {
            let mut object = self.file["bases"][base].clone();
            ensure!(object.is_object(), "no base {base}");
            for (pointer, value) in attack["set"].as_object().into_iter().flatten() {
                set(&mut object, pointer, value.clone())?;
            }
            let namespace = match target("in") {
                Some("labelled") => self.labelled.name(),
                _ => &self.namespace,
            };
            return self.create(&object, namespace, true);
        }
        if let Some(path) = target("patch") {
            return Ok(Call {
                method: Method::PATCH,
                path: format!("{}?dryRun=All", self.path(path)),
                content: "application/merge-patch+json",
                body: attack["with"].clone(),
            });
        }
        if let Some(path) = target("debug") {
            return Ok(Call {
                method: Method::PATCH,
                path: format!("{}/ephemeralcontainers?dryRun=All", self.path(path)),
                content: "application/strategic-merge-patch+json",
                body: attack["with"].clone(),
            });
        }
        let path = target("delete").context("an attack creates, patches, debugs or deletes")?;
        Ok(Call {
            method: Method::DELETE,
            path: self.path(path),
            content: "application/json",
            body: json!({"dryRun": ["All"], "propagationPolicy": attack["propagation"].as_str().unwrap_or("Background")}),
        })
    }

    /// `group/version/plural/name`, with `core` for the group without a name.
    fn path(&self, target: &str) -> String {
        let mut parts = target.splitn(3, '/');
        let (group, version) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        let rest = parts.next().unwrap_or_default();
        let api = match group {
            "core" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        format!("{api}/namespaces/{}/{rest}", self.namespace)
    }

    fn create(&self, object: &Value, namespace: &str, dry: bool) -> Result<Call> {
        let text = |key: &str| {
            object[key]
                .as_str()
                .with_context(|| format!("{key} is missing"))
        };
        let api_version = text("apiVersion")?;
        let api = if api_version.contains('/') {
            format!("apis/{api_version}")
        } else {
            format!("api/{api_version}")
        };
        let plural = match text("kind")? {
            "NetworkPolicy" => "networkpolicies".to_owned(),
            "Sandbox" => "sandboxes".to_owned(),
            kind => format!("{}s", kind.to_lowercase()),
        };
        let query = if dry { "?dryRun=All" } else { "" };
        Ok(Call {
            method: Method::POST,
            path: format!("/{api}/namespaces/{namespace}/{plural}{query}"),
            content: "application/json",
            body: object.clone(),
        })
    }

    async fn send(&self, client: &Client, call: &Call) -> Result<Value, kube::Error> {
        let request = Request::builder()
            .method(call.method.clone())
            .uri(&call.path)
            .header("content-type", call.content)
            .body(call.body.to_string().into_bytes())
            .map_err(kube::Error::HttpError)?;
        client.request(request).await
    }
}

/// Sets the value at a JSON pointer, making the parents that are missing; the index past the end appends.
fn set(target: &mut Value, pointer: &str, value: Value) -> Result<()> {
    let parts: Vec<String> = pointer
        .split('/')
        .skip(1)
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect();
    let mut at = target;
    for (depth, part) in parts.iter().enumerate() {
        if at.is_null() {
            *at = if part == "0" { json!([]) } else { json!({}) };
        }
        at = match at {
            Value::Object(fields) => fields.entry(part.clone()).or_insert(Value::Null),
            Value::Array(items) => {
                let index: usize = part.parse()?;
                if index == items.len() {
                    items.push(Value::Null);
                }
                items.get_mut(index).context("an index past the end")?
            }
            _ => bail!("{pointer}: no place for part {depth}"),
        };
    }
    *at = value;
    Ok(())
}
