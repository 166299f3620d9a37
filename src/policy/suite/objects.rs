//! Objects of cases: a starting point with some values removed and some set.

use crate::model::json::{Json, Map};

/// Longest pointer, in parts: no manifest nests deeper than this.
const MAX_PARTS: usize = 64;

/// The steps of a JSON pointer.
pub fn parts(pointer: &str) -> Result<Vec<String>, String> {
    let Some(rest) = pointer.strip_prefix('/') else {
        return Err(format!(
            "{pointer:?} is no JSON pointer: it must start with /"
        ));
    };
    let parts: Vec<String> = rest
        .split('/')
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect();
    if parts.len() > MAX_PARTS {
        return Err(format!("{pointer:?} has more than {MAX_PARTS} parts"));
    }
    Ok(parts)
}

/// The value at a pointer.
pub fn get<'j>(
    value: &'j Json<'static>,
    pointer: &str,
) -> Result<Option<&'j Json<'static>>, String> {
    let found = parts(pointer)?
        .iter()
        .try_fold(value, |value, part| match value {
            Json::Object(map) => map.get(part),
            Json::Array(items) => items.get(part.parse::<usize>().ok()?),
            _ => None,
        });
    Ok(found)
}

/// Sets the value at a pointer, making the parents that are missing.
pub fn set(target: &mut Json<'static>, pointer: &str, value: Json<'static>) -> Result<(), String> {
    put(target, &parts(pointer)?, value)
        .map_err(|part| format!("{pointer:?} cannot be set: there is no place for {part:?}"))
}

fn put<'p>(
    target: &mut Json<'static>,
    parts: &'p [String],
    value: Json<'static>,
) -> Result<(), &'p str> {
    let [part, rest @ ..] = parts else {
        *target = value;
        return Ok(());
    };
    if target.is_null() {
        *target = match part.as_str() {
            "0" | "-" => Json::Array(Vec::new()),
            _ => Json::Object(Map::new()),
        };
    }
    match target {
        Json::Object(map) => put(map.entry_or(part.clone(), Json::Null), rest, value),
        Json::Array(items) => {
            let index = match part.as_str() {
                "-" => items.len(),
                digits => digits.parse().map_err(|_| part.as_str())?,
            };
            if index == items.len() {
                items.push(Json::Null);
            }
            put(items.get_mut(index).ok_or(part.as_str())?, rest, value)
        }
        _ => Err(part),
    }
}

/// Removes the value at a pointer.
pub fn remove(target: &mut Json<'static>, pointer: &str) -> Result<(), String> {
    let parts = parts(pointer)?;
    let absent = || format!("{pointer:?} cannot be removed: there is nothing");
    let (last, parents) = parts.split_last().ok_or_else(absent)?;
    let mut at = target;
    for part in parents {
        at = match at {
            Json::Object(map) => map.get_mut(part),
            Json::Array(items) => part
                .parse()
                .ok()
                .and_then(|index: usize| items.get_mut(index)),
            _ => None,
        }
        .ok_or_else(absent)?;
    }
    match at {
        Json::Object(map) => map.remove(last).map(drop).ok_or_else(absent),
        Json::Array(items) => {
            let index: usize = last.parse().map_err(|_| absent())?;
            if index >= items.len() {
                return Err(absent());
            }
            items.remove(index);
            Ok(())
        }
        _ => Err(absent()),
    }
}
