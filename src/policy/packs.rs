//! The packs and profiles shipped with the binary, as the files under `policies/` are.

/// A shipped file: its path from the repository's root, and its text.
pub type Shipped = (&'static str, &'static str);

macro_rules! shipped {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../", $path)))),*]
    };
}

/// Every policy and profile of `policies/`, sorted; suites are not among them.
pub const FILES: &[Shipped] = shipped![
    "policies/pod-security/baseline-containers.yaml",
    "policies/pod-security/baseline-node.yaml",
    "policies/pod-security/bindings.yaml",
    "policies/pod-security/restricted-user.yaml",
    "policies/pod-security/restricted.yaml",
    "policies/profiles/baseline.yaml",
    "policies/profiles/restricted.yaml",
    "policies/sandbox-guardrails/host.yaml",
    "policies/sandbox-guardrails/identity.yaml",
    "policies/sandbox-guardrails/kernel.yaml",
    "policies/sandbox-guardrails/lifetime.yaml",
    "policies/sandbox-guardrails/network.yaml",
    "policies/sandbox-guardrails/ports.yaml",
    "policies/sandbox-guardrails/privileges.yaml",
    "policies/sandbox-guardrails/resources.yaml",
    "policies/sandbox-guardrails/runtime-class.yaml",
    "policies/sandbox-guardrails/user.yaml",
    "policies/sandbox-guardrails/volumes.yaml",
    "policies/sandbox-integrity/children.yaml",
    "policies/sandbox-integrity/deletion.yaml",
    "policies/sandbox-integrity/metadata.yaml",
    "policies/sandbox-integrity/network.yaml",
    "policies/sandbox-integrity/pod-status.yaml",
    "policies/sandbox-integrity/status.yaml",
    "policies/supply-chain/images.yaml",
];
