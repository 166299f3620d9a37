//! The known word nearest to a mistyped one, for messages that ask "did you mean".

/// Longest word that is looked at, in characters: names of fields and kinds are shorter, and the work grows with the
/// square.
const LONGEST: usize = 64;

/// The known word that `word` was most likely meant to be; the first of several that are equally near. One typing
/// mistake for every three characters is forgiven, at most three, and letter case always.
#[must_use]
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let folded = fold(word)?;
    let allowed = (folded.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .filter(|candidate| *candidate != word)
        .filter_map(|candidate| Some((distance(&folded, &fold(candidate)?), candidate)))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `, did you mean "…"?`, or nothing where no known word is near.
#[must_use]
pub fn hint<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(word, known).map_or_else(String::new, |found| format!(", did you mean {found:?}?"))
}

fn fold(word: &str) -> Option<Vec<char>> {
    let folded: Vec<char> = word
        .chars()
        .flat_map(char::to_lowercase)
        .take(LONGEST + 1)
        .collect();
    (!folded.is_empty() && folded.len() <= LONGEST).then_some(folded)
}

/// Insertions, deletions, replacements and exchanges of neighbours that turn one word into the other.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, a) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in to.iter().enumerate() {
            let replaced = above[column] + usize::from(a != b);
            let mut best = replaced.min(above[column + 1] + 1).min(current[column] + 1);
            let exchanged =
                row > 0 && column > 0 && from[row - 1] == *b && to[column - 1] == *a && a != b;
            if exchanged {
                best = best.min(before[column - 1] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_single_mistakes() {
        let of = |a: &str, b: &str| distance(&fold(a).expect("word"), &fold(b).expect("word"));
        for (a, b, expected) in [
            ("spec", "spec", 0),
            ("spec", "spce", 1),
            ("spec", "sped", 1),
            ("spec", "pec", 1),
            ("spec", "specs", 1),
            ("ca", "abc", 3),
            ("GuardrailProfile", "guardrialprofiel", 2),
        ] {
            assert_eq!(of(a, b), expected, "{a} {b}");
            assert_eq!(of(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn near_words_are_offered_and_far_ones_are_not() {
        let known = ["validations", "variables", "matchConstraints", "to"];
        for (word, expected) in [
            ("validation", Some("validations")),
            ("Variables", Some("variables")),
            ("matchConditoins", None),
            ("matchConstrants", Some("matchConstraints")),
            ("rules", None),
            ("ot", Some("to")),
            ("", None),
            ("validations", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
        assert_eq!(nearest(&"v".repeat(1_000_000), known), None);
        assert_eq!(hint("tp", known), ", did you mean \"to\"?");
        assert_eq!(hint("rules", known), "");
    }
}
