//! Labels, annotations and the name hash of the agent-sandbox API.

/// Labels and annotations of the API start with this, or with [`EXTENSIONS_PREFIX`].
pub const PREFIX: &str = "agents.x-k8s.io/";
/// Labels and annotations of the extension kinds start with this.
pub const EXTENSIONS_PREFIX: &str = "extensions.agents.x-k8s.io/";

/// Keys of labels.
pub mod labels {
    /// On Pod, Service, claim: hash of the sandbox name.
    pub const SANDBOX_NAME_HASH: &str = "agents.x-k8s.io/sandbox-name-hash";
    /// On a pool member and, while the pool owns it, its Pod: hash of the pool name.
    pub const WARM_POOL_SANDBOX: &str = "agents.x-k8s.io/warm-pool-sandbox";
    /// On template, sandbox, Pod: hash of the template name.
    pub const TEMPLATE_REF_HASH: &str = "agents.x-k8s.io/sandbox-template-ref-hash";
    /// On a pool member: hash of the Pod template (deprecated).
    pub const POD_TEMPLATE_HASH: &str = "agents.x-k8s.io/sandbox-pod-template-hash";
    /// On a pool member: hash of the blueprint.
    pub const TEMPLATE_HASH: &str = "agents.x-k8s.io/sandbox-template-hash";
    /// On a sandbox: `warm` or `cold`.
    pub const LAUNCH_TYPE: &str = "agents.x-k8s.io/launch-type";
    /// Who asked for it: see [`super::created_by`].
    pub const CREATED_BY: &str = "agents.x-k8s.io/created-by";
    /// On a claimed sandbox: uid of the claim.
    pub const CLAIM_UID: &str = "agents.x-k8s.io/claim-uid";
    /// Set by users: a sandbox may take the object when nobody owns it.
    pub const ADOPTABLE: &str = "agents.x-k8s.io/adoptable";
    /// On a claim (deprecated): the name of its sandbox; now an annotation.
    pub const SANDBOX_NAME: &str = "agents.x-k8s.io/sandbox-name";
}

/// Keys of annotations.
pub mod annotations {
    /// On a sandbox: the name of its Pod.
    pub const POD_NAME: &str = "agents.x-k8s.io/pod-name";
    /// On a sandbox: the name of its template.
    pub const TEMPLATE_REF: &str = "agents.x-k8s.io/sandbox-template-ref";
    /// On a Pod: the label keys copied from the template, sorted, joined by commas.
    pub const PROPAGATED_LABELS: &str = "agents.x-k8s.io/propagated-labels";
    /// On a Pod: the annotation keys copied from the template, sorted, joined by commas.
    pub const PROPAGATED_ANNOTATIONS: &str = "agents.x-k8s.io/propagated-annotations";
    /// On a claim: the name of the warm sandbox it took.
    pub const SANDBOX_NAME: &str = "agents.x-k8s.io/sandbox-name";
    /// On a claim: when the controller first saw it.
    pub const CONTROLLER_FIRST_OBSERVED_AT: &str = "agents.x-k8s.io/controller-first-observed-at";
    /// On a claim: when it first was ready, or `unknown`.
    pub const CLAIM_FIRST_READY_AT: &str = "agents.x-k8s.io/claim-first-ready-at";
    /// On a claim: when the client asked for it.
    pub const CLIENT_FIRST_REQUESTED_AT: &str = "agents.x-k8s.io/client-first-requested-at";
    /// On a claim: when an admission webhook first saw it.
    pub const WEBHOOK_FIRST_OBSERVED_AT: &str = "agents.x-k8s.io/webhook-first-observed-at";
    /// Named by the API, used by nobody.
    pub const CREATION_LATENCY_RECORDED: &str = "agents.x-k8s.io/creation-latency-recorded";
    /// On claim and sandbox: W3C trace headers as a JSON object.
    pub const TRACE_CONTEXT: &str = "opentelemetry.io/trace-context";
    /// On a pool's Pods, when the pool may be evicted.
    pub const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";
    /// On a stored Sandbox: the v1alpha1 object it was written as.
    pub const V1ALPHA1_SANDBOX_STATE: &str = "api.agents.x-k8s.io/v1alpha1-sandbox-state";
    /// On a stored SandboxClaim: the v1alpha1 object it was written as.
    pub const V1ALPHA1_CLAIM_STATE: &str = "api.agents.x-k8s.io/v1alpha1-sandboxclaim-state";
    /// On a stored SandboxTemplate: the v1alpha1 object it was written as.
    pub const V1ALPHA1_TEMPLATE_STATE: &str = "api.agents.x-k8s.io/v1alpha1-sandboxtemplate-state";
    /// On a stored SandboxWarmPool: the v1alpha1 object it was written as.
    pub const V1ALPHA1_WARM_POOL_STATE: &str = "api.agents.x-k8s.io/v1alpha1-sandboxwarmpool-state";
    /// On the v1alpha1 view of a Sandbox: what v1alpha1 cannot show.
    pub const V1BETA1_SANDBOX_STATE: &str = "api.agents.x-k8s.io/v1beta1-sandbox-state";
    /// On the v1alpha1 view of a SandboxClaim: what v1alpha1 cannot show.
    pub const V1BETA1_CLAIM_STATE: &str = "api.agents.x-k8s.io/v1beta1-sandboxclaim-state";
    /// On the v1alpha1 view of a SandboxWarmPool: what v1alpha1 cannot show.
    pub const V1BETA1_WARM_POOL_STATE: &str = "api.agents.x-k8s.io/v1beta1-sandboxwarmpool-state";
    /// On the v1alpha1 view of a template: its policy for volume claim templates.
    pub const V1BETA1_CLAIM_TEMPLATES_POLICY: &str =
        "api.agents.x-k8s.io/v1beta1-volume-claim-templates-policy";
    /// On a pool made by the migration: it stands for a template.
    pub const MIGRATION_SHADOW: &str = "agents.x-k8s.io/migration-shadow";
    /// On a pool made by the migration: the template it stands for.
    pub const MIGRATION_SOURCE_TEMPLATE: &str = "agents.x-k8s.io/migration-source-template";
    /// On every object: when the migration last rewrote it.
    pub const STORAGE_MIGRATED_AT: &str = "agents.x-k8s.io/storage-migrated-at";
}

