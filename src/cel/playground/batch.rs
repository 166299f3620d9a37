//! Answers to lines of JSON, one for one.

use serde_json::{Map, Value as Output};

use super::question;
use super::{Form, Setting};
use crate::model::fields::FieldError;
use crate::model::json::Json;

/// Longest line that is read, in octets: an object of the size that a cluster stores fits several times.
pub const MAX_LINE: usize = 16 << 20;

/// How a line came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The answer, one line without its end.
    pub text: String,
    /// The line was a request.
    pub asked: bool,
}

/// Answers the line with this number, which counts from 1; `None` when it is blank.
#[must_use]
pub fn reply(number: u64, line: &[u8], base: &Setting<'_>, form: Form) -> Option<Reply> {
    let text = match std::str::from_utf8(line) {
        Ok(text) => text.trim(),
        Err(error) => {
            let at = error.valid_up_to() + 1;
            return Some(refuse(number, None, &format!("not UTF-8 at byte {at}")));
        }
    };
    if text.is_empty() {
        return None;
    }
    Some(match Json::parse(text) {
        Ok(document) => answer(number, &document, base, form),
        Err(error) => refuse(number, None, &not_json(&error)),
    })
}

/// The answer to a line that was too long to be read.
#[must_use]
pub fn too_long(number: u64) -> Reply {
    let limit = MAX_LINE >> 20;
    refuse(number, None, &format!("longer than {limit} MiB"))
}

fn answer(number: u64, document: &Json<'_>, base: &Setting<'_>, form: Form) -> Reply {
    let id = document.get("id").map(Output::from);
    let question = match question::read(document, base) {
        Ok(question) => question,
        Err(mistakes) => {
            let mistakes: Vec<String> = mistakes.iter().map(FieldError::to_string).collect();
            return refuse(number, id, &mistakes.join("; "));
        }
    };
    let mut members = question.setting.answer(question.expression, form).to_json();
    if let Some(id) = id {
        members.insert("id".into(), id);
    }
    Reply {
        text: Output::Object(members).to_string(),
        asked: true,
    }
}

/// The answer to a line that is no request; its number tells it from an expression that fails.
fn refuse(number: u64, id: Option<Output>, mistake: &str) -> Reply {
    let mut members = Map::new();
    if let Some(id) = id {
        members.insert("id".into(), id);
    }
    members.insert("line".into(), number.into());
    members.insert("error".into(), format!("line {number}: {mistake}").into());
    Reply {
        text: Output::Object(members).to_string(),
        asked: false,
    }
}

/// The parser's words with the column: the line is the request's own.
fn not_json(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text
        .rfind(" at line ")
        .map_or(text.as_str(), |at| &text[..at]);
    format!("not JSON at column {}: {what}", error.column())
}
