//! The Sandbox of a claim: made for it alone, taken over from a pool, kept up to date.

use super::*;

impl<'a> Work<'_, 'a> {
    /// The Sandbox to make for the claim alone.
    pub(super) fn cold(&mut self) -> Result<Value, Refusal> {
        let missing = |what: &str, name: &str, reason| {
            Refusal::lasting(reason, format!("{what} \"{name}\" not found"))
        };
        let Some(pool) = self.observed.pool else {
            self.look_in(MISSING_LOOK);
            return Err(missing(
                "SandboxWarmPool",
                self.pool_name(),
                reasons::POOL_NOT_FOUND,
            ));
        };
        let Some(template) = self.observed.template else {
            self.look_in(MISSING_LOOK);
            let name = &pool.spec.sandbox_template_ref.name;
            return Err(missing(
                "SandboxTemplate",
                name,
                reasons::TEMPLATE_NOT_FOUND,
            ));
        };
        let spec = self.cold_spec(template)?;
        Ok(self.cold_document(observed::name(&template.metadata), &spec))
    }

    /// Its spec: the template's, with what the claim brings along.
    fn cold_spec(&self, template: &SandboxTemplate) -> Result<Value, Refusal> {
        let claim = self.claim();
        let volumes = request::volumes(claim, &template.spec)?;
        let hash = name_hash(observed::name(&template.metadata));
        let given = template.spec.pod_template.metadata.as_ref();
        let (pod_labels, pod_notes) = request::pod_metadata(claim, given, Some(&hash))?;
        let mut pod = blueprint::pod_spec(template);
        let env = claim.spec.env.as_deref().unwrap_or_default();
        request::inject_env(env, &template.spec, &mut pod)?;
        let mut spec = json!({"podTemplate": {"metadata": {"labels": pod_labels}, "spec": pod}});
        if !pod_notes.is_empty() {
            spec["podTemplate"]["metadata"]["annotations"] = json!(pod_notes);
        }
        if !volumes.is_empty() {
            spec["volumeClaimTemplates"] = json!(volumes);
        }
        if let Some(service) = template.spec.service {
            spec["service"] = service.into();
        }
        Ok(spec)
    }

    fn cold_document(&self, template: &str, spec: &Value) -> Value {
        let claim = self.claim();
        let mut marks = json!({
            labels::CLAIM_UID: claim.metadata.uid,
            labels::LAUNCH_TYPE: "cold",
            labels::TEMPLATE_REF_HASH: name_hash(template),
        });
        if let Some(creator) = request::creator(claim) {
            marks[labels::CREATED_BY] = creator.into();
        }
        let mut notes = json!({ annotations::TEMPLATE_REF: template });
        if let Some(trace) = annotation(&claim.metadata, annotations::TRACE_CONTEXT) {
            notes[annotations::TRACE_CONTEXT] = trace.into();
        }
        json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": "Sandbox",
            "metadata": {
                "name": self.name(),
                "namespace": claim.metadata.namespace,
                "labels": marks,
                "annotations": notes,
                "ownerReferences": [self.owner()],
            },
            "spec": spec,
        })
    }

    fn owner(&self) -> Value {
        let metadata = &self.claim().metadata;
        owner(
            EXTENSIONS_GROUP,
            "SandboxClaim",
            metadata.name.as_deref(),
            metadata.uid.as_deref(),
        )
    }

    /// Changes of the metadata that a Sandbox gives its Pod.
    fn pod_metadata(
        &self,
        sandbox: &'a Sandbox,
        template: Option<&'a SandboxTemplate>,
        hash: Option<&str>,
    ) -> Result<Map<String, Value>, Refusal> {
        let present = sandbox
            .spec
            .pod_template
            .metadata
            .clone()
            .unwrap_or_default();
        let given = match template {
            Some(template) => template
                .spec
                .pod_template
                .metadata
                .clone()
                .unwrap_or_default(),
            None => {
                let mut given = present.clone();
                if let Some(notes) = &mut given.annotations {
                    notes.retain(|key, value| key != annotations::SAFE_TO_EVICT || value != "true");
                }
                given
            }
        };
        let (marks, notes) = request::pod_metadata(self.claim(), Some(&given), hash)?;
        let mut changed = Map::new();
        for (part, present, wanted) in [
            ("labels", texts(present.labels.as_ref()), marks),
            ("annotations", texts(present.annotations.as_ref()), notes),
        ] {
            let part_changed = changes(&present, &wanted);
            if !part_changed.is_empty() {
                changed.insert(part.to_owned(), part_changed.into());
            }
        }
        Ok(changed)
    }

    /// Makes a member that is written down the claim's. Only as it was seen: two claims never get it.
    pub(super) fn take_over(&mut self, sandbox: &'a Sandbox) -> Result<(), Refusal> {
        let name = observed::name(&sandbox.metadata);
        let hash = label(&sandbox.metadata, labels::TEMPLATE_REF_HASH);
        let pod = self.pod_metadata(sandbox, self.observed.template, hash)?;
        let claim = &self.claim().metadata;
        let mut notes = json!({ annotations::POD_NAME: name });
        if let Some(trace) = annotation(claim, annotations::TRACE_CONTEXT) {
            notes[annotations::TRACE_CONTEXT] = trace.into();
        }
        let mut patch = json!({"metadata": {
            "resourceVersion": sandbox.metadata.resource_version,
            "uid": sandbox.metadata.uid,
            "ownerReferences": [self.owner()],
            "labels": {
                labels::WARM_POOL_SANDBOX: null,
                labels::POD_TEMPLATE_HASH: null,
                labels::TEMPLATE_HASH: null,
                labels::LAUNCH_TYPE: WARM,
                labels::CLAIM_UID: claim.uid,
                labels::CREATED_BY: request::creator(self.claim()),
            },
            "annotations": notes,
        }});
        if !pod.is_empty() {
            patch["spec"] = json!({"podTemplate": {"metadata": pod}});
        }
        self.write(step::SANDBOX, Kind::Sandbox, name, Write::Patch(patch));
        Ok(())
    }

    /// Keeps what a Sandbox of the claim is told of it up to date.
    pub(super) fn keep(&mut self, sandbox: &'a Sandbox) -> Result<(), Refusal> {
        let name = observed::name(&sandbox.metadata);
        let mut marks = Map::new();
        if label(&sandbox.metadata, labels::LAUNCH_TYPE).is_none() {
            let warm = self.reference() == Some(name) || name != self.name();
            let launch = if warm { WARM } else { "cold" };
            marks.insert(labels::LAUNCH_TYPE.to_owned(), launch.into());
        }
        let mut patch = json!({});
        if let Some(template) = self.observed.template {
            let hash = name_hash(observed::name(&template.metadata));
            let creator = request::creator(self.claim());
            for (key, wanted) in [
                (labels::TEMPLATE_REF_HASH, Some(hash.as_str())),
                (labels::CREATED_BY, creator),
            ] {
                if label(&sandbox.metadata, key) != wanted {
                    marks.insert(key.to_owned(), wanted.into());
                }
            }
            let pod = self.pod_metadata(sandbox, Some(template), Some(&hash))?;
            if !pod.is_empty() {
                patch["spec"] = json!({"podTemplate": {"metadata": pod}});
            }
        }
        if !marks.is_empty() {
            patch["metadata"] = json!({ "labels": marks });
        }
        if patch != json!({}) && !terminating(&sandbox.metadata) {
            self.write(step::SANDBOX, Kind::Sandbox, name, Write::Patch(patch));
        }
        Ok(())
    }
}
