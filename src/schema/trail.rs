//! The way from the root to where a walk is: a list on the stack, turned into a [`FieldPath`] only when there is
//! something to report.

use crate::model::path::{FieldPath, Step};

/// One step of a walk, linked to the steps before it.
#[derive(Clone, Copy)]
pub(super) enum Trail<'t> {
    Root,
    Key(&'t Trail<'t>, &'t str),
    Index(&'t Trail<'t>, usize),
}

impl<'t> Trail<'t> {
    pub(super) const fn key(&'t self, key: &'t str) -> Self {
        Self::Key(self, key)
    }

    pub(super) const fn index(&'t self, index: usize) -> Self {
        Self::Index(self, index)
    }

    pub(super) fn path(&self) -> FieldPath {
        let mut steps = Vec::new();
        let mut at = self;
        loop {
            match at {
                Self::Root => break,
                Self::Key(parent, key) => {
                    steps.push(Step::Key((*key).to_owned()));
                    at = parent;
                }
                Self::Index(parent, index) => {
                    steps.push(Step::Index(*index));
                    at = parent;
                }
            }
        }
        steps.reverse();
        FieldPath(steps)
    }
}

/// A path as schema validation prints it: every key after a dot, quoted never.
pub(super) fn dotted(path: &FieldPath) -> String {
    let mut out = String::new();
    for step in &path.0 {
        match step {
            Step::Key(key) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(key);
            }
            Step::Index(index) => {
                out.push('[');
                out.push_str(&index.to_string());
                out.push(']');
            }
        }
    }
    out
}
