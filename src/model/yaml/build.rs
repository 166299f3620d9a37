//! From parser events to values and their marks.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::marks::{Lines, Node, Position, Style};
use super::scalar::{Scalar, resolve};
use super::{Fault, MAX_DEPTH, MAX_EXPANSION};
use crate::model::json::{Json, Map};

/// Value and marks of each document.
pub fn documents(text: &str) -> Result<Vec<(Json<'static>, Vec<Node>)>, Fault> {
    let mut builder = Builder {
        parser: Parser::new_from_str(text),
        lines: Lines::new(text),
        anchors: HashMap::new(),
        expanded: 0,
        depth: 0,
    };
    let mut out = Vec::new();
    loop {
        let (event, _) = builder.next()?;
        match event {
            Event::StreamEnd => return Ok(out),
            Event::DocumentStart(_) => {
                builder.anchors.clear();
                let (event, span) = builder.next()?;
                let Part { value, nodes } = builder.node(event, span)?;
                out.push((value, nodes));
            }
            _ => {}
        }
    }
}

/// A value with the marks of itself and everything below, in pre-order.
#[derive(Clone)]
struct Part {
    value: Json<'static>,
    nodes: Vec<Node>,
}

struct Builder<'t> {
    parser: Parser<'t, StrInput<'t>>,
    lines: Lines<'t>,
    /// `None` while the anchored node is still being read.
    anchors: HashMap<usize, Option<Part>>,
    expanded: usize,
    depth: usize,
}

/// The entries of a mapping while it is read.
#[derive(Default)]
struct Entries {
    own: Vec<(String, Json<'static>, Vec<Node>)>,
    seen: HashMap<String, Position>,
    merged: Vec<(String, Json<'static>, Vec<Node>)>,
}

impl<'t> Builder<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Fault> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let at = place(*error.marker());
                Err(Fault::new(at, error.info().to_owned()))
            }
            None => Err(Fault::new(
                Position::START,
                "the text ends inside a document",
            )),
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Part, Fault> {
        let at = place(span.start);
        match event {
            Event::Alias(id) => self.alias(id, at),
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref())
                    .and_then(Scalar::into_json)
                    .map_err(|message| Fault::new(at, message))?;
                let marked = anchor > 0 || tag.is_some();
                let part = Part {
                    value,
                    nodes: vec![self.leaf(style, at, &text, marked)],
                };
                if anchor > 0 {
                    self.anchors.insert(anchor, Some(part.clone()));
                }
                Ok(part)
            }
            Event::SequenceStart(anchor, _) => self.container(anchor, at, Self::sequence),
            Event::MappingStart(anchor, _) => self.container(anchor, at, Self::mapping),
            _ => Err(Fault::new(at, "expected a value")),
        }
    }

    fn container(
        &mut self,
        anchor: usize,
        at: Position,
        read: impl FnOnce(&mut Self, Position) -> Result<Part, Fault>,
    ) -> Result<Part, Fault> {
        if self.depth >= MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(Fault::new(at, message));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, None);
        }
        self.depth += 1;
        let part = read(self, at);
        self.depth -= 1;
        let part = part?;
        if anchor > 0 {
            self.anchors.insert(anchor, Some(part.clone()));
        }
        Ok(part)
    }

    fn sequence(&mut self, at: Position) -> Result<Part, Fault> {
        let mut items = Vec::new();
        let mut nodes = vec![Node::container(at)];
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                break;
            }
            let mut part = self.node(event, span)?;
            part.nodes[0].set_index(items.len());
            items.push(part.value);
            Node::adopt(&mut nodes, part.nodes);
        }
        Ok(Part {
            value: Json::Array(items),
            nodes,
        })
    }

    fn mapping(&mut self, at: Position) -> Result<Part, Fault> {
        let mut entries = Entries::default();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            self.entry(&mut entries, event, span)?;
        }
        Ok(entries.finish(at))
    }

    fn entry(&mut self, entries: &mut Entries, event: Event<'t>, span: Span) -> Result<(), Fault> {
        let at = place(span.start);
        let key = match event {
            Event::Scalar(text, ScalarStyle::Plain, 0, None) if text == "<<" => {
                let (event, span) = self.next()?;
                return self.merge(entries, event, span);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let key = scalar(&text, style, tag.as_deref())
                    .and_then(Scalar::into_key)
                    .map_err(|message| Fault::new(at, message))?;
                if anchor > 0 {
                    let part = Part {
                        value: Json::from(key.clone()),
                        nodes: vec![self.leaf(style, at, &text, true)],
                    };
                    self.anchors.insert(anchor, Some(part));
                }
                key
            }
            Event::Alias(id) => match self.alias(id, at)?.value {
                Json::String(text) => text.into_owned(),
                Json::Bool(value) => value.to_string(),
                Json::Int(value) => value.to_string(),
                _ => return Err(Fault::new(at, "a key must be a scalar")),
            },
            _ => return Err(Fault::new(at, "a key must be a scalar")),
        };
        if let Some(first) = entries.seen.get(&key) {
            let message = format!("key {key:?} is already set at line {}", first.line);
            return Err(Fault::new(at, message));
        }
        entries.seen.insert(key.clone(), at);
        let (event, span) = self.next()?;
        let mut part = self.node(event, span)?;
        part.nodes[0].set_key(&key, at);
        entries.own.push((key, part.value, part.nodes));
        Ok(())
    }

    /// `<<: *alias`, `<<: {…}` or `<<: [*a, *b]`: earlier ones win, and the mapping's own keys win over all.
    fn merge(&mut self, entries: &mut Entries, event: Event<'t>, span: Span) -> Result<(), Fault> {
        let at = place(span.start);
        let part = self.node(event, span)?;
        let wrong = || Fault::new(at, "<< takes a mapping or a list of mappings");
        match part.value {
            Json::Object(map) => entries.take_merged(map, &part.nodes),
            Json::Array(items) => {
                for (index, item) in items.into_iter().enumerate() {
                    let Json::Object(map) = item else {
                        return Err(wrong());
                    };
                    let nodes = Node::child_index(&part.nodes, 0, index)
                        .map(|at| Node::subtree(&part.nodes, at))
                        .unwrap_or_default();
                    entries.take_merged(map, nodes);
                }
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, at: Position) -> Result<Part, Fault> {
        let part = match self.anchors.get(&id) {
            Some(Some(part)) => part,
            Some(None) => return Err(Fault::new(at, "an anchor's value contains itself")),
            None => return Err(Fault::new(at, "unknown anchor")),
        };
        self.expanded += part.nodes.len();
        if self.expanded > MAX_EXPANSION {
            let message = format!("aliases add more than {MAX_EXPANSION} values");
            return Err(Fault::new(at, message));
        }
        let mut part = part.clone();
        if Node::height(&part.nodes) + self.depth > MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(Fault::new(at, message));
        }
        part.nodes[0].value = at;
        part.nodes[0].style = Style::None;
        Ok(part)
    }

    /// The parser places a block scalar at its first text, or at its anchor or tag (`marked`); its header is what the
    /// rest of the positions count from.
    fn leaf(&self, style: ScalarStyle, at: Position, text: &str, marked: bool) -> Node {
        let folded = match style {
            ScalarStyle::Literal => false,
            ScalarStyle::Folded => true,
            _ => return Node::leaf(at, Style::Flow),
        };
        let blank = text.len() - text.trim_start_matches('\n').len();
        let above = if marked {
            0
        } else {
            1 + u32::try_from(blank).unwrap_or(0)
        };
        let header = self.lines.header(at.line.saturating_sub(above));
        let indent = self.lines.block_indent(header, text);
        let style = if folded {
            Style::Folded(indent)
        } else {
            Style::Literal(indent)
        };
        Node::leaf(header, style)
    }
}