/// Whether a label or annotation key belongs to the API, so that only its controllers may set it.
#[must_use]
pub fn is_reserved(key: &str) -> bool {
    key.starts_with(PREFIX) || key.starts_with(EXTENSIONS_PREFIX)
}

/// The `created-by` value that Pods and metrics carry: a known client, else `unknown`.
#[must_use]
pub fn created_by(value: &str) -> &'static str {
    match value {
        "go-client" => "go-client",
        "python-client" => "python-client",
        "controller" => "controller",
        _ => "unknown",
    }
}

/// `H`: 32-bit FNV-1a as exactly eight lower-case hex digits.
///
/// Services, NetworkPolicies, the router and clients select on it: byte for byte fixed.
#[must_use]
pub fn name_hash(text: &str) -> String {
    const OFFSET: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let hash = text.bytes().fold(OFFSET, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(PRIME)
    });
    format!("{hash:08x}")
}

/// The selector that `status.selector` of a sandbox holds.
#[must_use]
pub fn sandbox_selector(sandbox: &str) -> String {
    format!("{}={}", labels::SANDBOX_NAME_HASH, name_hash(sandbox))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_match_known_vectors() {
        for (text, want) in [
            ("", "811c9dc5"),
            ("a", "e40c292c"),
            ("foobar", "bf9cf968"),
            ("my-sandbox", "374de8f5"),
            ("python-sandbox-pool", "00375482"),
            ("vct-sandbox", "6936fe48"),
        ] {
            assert_eq!(name_hash(text), want, "{text:?}");
        }
        assert_eq!(
            sandbox_selector("my-sandbox"),
            "agents.x-k8s.io/sandbox-name-hash=374de8f5"
        );
    }

    #[test]
    fn reserved_keys_are_those_of_the_two_groups_only() {
        for key in [
            labels::CLAIM_UID,
            annotations::POD_NAME,
            "extensions.agents.x-k8s.io/x",
        ] {
            assert!(is_reserved(key), "{key}");
        }
        for key in [
            annotations::V1ALPHA1_SANDBOX_STATE,
            annotations::TRACE_CONTEXT,
            "agents.x-k8s.io",
            "my.agents.x-k8s.io/x",
        ] {
            assert!(!is_reserved(key), "{key}");
        }
    }

    #[test]
    fn unknown_clients_are_called_unknown() {
        let values = ["go-client", "python-client", "controller", "Go-Client", ""];
        assert_eq!(
            values.map(created_by),
            [
                "go-client",
                "python-client",
                "controller",
                "unknown",
                "unknown"
            ]
        );
    }
}
