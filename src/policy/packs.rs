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
    PACKFILES
];