impl Entries {
    fn take_merged(&mut self, map: Map<'static>, nodes: &[Node]) {
        for (key, value) in map {
            if self.merged.iter().any(|(seen, ..)| *seen == key) {
                continue;
            }
            let part = Node::child_key(nodes, 0, &key)
                .map(|at| Node::subtree(nodes, at).to_vec())
                .unwrap_or_default();
            self.merged.push((key.into_owned(), value, part));
        }
    }

    fn finish(self, at: Position) -> Part {
        let Self { own, seen, merged } = self;
        let mut nodes = vec![Node::container(at)];
        let merged = merged
            .into_iter()
            .filter(|(key, ..)| !seen.contains_key(key));
        let mut map = Vec::with_capacity(own.len());
        for (key, value, part) in own.into_iter().chain(merged) {
            Node::adopt(&mut nodes, part);
            map.push((key, value));
        }
        Part {
            value: Json::Object(map.into_iter().collect()),
            nodes,
        }
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Scalar, String> {
    let tag = tag.map(|tag| {
        if tag.is_yaml_core_schema() {
            tag.suffix.as_str()
        } else {
            ""
        }
    });
    if style != ScalarStyle::Plain && tag.is_none() {
        return Ok(Scalar::Text(text.to_owned()));
    }
    resolve(text, tag)
}

fn place(marker: saphyr_parser::Marker) -> Position {
    Position {
        line: u32::try_from(marker.line()).unwrap_or(u32::MAX).max(1),
        column: u32::try_from(marker.col() + 1).unwrap_or(u32::MAX),
    }
}
