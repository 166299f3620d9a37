//! What is left of warnings on their way to the client.

/// Once all warnings together are longer than this (in characters), each is cut.
const MAX_TOTAL: usize = 4 * 1024;
/// To this many characters.
const MAX_EACH: usize = 256;

/// The warnings a client receives: each text once, those with control characters not at all, all of them cut once they
/// are too long together, and none after that is too long again.
#[must_use]
pub fn settle(warnings: Vec<String>) -> Vec<String> {
    if warnings.is_empty() {
        return warnings;
    }
    let mut distinct: Vec<String> = Vec::with_capacity(warnings.len());
    for warning in warnings {
        if !warning.is_empty() && !distinct.contains(&warning) {
            distinct.push(warning);
        }
    }
    distinct.retain(|warning| !warning.chars().any(char::is_control));
    let total: usize = distinct.iter().map(|warning| warning.chars().count()).sum();
    if total <= MAX_TOTAL {
        return distinct;
    }
    let mut written = 0;
    let mut out = Vec::new();
    for warning in distinct {
        // The API server looks at the total before it adds one more.
        if written >= MAX_TOTAL {
            break;
        }
        let short: String = warning.chars().take(MAX_EACH).collect();
        written += short.chars().count();
        out.push(short);
    }
    out
}
