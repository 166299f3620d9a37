//! The document as JSON and as YAML: the machine half of every output.

use super::document::Document;

/// Indented JSON with a final newline.
///
/// # Errors
/// Never for documents of this crate; serialisation errors are passed on rather than hidden.
pub fn render(document: &Document) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    Ok(text)
}
