//! Expressions of a wanted type, by templates and leaves; now and then of another type than wanted.

use std::collections::BTreeSet;

use super::grammar::{Grammar, Part, Section, Step, Template};
use super::random::Random;
use super::types::{Bindings, Ty};

/// Names of comprehension variables. Some hide others.
const NAMES: [&str; 12] = [
    "x", "y", "i", "j", "k", "v", "c", "e", "x", "i", "object", "size",
];

/// Makes expressions.
pub struct Generator<'g> {
    /// The language.
    pub grammar: &'g Grammar,
    /// Where choices come from.
    pub random: Random,
    /// The types of mutations may be used.
    pub mutation: bool,
    /// Variables of a policy and their types.
    pub composed: Vec<(String, Ty)>,
    /// Roots that have no value here are not used.
    pub typed: bool,
    /// Variables of the comprehensions around.
    locals: Vec<(String, Ty)>,
    /// Ids of the templates that were used.
    pub used: BTreeSet<usize>,
}

impl<'g> Generator<'g> {
    /// Draws from `random`.
    pub fn new(grammar: &'g Grammar, random: Random) -> Self {
        Self {
            grammar,
            random,
            mutation: false,
            composed: Vec::new(),
            typed: true,
            locals: Vec::new(),
            used: BTreeSet::new(),
        }
    }

    /// An expression of about this type, at most so deep.
    pub fn expression(&mut self, ty: &Ty, depth: usize) -> String {
        if ty.head == "dyn" {
            if depth > 0 && self.random.chance(10) {
                let section = if self.mutation {
                    "mutation"
                } else {
                    "functions"
                };
                if let Some(text) = self.in_section(section, ty, depth) {
                    return text;
                }
            }
            let some = Ty::any(&mut self.random);
            let inner = self.expression(&some, depth.saturating_sub(1));
            return if self.random.chance(50) {
                format!("dyn({inner})")
            } else {
                inner
            };
        }
        if depth == 0 || ty.is_record() {
            return self.leaf(ty);
        }
        let section = match self.random.below(100) {
            0..=17 => return self.leaf(ty),
            18..=41 => "operators",
            42..=54 => "access",
            55..=69 => "macros",
            70..=90 if ty.head == "bool" && self.random.chance(10) => "authorizer",
            70..=90 if self.mutation && self.random.chance(30) => "mutation",
            70..=90 => "functions",
            91..=93 => "errors",
            94 | 95 => {
                let other = Ty::any(&mut self.random);
                return self.expression(&other, depth - 1);
            }
            96 | 97 => return format!("dyn({})", self.expression(ty, depth - 1)),
            _ => return self.composed(ty).unwrap_or_else(|| self.leaf(ty)),
        };
        let section = match ty.head.as_str() {
            "authorizer" | "check" | "decision" => "authorizer",
            "patch" | "object" => "mutation",
            _ => section,
        };
        self.in_section(section, ty, depth)
            .unwrap_or_else(|| self.leaf(ty))
    }

    /// An expression by the usable template at `at`, counted round and round: so that each has its turn.
    pub fn by_turn(&mut self, at: usize, depth: usize) -> String {
        let templates = self.grammar.usable(self.mutation);
        let template = templates[at % templates.len()];
        self.fill(template, Bindings::new(), depth)
    }

    fn in_section(&mut self, name: &str, ty: &Ty, depth: usize) -> Option<String> {
        let section: &'g Section = self.grammar.section(name)?;
        let (own, any) = (section.of(&ty.head), section.of(""));
        let templates = if own.is_empty() || (!any.is_empty() && self.random.chance(25)) {
            any
        } else {
            own
        };
        let text = self.in_templates(templates, ty, depth)?;
        let bare = name != "operators" || self.random.chance(12);
        Some(if bare { text } else { format!("({text})") })
    }

    fn in_templates(&mut self, templates: &'g [Template], ty: &Ty, depth: usize) -> Option<String> {
        let mut fitting = Vec::new();
        for template in templates {
            let mut bindings = Bindings::new();
            if template.result.matches(ty, &mut bindings) {
                fitting.push((template, bindings));
            }
        }
        if fitting.is_empty() {
            return None;
        }
        let at = self.random.below(fitting.len());
        let (template, bindings) = fitting.swap_remove(at);
        Some(self.fill(template, bindings, depth))
    }

