//! All functions by name, merged from the library tables.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::cel::lib::{self, Overload};

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

static EVERYWHERE: LazyLock<Registry> = LazyLock::new(|| merge(false));
static WITH_MUTATION: LazyLock<Registry> = LazyLock::new(|| merge(true));

/// Namespace of the functions that only mutations have.
const MUTATION_ONLY: &str = "jsonpatch.";

/// The functions of an environment.
pub(crate) fn registry(mutation: bool) -> &'static Registry {
    if mutation {
        &WITH_MUTATION
    } else {
        &EVERYWHERE
    }
}

fn merge(mutation: bool) -> Registry {
    let mut registry = Registry::new();
    let core = [
        lib::operators::FUNCTIONS,
        lib::standard::FUNCTIONS,
        lib::optional::FUNCTIONS,
    ];
    let functions = core.into_iter().flatten().chain(lib::extensions());
    for function in functions.filter(|one| mutation || !one.name.starts_with(MUTATION_ONLY)) {
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
