//! The machine that follows the [grammar](super::grammar): an explicit stack of rules, so that no input, however
//! nested, uses the stack of the thread.

use super::build::{Builder, Operand};
use super::grammar::{Place, RULES, Rule};
use super::recovery::Recovery;
use super::token::{Kind, Set, Token};
use crate::cel::source::{BEFORE, Issue};

/// How deep any one rule may nest: cel-go's default, which the API server keeps.
pub(super) const MAX_NESTING: u16 = 250;

/// Why a rule cannot go on.
pub(super) enum Fault {
    /// None of the expected tokens came.
    Mismatch(Set),
    /// The first so many tokens fit none of the alternatives.
    NoAlternative { ahead: usize },
    /// Reading ends here.
    Stop(Stop),
}

/// Why reading ends early.
pub(super) enum Stop {
    /// A limit was hit; the message has no place.
    Error(String),
    /// A limit was hit and reported.
    Reported,
}

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// One rule being read.
pub(super) struct Frame {
    pub rule: Rule,
    pub place: Place,
    /// Weakest operator that this rule may take, for relations and sums.
    pub min: u8,
    /// Values below this one belong to callers.
    pub base: usize,
    /// Where the operator or opening token stands that is being read; at first, where the rule begins.
    pub at: u32,
    pub op: Kind,
    /// Name of the call, object or field that is being read; for objects the first token.
    pub name: usize,
    pub optional: bool,
    /// Where the dot before the name stands.
    pub dot: Option<u32>,
    /// Where the fields of an object begin.
    pub begin: u32,
    /// Name of the field that is being read.
    pub field: Option<Token>,
    /// How many issues there were before what may have to be forgotten.
    pub issues: usize,
    /// How many prefix operators were read.
    pub count: u32,
}

/// Reads one expression.
pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    /// All tokens, hidden ones too.
    pub(super) tokens: &'t [Token],
    /// Indexes of those that are not hidden.
    visible: Vec<usize>,
    next: usize,
    stack: Vec<Frame>,
    depth: [u16; RULES],
    /// Results of rules that are not yet part of a larger one.
    pub(super) values: Vec<Operand>,
    /// Result of the last name, where it was expected, and whether a `?` stood before it.
    pub(super) name: Option<Token>,
    pub(super) name_at: u32,
    pub optional: bool,
    pub(super) recovery: Recovery,
    pub(super) syntax: Vec<Issue>,
    pub(super) builder: Builder,
}

impl<'t> Parser<'t> {
    /// `tokens` end with [`Kind::Eof`].
    pub(super) fn new(text: &'t str, tokens: &'t [Token]) -> Self {
        let visible = (0..tokens.len())
            .filter(|n| tokens[*n].kind != Kind::Hidden)
            .collect();
        Self {
            text,
            tokens,
            visible,
            next: 0,
            stack: Vec::new(),
            depth: [0; RULES],
            values: Vec::new(),
            name: None,
            name_at: 0,
            optional: false,
            recovery: Recovery::default(),
            syntax: Vec::new(),
            builder: Builder::default(),
        }
    }

    /// Reads everything; the result, unless a limit ended it.
    pub(super) fn run(&mut self) -> Result<Operand, Stop> {
        self.enter(Rule::Start, 0)?;
        while let Some(top) = self.stack.last() {
            let (rule, place) = (top.rule, top.place);
            if let Err(fault) = self.step(rule, place) {
                self.recover(fault)?;
                self.abandon();
            }
        }
        Ok(self.pop())
    }

    /// Where reading stands.
    pub(super) fn offset(&self) -> u32 {
        self.token(1).offset
    }

    // Tokens.

    /// The `n`th token from here, counted from 1; the last one is repeated.
    pub(super) fn token(&self, n: usize) -> Token {
        self.tokens[self.token_index(n)]
    }

    pub(super) fn peek(&self) -> Kind {
        self.token(1).kind
    }

    /// The token before the next one, or the next one if there is none.
    pub(super) fn before(&self) -> Token {
        self.tokens[self.visible[self.next.saturating_sub(1)]]
    }

    pub(super) fn index(&self) -> usize {
        self.next
    }

    /// Index among all tokens of the `n`th token from here.
    pub(super) fn token_index(&self, n: usize) -> usize {
        self.visible[(self.next + n).min(self.visible.len()) - 1]
    }

    pub(super) fn advance(&mut self) {
        if self.peek() != Kind::Eof {
            self.next += 1;
        }
    }

    /// Takes the next token, which is known to fit; returns where it stands.
    pub(super) fn take(&mut self) -> u32 {
        self.fitted();
        let offset = self.offset();
        self.advance();
        offset
    }

    pub(super) fn text(&self, token: Token) -> &'t str {
        &self.text[token.start as usize..token.end as usize]
    }

    /// Text of the tokens from the next one to the `ahead`th, hidden ones between them included.
    pub(super) fn text_until(&self, ahead: usize) -> String {
        self.tokens[self.token_index(1)..=self.token_index(ahead)]
            .iter()
            .map(|token| self.text(*token))
            .collect()
    }

    // Rules.

    pub(super) fn enter(&mut self, rule: Rule, min: u8) -> Result<(), Stop> {
        let depth = &mut self.depth[rule as usize];
        *depth += 1;
        if *depth > MAX_NESTING {
            let message = format!("expression recursion limit exceeded: {MAX_NESTING}");
            return Err(Stop::Error(message));
        }
        self.stack.push(Frame {
            rule,
            place: rule.entry(),
            min,
            base: self.values.len(),
            at: self.offset(),
            op: Kind::Eof,
            name: 0,
            optional: false,
            dot: None,
            begin: 0,
            field: None,
            issues: 0,
            count: 0,
        });
        Ok(())
    }

    pub(super) fn call(&mut self, from: Place, rule: Rule) -> Result<(), Fault> {
        self.go(from);
        Ok(self.enter(rule, 0)?)
    }

    pub(super) fn leave(&mut self) {
        if let Some(frame) = self.stack.pop() {
            self.depth[frame.rule as usize] -= 1;
        }
    }

    /// Places from which the rules on the stack were called, innermost first.
    pub(super) fn callers(&self) -> impl Iterator<Item = Place> {
        let count = self.stack.len().saturating_sub(1);
        self.stack[..count].iter().rev().map(|frame| frame.place)
    }

    /// Where the innermost rule is.
    pub(super) fn place(&self) -> Place {
        self.stack.last().map_or(Place::Start, |top| top.place)
    }

    pub(super) fn top(&mut self) -> &mut Frame {
        self.stack
            .last_mut()
            .expect("steps run only while a rule is on the stack")
    }

    pub(super) fn go(&mut self, place: Place) {
        self.top().place = place;
    }

    pub(super) fn pop(&mut self) -> Operand {
        match self.values.pop() {
            Some(value) => value,
            None => self.builder.hole(BEFORE),
        }
    }

    /// Values of the innermost rule, beginning with its `skip`th.
    pub(super) fn drain(&mut self, skip: usize) -> Vec<Operand> {
        let base = (self.top().base + skip).min(self.values.len());
        self.values.drain(base..).collect()
    }
}