    fn fill(&mut self, template: &Template, mut bindings: Bindings, depth: usize) -> String {
        self.used.insert(template.id);
        self.settle(template, &mut bindings);
        let scope = self.locals.len();
        let mut text = String::new();
        for part in &template.parts {
            match part {
                Part::Text(piece) if self.random.chance(1) => {
                    text.push_str(&piece.replace(", ", ",\n  "));
                }
                Part::Text(piece) => text.push_str(piece),
                Part::Hole(ty) => {
                    let ty = ty.substitute(&mut bindings, &mut self.random);
                    text.push_str(&self.expression(&ty, depth.saturating_sub(1)));
                }
                Part::Fresh(ty) => {
                    let ty = ty.substitute(&mut bindings, &mut self.random);
                    let name = self.fresh(scope);
                    text.push_str(&name);
                    self.locals.push((name, ty));
                }
            }
        }
        self.locals.truncate(scope);
        text
    }

    /// Lets the variables of a template stand, often, for types that the objects have: else what is folded over would
    /// nearly always be a literal.
    fn settle(&mut self, template: &Template, bindings: &mut Bindings) {
        let holes = template.parts.iter().filter_map(|part| match part {
            Part::Hole(ty) if ["list", "map"].contains(&ty.head.as_str()) => Some(ty),
            _ => None,
        });
        for hole in holes {
            let Some((_, root)) = self.random.choose(&self.grammar.roots) else {
                return;
            };
            let paths = self.grammar.paths(&root.head, &hole.head);
            let mut bound = bindings.clone();
            if let Some((_, ty)) = self.random.choose(paths)
                && self.random.chance(50)
                && hole.matches(ty, &mut bound)
            {
                *bindings = bound;
            }
        }
    }

    /// A name that no variable of the same comprehension has.
    fn fresh(&mut self, scope: usize) -> String {
        loop {
            let name = self.random.pick(&NAMES);
            let taken = self.locals[scope..].iter().any(|(known, _)| known == name);
            if !taken {
                return name.to_owned();
            }
        }
    }

    /// A variable of the policy.
    fn composed(&mut self, ty: &Ty) -> Option<String> {
        let fitting: Vec<&str> = self
            .composed
            .iter()
            .filter(|(_, known)| known.same(ty))
            .map(|(name, _)| name.as_str())
            .collect();
        if !fitting.is_empty() {
            return Some(format!("variables.{}", self.random.pick(&fitting)));
        }
        let (name, _) = self.random.choose(&self.composed)?;
        self.random.chance(15).then(|| format!("variables.{name}"))
    }

    /// Something without parts: a variable, a selection, a literal.
    fn leaf(&mut self, ty: &Ty) -> String {
        for _ in 0..2 {
            let found = match self.random.below(10) {
                0..=2 => self.local(ty),
                3 | 4 => self.selection(ty),
                5 if self.typed => self.variable(ty),
                6 => self.composed(ty),
                _ => None,
            };
            if let Some(found) = found {
                return found;
            }
        }
        self.literal(ty)
    }

    fn local(&mut self, ty: &Ty) -> Option<String> {
        let mut fitting = Vec::new();
        for (at, (name, known)) in self.locals.iter().enumerate() {
            let hidden = self.locals[at + 1..].iter().any(|(later, _)| later == name);
            if !hidden {
                fitting.push((name.clone(), known.clone()));
            }
        }
        let exact: Vec<String> = fitting
            .iter()
            .filter(|(_, known)| known.same(ty))
            .map(|(name, _)| name.clone())
            .collect();
        if let Some(name) = self.random.choose(&exact) {
            return Some(name.clone());
        }
        fitting.retain(|(_, known)| known.is_record());
        let (name, record) = self.random.choose(&fitting).cloned()?;
        self.path(&name, &record, ty)
    }

    fn variable(&mut self, ty: &Ty) -> Option<String> {
        let all = self.grammar.typed.iter().chain(&self.grammar.declared);
        let fitting: Vec<&str> = all
            .filter(|(_, known)| known.same(ty))
            .map(|(name, _)| name.as_str())
            .collect();
        (!fitting.is_empty()).then(|| self.random.pick(&fitting).to_owned())
    }

