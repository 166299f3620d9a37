//! Match conditions: whether a policy judges a request at all.

use crate::cel::plan::{MATCH_CONDITIONS_BUDGET, PER_CALL_LIMIT};
use crate::cel::value::Value;

use super::super::activation::{EXHAUSTED, Inputs, NamespaceView, Phase};

/// Whether all conditions are true. One that is false decides, even when others fail.
///
/// # Errors
/// The API server's text: conditions failed and none is false, or the budget is spent.
pub fn matched(inputs: Inputs<'_, '_, '_>) -> Result<bool, String> {
    let conditions = &inputs.programs.conditions;
    if conditions.is_empty() {
        return Ok(true);
    }
    let inputs = Inputs {
        namespace: NamespaceView::Null,
        ..inputs
    };
    let mut phase = Phase::new(inputs, MATCH_CONDITIONS_BUDGET);
    let mut errors: Vec<String> = Vec::new();
    let mut all = true;
    for (at, condition) in conditions.iter().enumerate() {
        match phase.run(condition) {
            Err(_) => return Err(EXHAUSTED.to_owned()),
            Ok(Ok(Value::Bool(false))) => {
                all = false;
                // The others matter only if they could exhaust the budget, which is an error whatever is false. An
                // expression that exceeds its limit may have cost more than that, by its last operation: the API server
                // counts it, and may refuse where this does not.
                let others = (conditions.len() - at - 1) as u64;
                if others * PER_CALL_LIMIT <= phase.remaining() {
                    return Ok(false);
                }
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) if errors.contains(&error) => {}
            Ok(Err(error)) => errors.push(error),
        }
    }
    match errors.as_slice() {
        _ if !all => Ok(false),
        [] => Ok(true),
        [one] => Err(one.clone()),
        several => Err(format!("[{}]", several.join(", "))),
    }
}
