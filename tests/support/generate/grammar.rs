//! The grammar as read from its file, with indexes by result type.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use serde_json::Value;

use super::types::Ty;

const TEXT: &str = include_str!("../../data/cel/grammar.json");

/// Longest selection from a root that leads to a value.
const MAX_STEPS: usize = 5;

/// A piece of a template.
#[derive(Debug)]
pub enum Part {
    /// As it is.
    Text(String),
    /// An expression of this type.
    Hole(Ty),
    /// A new variable of this type, visible in the holes after it.
    Fresh(Ty),
}

/// One way to make a value.
#[derive(Debug)]
pub struct Template {
    /// Tells it from all others.
    pub id: usize,
    /// What it makes.
    pub result: Ty,
    /// How it is written.
    pub parts: Vec<Part>,
}

/// Templates by the head of their result; those that make anything under the empty text.
#[derive(Debug, Default)]
pub struct Section(HashMap<String, Vec<Template>>);

impl Section {
    /// The templates for a type of this head.
    pub fn of(&self, head: &str) -> &[Template] {
        self.0.get(head).map_or(&[], Vec::as_slice)
    }
}

/// One selection on the way from a root.
#[derive(Clone, Debug)]
pub enum Step {
    /// A field, or a key of a map of texts.
    Field(String),
    /// An element of a list.
    Index(usize),
}

/// Steps from a record to values, with the types of those.
type Ways = Vec<(Vec<Step>, Ty)>;

/// The grammar.
#[derive(Debug)]
pub struct Grammar {
    sections: BTreeMap<String, Section>,
    /// Texts by flavour.
    pub pools: HashMap<String, Vec<String>>,
    /// Fields of records.
    pub records: BTreeMap<String, Vec<(String, Ty)>>,
    /// Variables that hold records.
    pub roots: Vec<(String, Ty)>,
    /// Variables without declared type.
    pub typed: Vec<(String, Ty)>,
    /// Variables with declared type.
    pub declared: Vec<(String, Ty)>,
    /// Ways from a record to values, by record and head of the value's type.
    paths: HashMap<(String, String), Ways>,
    /// Every template as it is written, by its id.
    pub templates: Vec<String>,
}

impl Grammar {
    /// Reads the file.
    pub fn read() -> Result<Self> {
        let file: Value = serde_json::from_str(TEXT)?;
        let mut templates = Vec::new();
        let mut sections = BTreeMap::new();
        for (name, content) in file.as_object().context("an object")? {
            if let Some(list) = content.as_array() {
                let lines = list.iter().filter_map(Value::as_str);
                let lines = lines.filter_map(|line| line.split_once(": "));
                sections.insert(name.clone(), section(lines, &mut templates));
            }
        }
        let leaves = file["leaves"].as_object().context("leaves")?;
        let lines = leaves.iter().flat_map(|(ty, texts)| {
            let texts = texts.as_array().into_iter().flatten();
            texts.filter_map(move |text| Some((ty.as_str(), text.as_str()?)))
        });
        sections.insert("leaves".to_owned(), section(lines, &mut templates));
        let pools = file["pools"].as_object().context("pools")?;
        let pools = pools.iter().map(|(name, texts)| {
            let texts = texts.as_array().into_iter().flatten();
            let texts = texts.filter_map(Value::as_str).map(str::to_owned);
            (name.clone(), texts.collect())
        });
        let records = file["records"].as_object().context("records")?;
        let records = records
            .iter()
            .map(|(name, fields)| (format!("@{name}"), variables(fields)));
        let mut grammar = Self {
            sections,
            pools: pools.collect(),
            records: records.collect(),
            roots: variables(&file["roots"]),
            typed: variables(&file["typed"]),
            declared: variables(&file["declared"]),
            paths: HashMap::new(),
            templates,
        };
        let names: Vec<String> = grammar.records.keys().cloned().collect();
        for name in names {
            let mut found = Vec::new();
            grammar.walk(&Ty::parse(&name), &mut Vec::new(), &mut found);
            for (steps, ty) in found {
                let key = (name.clone(), ty.head.clone());
                grammar.paths.entry(key).or_default().push((steps, ty));
            }
        }
        Ok(grammar)
    }

    /// A section by name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.get(name)
    }

    /// All templates that may be used, by id; those of mutations only with `mutation`.
    pub fn usable(&self, mutation: bool) -> Vec<&Template> {
        let sections = self.sections.iter();
        let sections = sections.filter(|(name, _)| mutation || name.as_str() != "mutation");
        let mut templates: Vec<&Template> = sections
            .flat_map(|(_, section)| section.0.values().flatten())
            .collect();
        templates.sort_by_key(|template| template.id);
        templates
    }

    /// Ways from a record to values whose types have this head.
    pub fn paths(&self, record: &str, head: &str) -> &[(Vec<Step>, Ty)] {
        self.paths
            .get(&(record.to_owned(), head.to_owned()))
            .map_or(&[], Vec::as_slice)
    }

    fn walk(&self, ty: &Ty, steps: &mut Vec<Step>, found: &mut Vec<(Vec<Step>, Ty)>) {
        if !steps.is_empty() {
            found.push((steps.clone(), ty.clone()));
        }
        if steps.len() >= MAX_STEPS {
            return;
        }
        let mut further = |step: Step, ty: &Ty| {
            steps.push(step);
            self.walk(ty, steps, found);
            steps.pop();
        };
        if let Some(fields) = self.records.get(&ty.head) {
            for (name, ty) in fields {
                further(Step::Field(name.clone()), ty);
            }
        } else if ty.head == "list" {
            further(Step::Index(0), &ty.args[0]);
        } else if ty.head == "map" {
            further(Step::Field("app".to_owned()), &ty.args[1]);
        }
    }
}

fn variables(object: &Value) -> Vec<(String, Ty)> {
    let members = object.as_object().into_iter().flatten();
    members
        .filter_map(|(name, ty)| Some((name.clone(), Ty::parse(ty.as_str()?))))
        .collect()
}

fn section<'t>(
    lines: impl Iterator<Item = (&'t str, &'t str)>,
    templates: &mut Vec<String>,
) -> Section {
    let mut section = Section::default();
    for (result, text) in lines {
        let template = Template {
            id: templates.len(),
            result: Ty::parse(result),
            parts: parts(text),
        };
        templates.push(format!("{result}: {text}"));
        let head = if template.result.is_variable() {
            String::new()
        } else {
            template.result.head.clone()
        };
        section.0.entry(head).or_default().push(template);
    }
    section
}

/// Reads `#{list(A)}.all($A, #{bool})`.
fn parts(mut text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    while let Some(at) = text.find(['#', '$']) {
        parts.push(Part::Text(text[..at].to_owned()));
        let rest = &text[at + 1..];
        if let Some((hole, after)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            parts.push(Part::Hole(Ty::parse(hole)));
            text = after;
        } else {
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric())
                .unwrap_or(rest.len());
            parts.push(Part::Fresh(Ty::parse(&rest[..end])));
            text = &rest[end..];
        }
    }
    parts.push(Part::Text(text.to_owned()));
    parts
}
