//! All functions by name, merged from the library tables.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::cel::lib::{self, Function, Overload};

/// One function: the signatures of every table that names it, in table order.
#[derive(Debug)]
pub(crate) struct Declared {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its signatures.
    pub(crate) overloads: Vec<&'static Overload>,
}

/// Functions by name.
pub(crate) type Registry = HashMap<&'static str, Declared>;

static EVERYWHERE: LazyLock<Registry> = LazyLock::new(|| merge(lib::TABLES));
static WITH_MUTATION: LazyLock<Registry> = LazyLock::new(|| {
    let mut tables = lib::TABLES.to_vec();
    tables.extend_from_slice(lib::MUTATION_TABLES);
    merge(&tables)
});

/// The functions of an environment.
pub(crate) fn registry(mutation: bool) -> &'static Registry {
    if mutation { &WITH_MUTATION } else { &EVERYWHERE }
}

fn merge(tables: &[&'static [Function]]) -> Registry {
    let mut registry = Registry::new();
    for function in tables.iter().flat_map(|table| table.iter()) {
        registry
            .entry(function.name)
            .or_insert_with(|| Declared {
                name: function.name,
                overloads: Vec::new(),
            })
            .overloads
            .extend(function.overloads);
    }
    registry
}