    /// A way from one of the objects to a value of the type.
    fn selection(&mut self, ty: &Ty) -> Option<String> {
        let at = self.random.below(self.grammar.roots.len() * 2);
        // The object itself as often as all others.
        let roots = &self.grammar.roots;
        let (name, record) = roots
            .get(at)
            .or_else(|| roots.iter().find(|(name, _)| name == "object"))?;
        if self.locals.iter().any(|(known, _)| known == name) {
            return None;
        }
        self.path(name, record, ty)
    }

    fn path(&mut self, root: &str, record: &Ty, ty: &Ty) -> Option<String> {
        let optional = ty.head == "optional";
        if ty.head == "bool" && self.random.chance(25) {
            let heads = ["string", "int", "bool", "list", "map", "@spec", "null"];
            let head = self.random.pick(&heads);
            let (steps, _) = self
                .random
                .choose(self.grammar.paths(&record.head, head))?
                .clone();
            let text = self.steps(root, &steps, false);
            return matches!(steps.last(), Some(Step::Field(_))).then(|| format!("has({text})"));
        }
        let wanted = if optional { &ty.args[0] } else { ty };
        let all = self.grammar.paths(&record.head, &wanted.head);
        let near = all.iter().filter(|(_, known)| known.same(wanted));
        let exact: Vec<_> = near
            .clone()
            .filter(|(_, known)| known.flavour == wanted.flavour)
            .collect();
        let near: Vec<_> = near.collect();
        let fitting = if exact.is_empty() || self.random.chance(20) {
            near
        } else {
            exact
        };
        let (steps, _) = self.random.choose(&fitting)?;
        Some(self.steps(root, steps, optional))
    }

    fn steps(&mut self, root: &str, steps: &[Step], optional: bool) -> String {
        let mut text = root.to_owned();
        let asks = if optional {
            self.random.below(steps.len())
        } else {
            usize::MAX
        };
        for (at, step) in steps.iter().enumerate() {
            let mark = if at == asks || (optional && self.random.chance(15)) {
                "?"
            } else {
                ""
            };
            match step {
                Step::Field(_) if self.random.chance(2) => {
                    text.push_str(&format!(".{mark}missing"));
                }
                Step::Field(name) if self.random.chance(12) => {
                    text.push_str(&format!("[{mark}'{name}']"));
                }
                Step::Field(name) => text.push_str(&format!(".{mark}{name}")),
                Step::Index(first) => {
                    let index = first + self.random.below(2);
                    text.push_str(&format!("[{mark}{index}]"));
                }
            }
        }
        text
    }

    fn literal(&mut self, ty: &Ty) -> String {
        if ty.head == "string" {
            return self.text(&ty.flavour);
        }
        if ty.is_record() {
            return self
                .selection(ty)
                .unwrap_or_else(|| "dyn({'name': 'a'})".to_owned());
        }
        let leaves = self.grammar.section("leaves");
        let leaves = leaves.map_or(&[][..], |section| section.of(&ty.head));
        self.in_templates(leaves, ty, 0)
            .unwrap_or_else(|| "null".to_owned())
    }

    /// A text of a pool as a literal, in one of the spellings.
    fn text(&mut self, flavour: &str) -> String {
        let flavour = if self.random.chance(8) { "" } else { flavour };
        let pool = self.grammar.pools.get(flavour);
        let pool = pool.map_or(&[][..], Vec::as_slice);
        let text = self.random.choose(pool).cloned().unwrap_or_default();
        let plain = !text.contains(['\\', '\'', '"', '\n']);
        match self.random.below(12) {
            0 if plain => format!("\"{text}\""),
            1 if plain => format!("'''{text}'''"),
            2 if !text.contains(['\'', '\n']) && !text.ends_with('\\') => format!("r'{text}'"),
            _ => quoted(&text),
        }
    }
}

/// A text as a literal.
pub fn quoted(text: &str) -> String {
    let text = text
        .replace('\\', "\\\\")
        .replace('\'', "\\'")
        .replace('\n', "\\n")
        .replace('\t', "\\t");
    format!("'{text}'")
}
