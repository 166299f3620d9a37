//! What happens when a token does not fit: the message, and where reading goes on.
//!
//! This is the strategy of the parser generator that cel-go uses, so that the same errors appear at the same places:
//! drop one token if the next one fits, else pretend that the missing one was there, else give the rule up and skip to
//! a token that some enclosing rule waits for. After an error nothing is reported until a token fits again.

use super::grammar::{Place, Rule, follow};
use super::parser::{Fault, Parser, Stop};
use super::token::{Kind, Set, Token};
use crate::cel::ast::ops;
use crate::cel::source::{BEFORE, Issue};

/// How often reading may resume after an error: the first errors teach, the rest is noise that costs time.
const MAX_RECOVERIES: u32 = 30;

/// How many tokens one recovery may skip.
const MAX_SKIPPED: u32 = 256;

/// What is remembered between errors.
#[derive(Default)]
pub(super) struct Recovery {
    /// An error was reported and no token has fitted since.
    active: bool,
    attempts: u32,
    /// Token at which the last recovery began.
    last_token: Option<usize>,
    /// Places that recovered at that token, a bit for each: a second time must skip a token, or would not end.
    last_places: u128,
}

impl Parser<'_> {
    /// A token fitted.
    pub(super) fn fitted(&mut self) {
        self.recovery.active = false;
        self.recovery.last_token = None;
        self.recovery.last_places = 0;
    }

    /// Takes a token of this kind; `after` is what may come behind it within the rule. Returns where it stands.
    pub(super) fn expect(&mut self, kind: Kind, after: Set) -> Result<u32, Fault> {
        if self.peek() != kind {
            self.count_attempt()?;
            let expected = Set::of(&[kind]);
            if !self.dropped_one(expected) {
                if !self.awaited(after).contains(self.peek()) {
                    return Err(Fault::Mismatch(expected));
                }
                self.report_missing(expected);
                let here = if self.peek() == Kind::Eof {
                    self.before()
                } else {
                    self.token(1)
                };
                return Ok(here.offset);
            }
        }
        self.fitted();
        let offset = self.token(1).offset;
        self.advance();
        Ok(offset)
    }

    /// Makes sure that one of `expected` comes next.
    pub(super) fn sync(&mut self, expected: Set) -> Result<(), Fault> {
        if self.recovery.active || expected.contains(self.peek()) || self.dropped_one(expected) {
            return Ok(());
        }
        Err(Fault::Mismatch(expected))
    }

    /// Like [`Parser::sync`] behind an operator that may be repeated: skips to where reading can go on.
    pub(super) fn sync_repeated(&mut self, expected: Set) {
        if self.recovery.active || expected.contains(self.peek()) {
            return;
        }
        self.report_unwanted(expected);
        let set = expected.or(self.recovery_set());
        while self.peek() != Kind::Eof && !set.contains(self.peek()) {
            self.advance();
        }
    }

    /// Reports that the rule on top of the stack failed, and skips to a token that an enclosing rule waits for.
    pub(super) fn recover(&mut self, fault: Fault) -> Result<(), Stop> {
        match fault {
            Fault::Stop(stop) => return Err(stop),
            _ if self.recovery.active => {}
            Fault::Mismatch(expected) => {
                self.recovery.active = true;
                let text = self.display(self.token(1));
                self.syntax_error(
                    self.token(1),
                    &format!("mismatched input {text} expecting {expected}"),
                );
            }
            Fault::NoAlternative { ahead } => {
                self.recovery.active = true;
                let message = self.no_alternative(ahead);
                self.syntax_error(self.token(ahead), &message);
            }
        }
        self.count_attempt()?;
        let mut skipped = 0;
        let place = 1_u128 << self.place() as u8;
        let again = self.recovery.last_token == Some(self.index());
        if again && self.recovery.last_places & place != 0 {
            self.advance();
            skipped += 1;
        }
        self.recovery.last_token = Some(self.index());
        self.recovery.last_places |= place;
        let set = self.recovery_set();
        while self.peek() != Kind::Eof && !set.contains(self.peek()) {
            if skipped == MAX_SKIPPED {
                return Err(Stop::Error(format!(
                    "error recovery token lookahead limit exceeded: {MAX_SKIPPED}"
                )));
            }
            self.advance();
            skipped += 1;
        }
        Ok(())
    }

    /// Leaves a rule that failed with what was read of it: cel-go goes on to report what is wrong in there, too.
    pub(super) fn abandon(&mut self) {
        match self.place() {
            Place::Name | Place::Field => self.name = None,
            Place::ExprColon => {
                self.push_hole(BEFORE);
                self.finish_conditional();
            }
            Place::Unary => {
                let at = self.top().at;
                self.push_hole(at);
            }
            Place::UnaryMinus => {
                self.push_hole(BEFORE);
                self.finish_unary(ops::NEG);
            }
            Place::MemberArgs
            | Place::MemberArgsEnd
            | Place::PrimaryArgs
            | Place::PrimaryArgsEnd => self.finish_call(),
            Place::MemberIndex => {
                self.push_hole(BEFORE);
                self.finish_index();
            }
            Place::MemberIndexEnd => self.finish_index(),
            Place::PrimaryElements | Place::PrimaryElementsComma | Place::PrimaryElementsEnd => {
                self.finish_collection(Rule::Elements);
            }
            Place::PrimaryEntries | Place::PrimaryEntriesComma | Place::PrimaryEntriesEnd => {
                self.finish_collection(Rule::Entries);
            }
            Place::PrimaryFields | Place::PrimaryFieldsComma | Place::PrimaryFieldsEnd => {
                self.finish_collection(Rule::Fields);
            }
            Place::Primary | Place::Literal | Place::Element => self.push_hole(BEFORE),
            Place::EntriesColonFirst | Place::EntriesColonNext => {
                // A key without a colon is not looked at.
                let issues = self.top().issues;
                self.builder.issues.truncate(issues);
                self.pop();
            }
            // What was read so far is the result.
            _ => {}
        }
        self.leave();
    }

    fn push_hole(&mut self, at: u32) {
        let hole = self.builder.hole(at);
        self.values.push(hole);
    }

    fn count_attempt(&mut self) -> Result<(), Stop> {
        if self.recovery.attempts == MAX_RECOVERIES {
            self.syntax_error(
                self.token(1),
                &format!("error recovery attempt limit exceeded: {MAX_RECOVERIES}"),
            );
            return Err(Stop::Reported);
        }
        self.recovery.attempts += 1;
        Ok(())
    }

    /// Drops one token if the one behind it is expected.
    fn dropped_one(&mut self, expected: Set) -> bool {
        let fits = expected.contains(self.token(2).kind);
        if fits {
            self.report_unwanted(expected);
            self.advance();
            self.fitted();
        }
        fits
    }

    fn report_unwanted(&mut self, expected: Set) {
        let text = self.display(self.token(1));
        self.report(&format!("extraneous input {text} expecting {expected}"));
    }

    fn report_missing(&mut self, expected: Set) {
        let text = self.display(self.token(1));
        self.report(&format!("missing {expected} at {text}"));
    }

    fn report(&mut self, message: &str) {
        if !self.recovery.active {
            self.recovery.active = true;
            self.syntax_error(self.token(1), message);
        }
    }

    fn syntax_error(&mut self, at: Token, message: &str) {
        self.syntax.push(Issue {
            offset: at.offset,
            message: format!("Syntax error: {message}"),
        });
    }

    /// `set`, and while a rule may end there what its callers wait for.
    fn awaited(&self, mut set: Set) -> Set {
        let mut frames = self.callers();
        while set.may_end() {
            let Some(place) = frames.next() else {
                return set.without_end().with(Kind::Eof);
            };
            set = set.without_end().or(follow(place));
        }
        set
    }

    /// What any enclosing rule waits for.
    fn recovery_set(&self) -> Set {
        self.callers()
            .fold(Set::EMPTY, |set, place| set.or(follow(place)))
            .without_end()
    }

    fn display(&self, token: Token) -> String {
        match token.kind {
            Kind::Eof => "'<EOF>'".to_owned(),
            _ => quoted(self.text(token)),
        }
    }

    /// Message about a choice that the first `ahead` tokens rule out.
    fn no_alternative(&self, ahead: usize) -> String {
        if self.peek() == Kind::Eof {
            return "no viable alternative at input '<EOF>'".to_owned();
        }
        let input = self.text_until(ahead);
        let mut chars = input.chars();
        if chars.next().is_some_and(|c| c != '\n')
            && matches!(chars.as_str(), "true" | "false" | "null")
        {
            return format!("mismatched input '{}' expecting IDENTIFIER", chars.as_str());
        }
        format!("no viable alternative at input {}", quoted(&input))
    }
}

fn quoted(text: &str) -> String {
    let escaped = text
        .replace('\t', "\\t")
        .replace('\n', "\\n")
        .replace('\r', "\\r");
    format!("'{escaped}'")
}
