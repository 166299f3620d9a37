//! JSON with places: a stream of documents, keys unique.

use std::collections::HashMap;

use super::marks::{Node, Position, Style};
use super::{Fault, MAX_DEPTH};
use crate::model::json::Json;

/// Value and marks of each document.
pub fn documents(text: &str) -> Result<Vec<(Json<'static>, Vec<Node>)>, Fault> {
    let mut reader = Reader {
        text,
        next: 0,
        line: 1,
        line_start: 0,
        depth: 0,
    };
    let mut out = Vec::new();
    loop {
        reader.space();
        if reader.peek().is_none() {
            return Ok(out);
        }
        let mut nodes = Vec::new();
        let value = reader.value(&mut nodes)?;
        out.push((value, nodes));
    }
}

struct Reader<'t> {
    text: &'t str,
    next: usize,
    line: u32,
    line_start: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.next).copied()
    }

    fn space(&mut self) {
        while let Some(b @ (b' ' | b'\t' | b'\r' | b'\n')) = self.peek() {
            self.next += 1;
            if b == b'\n' {
                self.line += 1;
                self.line_start = self.next;
            }
        }
    }

    fn at(&self) -> Position {
        let column = self.text[self.line_start..self.next].chars().count() + 1;
        Position {
            line: self.line,
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    }

    fn wrong(&self, expected: &str) -> Fault {
        let found = match self.text[self.next..].chars().next() {
            Some(c) => format!("{c:?}"),
            None => "the end of the text".to_owned(),
        };
        Fault::new(self.at(), format!("expected {expected}, found {found}"))
    }

    fn value(&mut self, nodes: &mut Vec<Node>) -> Result<Json<'static>, Fault> {
        let at = self.at();
        let mine = nodes.len();
        nodes.push(Node::leaf(at, Style::None));
        match self.peek() {
            Some(b'{' | b'[') => {
                if self.depth >= MAX_DEPTH {
                    let message = format!("nested deeper than {MAX_DEPTH} levels");
                    return Err(Fault::new(at, message));
                }
                self.depth += 1;
                let value = if self.peek() == Some(b'{') {
                    self.object(nodes)
                } else {
                    self.array(nodes)
                };
                self.depth -= 1;
                Node::close(nodes, mine);
                value
            }
            Some(b'"') => {
                nodes[mine].style = Style::Flow;
                self.string().map(Json::from)
            }
            _ => self.word(),
        }
    }

    fn object(&mut self, nodes: &mut Vec<Node>) -> Result<Json<'static>, Fault> {
        self.next += 1;
        let mut entries: Vec<(String, Json<'static>)> = Vec::new();
        let mut seen: HashMap<String, u32> = HashMap::new();
        self.space();
        if self.take(b'}') {
            return Ok(Json::Object(entries.into_iter().collect()));
        }
        loop {
            self.space();
            let at = self.at();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a key in double quotes"));
            }
            let key = self.string()?;
            if let Some(line) = seen.insert(key.clone(), at.line) {
                let message = format!("key {key:?} is already set at line {line}");
                return Err(Fault::new(at, message));
            }
            self.space();
            if !self.take(b':') {
                return Err(self.wrong("`:`"));
            }
            self.space();
            let child = nodes.len();
            let value = self.value(nodes)?;
            nodes[child].set_key(&key, at);
            entries.push((key, value));
            self.space();
            if self.take(b'}') {
                return Ok(Json::Object(entries.into_iter().collect()));
            }
            if !self.take(b',') {
                return Err(self.wrong("`,` or `}`"));
            }
        }
    }

    fn array(&mut self, nodes: &mut Vec<Node>) -> Result<Json<'static>, Fault> {
        self.next += 1;
        let mut items = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            self.space();
            let child = nodes.len();
            let value = self.value(nodes)?;
            nodes[child].set_index(items.len());
            items.push(value);
            self.space();
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            if !self.take(b',') {
                return Err(self.wrong("`,` or `]`"));
            }
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.next += usize::from(found);
        found
    }

    fn string(&mut self) -> Result<String, Fault> {
        let at = self.at();
        let rest: &'t str = &self.text[self.next..];
        let mut escaped = false;
        let end = rest.bytes().skip(1).position(|b| {
            let closes = b == b'"' && !escaped;
            escaped = b == b'\\' && !escaped;
            closes
        });
        let Some(end) = end else {
            return Err(Fault::new(at, "this string has no closing quote"));
        };
        let literal = &rest[..end + 2];
        let text = serde_json::from_str(literal)
            .map_err(|_| Fault::new(at, "this string is not valid JSON"))?;
        self.next += literal.len();
        Ok(text)
    }

    /// `true`, `false`, `null` or a number.
    fn word(&mut self) -> Result<Json<'static>, Fault> {
        let rest: &'t str = &self.text[self.next..];
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')))
            .unwrap_or(rest.len());
        let value = Json::parse(&rest[..end])
            .map_err(|_| self.wrong("a JSON value"))?
            .to_owned_json();
        self.next += end;
        Ok(value)
    }
}
