//! Lists: access, joining, appending.

use std::sync::Arc;

use super::{EvalError, List, Value};

/// Up to this many elements joined lists are copied: most are short, and copies are quick to read.
const COPIED: usize = 256;

/// Joints on the way to an element; a list with more is copied.
const MAX_DEPTH: u32 = 128;

/// Elements of the longest list that joining may give. Going through it would exceed the cost limit of a program
/// several times; joining costs next to nothing, so that without a bound a few steps could fill the memory.
const MAX_JOINED: usize = 4_000_000;

/// Two lists that are read as one.
#[derive(Clone, Debug)]
pub struct Joined<'a> {
    left: List<'a>,
    right: List<'a>,
    len: usize,
    depth: u32,
}

impl<'a> List<'a> {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Json(items) => items.len(),
            Self::Made(items) => items.len(),
            Self::Joined(joined) => joined.len,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Value<'a>> {
        let (mut list, mut index) = (self, index);
        loop {
            match list {
                Self::Json(items) => return items.get(index).map(Value::from),
                Self::Made(items) => return items.get(index).cloned(),
                Self::Joined(joined) => match index.checked_sub(joined.left.len()) {
                    None => list = &joined.left,
                    Some(rest) => {
                        index = rest;
                        list = &joined.right;
                    }
                },
            }
        }
    }

    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// This list followed by `other`.
    ///
    /// # Errors
    /// The result is longer than any program can afford to read.
    pub fn joined(&self, other: &List<'a>) -> Result<List<'a>, EvalError> {
        if self.is_empty() {
            return Ok(other.clone());
        }
        if other.is_empty() {
            return Ok(self.clone());
        }
        let len = self.len() + other.len();
        if len > MAX_JOINED {
            return Err(EvalError::CostExceeded);
        }
        let depth = self.depth().max(other.depth()) + 1;
        if len <= COPIED || depth > MAX_DEPTH {
            let items = self.iter().chain(other.iter()).collect();
            return Ok(Self::Made(Arc::new(items)));
        }
        Ok(Self::Joined(Arc::new(Joined {
            left: self.clone(),
            right: other.clone(),
            len,
            depth,
        })))
    }

    /// This list with one more element, in place when nobody else holds it.
    #[must_use]
    pub fn appended(self, item: Value<'a>) -> List<'a> {
        let mut items = match self {
            Self::Made(items) => items,
            other => Arc::new(other.iter().collect()),
        };
        Arc::make_mut(&mut items).push(item);
        Self::Made(items)
    }

    fn depth(&self) -> u32 {
        match self {
            Self::Joined(joined) => joined.depth,
            Self::Json(_) | Self::Made(_) => 0,
        }
    }
}
