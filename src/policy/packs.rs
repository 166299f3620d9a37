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
    "policies/profiles/baseline.yaml",
    "policies/profiles/restricted.yaml",
    "policies/sandbox-guardrails/host.yaml",
    "policies/sandbox-guardrails/identity.yaml",
    "policies/sandbox-guardrails/images.yaml",
    "policies/sandbox-guardrails/kernel.yaml",
    "policies/sandbox-guardrails/lifetime.yaml",
    "policies/sandbox-guardrails/network.yaml",
    "policies/sandbox-guardrails/ports.yaml",
    "policies/sandbox-guardrails/privileges.yaml",
    "policies/sandbox-guardrails/resources.yaml",
    "policies/sandbox-guardrails/runtime-class.yaml",
    "policies/sandbox-guardrails/user.yaml",
    "policies/sandbox-guardrails/volumes.yaml",
];
