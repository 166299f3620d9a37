//! Lookups in maps and building of maps.

use std::sync::Arc;

use super::order::{lossless_int, lossless_uint};
use super::{Map, Str, Value};

impl<'a> Map<'a> {
    /// A map of `entries`; of equal keys the last one wins.
    #[must_use]
    pub fn from_entries(mut entries: Vec<(Value<'a>, Value<'a>)>) -> Self {
        let sorted = entries
            .windows(2)
            .all(|pair| pair[0].0.key_order(&pair[1].0).is_lt());
        if !sorted {
            entries.sort_by(|a, b| a.0.key_order(&b.0));
            entries.reverse();
            entries.dedup_by(|a, b| a.0.is_findable_key() && a.0.key_order(&b.0).is_eq());
            entries.reverse();
        }
        Self::Made(Arc::new(entries))
    }

    /// The value under `key`; numeric keys are found across numeric types as cel-go finds them.
    #[must_use]
    pub fn find(&self, key: &Value<'_>) -> Option<Value<'a>> {
        match self {
            Self::Json(map) => {
                let map: &'a crate::model::json::Map<'a> = map;
                map.get(key.as_str()?).map(Value::from)
            }
            Self::Made(entries) => {
                let at = position(entries, key).or_else(|| match key {
                    Value::Double(double) => lossless_int(*double)
                        .and_then(|int| position(entries, &Value::Int(int)))
                        .or_else(|| {
                            lossless_uint(*double)
                                .and_then(|uint| position(entries, &Value::Uint(uint)))
                        }),
                    Value::Int(int) => u64::try_from(*int)
                        .ok()
                        .and_then(|uint| position(entries, &Value::Uint(uint))),
                    Value::Uint(uint) => i64::try_from(*uint)
                        .ok()
                        .and_then(|int| position(entries, &Value::Int(int))),
                    _ => None,
                })?;
                Some(entries[at].1.clone())
            }
        }
    }

    /// This map with one more entry; `None` when the key is present.
    #[must_use]
    pub fn inserted(self, key: Value<'a>, value: Value<'a>) -> Option<Self> {
        if self.find(&key).is_some() {
            return None;
        }
        let mut entries = match self {
            Self::Json(_) => Arc::new(self.iter().collect()),
            Self::Made(entries) => entries,
        };
        let list = Arc::make_mut(&mut entries);
        let at = list.partition_point(|(other, _)| other.key_order(&key).is_le());
        list.insert(at, (key, value));
        Some(Self::Made(entries))
    }
}

fn position<'a>(entries: &[(Value<'a>, Value<'a>)], key: &Value<'_>) -> Option<usize> {
    if !key.is_findable_key() {
        return None;
    }
    // -0.0 and 0.0 are one key.
    let zero = Value::Double(0.0);
    let key = match key {
        Value::Double(double) if *double == 0.0 => &zero,
        key => key,
    };
    entries
        .binary_search_by(|(other, _)| other.key_order(key))
        .ok()
}

impl<'a> From<Arc<str>> for Value<'a> {
    fn from(text: Arc<str>) -> Self {
        Self::String(Str::Shared(text))
    }
}
