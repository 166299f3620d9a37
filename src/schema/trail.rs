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
