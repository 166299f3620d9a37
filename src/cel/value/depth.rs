//! How deep values nest: those that are read, compared or dropped level by level must not take all of the stack.

use super::{List, Map, Value};

/// Levels that a value made by variables of variables may have. An expression alone makes at most as many as it nests, a
/// document has at most 128; no rule needs more than a few.
pub const MAX_LEVELS: usize = 500;

impl Value<'_> {
    /// Whether this value has at most `levels` levels, as far as `steps` elements show; those are taken off. Parts of
    /// documents count as one level: their readers bound them.
    #[must_use]
    pub fn nests_within(&self, levels: usize, steps: &mut usize) -> bool {
        let Some(left) = steps.checked_sub(1) else {
            return false;
        };
        *steps = left;
        let inner = levels.checked_sub(1);
        let mut fits =
            |value: &Value<'_>| inner.is_some_and(|inner| value.nests_within(inner, steps));
        match self {
            Self::List(List::Json(_)) | Self::Map(Map::Json(_)) => true,
            Self::List(list) => list.iter().all(|item| fits(&item)),
            Self::Map(map) => map.iter().all(|(_, value)| fits(&value)),
            Self::Optional(Some(inner)) => fits(inner),
            Self::Struct(object) => object.fields.iter().all(|(_, value)| fits(value)),
            _ => true,
        }
    }
}
