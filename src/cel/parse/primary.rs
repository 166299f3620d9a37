//! What the rule for primaries does: names, calls, parentheses, collections, objects, literals.

use super::grammar::{ELEMENT, EXPR, FIELD, PRIMARY, Place, Rule};
use super::parser::{Fault, Parser};
use super::token::{Kind, Set};

impl Parser<'_> {
    pub(super) fn step_primary(&mut self, place: Place) -> Result<(), Fault> {
        match place {
            Place::Primary => return self.step_into_primary(),
            Place::PrimaryNested => {
                self.go(Place::PrimaryNestedEnd);
                self.expect(Kind::RightParen, Set::END)?;
            }
            Place::PrimaryArgs => {
                self.sync(EXPR.with(Kind::RightParen))?;
                if EXPR.contains(self.peek()) {
                    return self.call(Place::PrimaryArgsList, Rule::Exprs);
                }
                self.go(Place::PrimaryArgsEnd);
                return Ok(());
            }
            Place::PrimaryArgsList | Place::PrimaryArgsEnd => {
                self.go(Place::PrimaryArgsEnd);
                self.expect(Kind::RightParen, Set::END)?;
                self.finish_call();
            }
            Place::PrimaryElements | Place::PrimaryElementsList => {
                return self.step_collection(place, Kind::RightBracket);
            }
            Place::PrimaryEntries
            | Place::PrimaryEntriesList
            | Place::PrimaryFields
            | Place::PrimaryFieldsList => {
                return self.step_collection(place, Kind::RightBrace);
            }
            _ => {}
        }
        self.leave();
        Ok(())
    }

    /// Reads the content of brackets or braces and what closes them.
    pub(super) fn step_collection(&mut self, place: Place, end: Kind) -> Result<(), Fault> {
        let (first, list, rule, comma, last) = match place {
            Place::PrimaryElements | Place::PrimaryElementsList => (
                ELEMENT,
                Place::PrimaryElementsList,
                Rule::Elements,
                Place::PrimaryElementsComma,
                Place::PrimaryElementsEnd,
            ),
            Place::PrimaryEntries | Place::PrimaryEntriesList => (
                ELEMENT,
                Place::PrimaryEntriesList,
                Rule::Entries,
                Place::PrimaryEntriesComma,
                Place::PrimaryEntriesEnd,
            ),
            _ => (
                FIELD,
                Place::PrimaryFieldsList,
                Rule::Fields,
                Place::PrimaryFieldsComma,
                Place::PrimaryFieldsEnd,
            ),
        };
        let closing = Set::of(&[Kind::Comma]).with(end);
        if place != list {
            self.sync(first.or(closing))?;
            if first.contains(self.peek()) {
                return self.call(list, rule);
            }
        }
        self.go(comma);
        self.sync(closing)?;
        if self.peek() == Kind::Comma {
            self.take();
        }
        self.go(last);
        self.expect(end, Set::END)?;
        self.finish_collection(rule);
        self.leave();
        Ok(())
    }

    /// Makes the collection of the innermost rule, whose items `rule` read, from those so far.
    pub(super) fn finish_collection(&mut self, rule: Rule) {
        let at = self.top().at;
        let items = self.drain(0);
        let value = match rule {
            Rule::Elements => self.builder.list(&items, at),
            Rule::Entries => self.builder.map(&items, at),
            _ => {
                let name = self.object_name();
                let text = self.text;
                self.builder.object(name, text, &items, at)
            }
        };
        self.values.push(value);
    }

    /// Name of the object that the innermost rule reads: its tokens up to the brace, without what is hidden.
    fn object_name(&mut self) -> String {
        let (name, at) = (self.top().name, self.top().at);
        self.tokens[name..]
            .iter()
            .take_while(|token| token.offset < at)
            .filter(|token| token.kind != Kind::Hidden)
            .map(|token| self.text(*token))
            .collect()
    }

    pub(super) fn step_into_primary(&mut self) -> Result<(), Fault> {
        self.sync(PRIMARY)?;
        let here = self.offset();
        self.top().at = here;
        match self.peek() {
            Kind::LeftParen => {
                self.take();
                return self.call(Place::PrimaryNested, Rule::Expr);
            }
            Kind::LeftBracket => {
                self.take();
                self.go(Place::PrimaryElements);
            }
            Kind::LeftBrace => {
                self.take();
                self.go(Place::PrimaryEntries);
            }
            Kind::Dot | Kind::Ident => return self.step_into_name(),
            kind if PRIMARY.contains(kind) => return self.step_literal(),
            _ => return Err(Fault::NoAlternative { ahead: 1 }),
        }
        Ok(())
    }

    /// Chooses between a name, a call and an object.
    pub(super) fn step_into_name(&mut self) -> Result<(), Fault> {
        let dot = usize::from(self.peek() == Kind::Dot);
        if self.token(1 + dot).kind != Kind::Ident {
            return Err(Fault::NoAlternative { ahead: 1 + dot });
        }
        let mut last = 1 + dot;
        while self.token(last + 1).kind == Kind::Dot && self.token(last + 2).kind == Kind::Ident {
            last += 2;
        }
        let name = self.token_index(1 + dot);
        if self.token(last + 1).kind == Kind::LeftBrace {
            let here = self.token_index(1);
            self.top().name = here;
            for _ in 0..last {
                self.take();
            }
            self.top().at = self.take();
            self.go(Place::PrimaryFields);
            return Ok(());
        }
        if dot == 1 {
            let here = Some(self.offset());
            self.top().dot = here;
            self.take();
        }
        let token = self.tokens[name];
        self.take();
        self.top().name = name;
        if self.peek() == Kind::LeftParen {
            let at = self.take();
            let issues = self.builder.issues.len();
            let top = self.top();
            top.at = at;
            top.issues = issues;
            self.go(Place::PrimaryArgs);
            return Ok(());
        }
        let dot = self.top().dot;
        let value = self.builder.name(dot, self.text(token), token.offset);
        self.values.push(value);
        self.leave();
        Ok(())
    }

    pub(super) fn step_literal(&mut self) -> Result<(), Fault> {
        self.go(Place::Literal);
        let at = self.offset();
        let negative = self.peek() == Kind::Minus;
        if negative {
            if !matches!(self.token(2).kind, Kind::Int | Kind::Float) {
                return Err(Fault::NoAlternative { ahead: 2 });
            }
            self.take();
        }
        let token = self.token(1);
        self.take();
        let text = self.text(token);
        let value = self.builder.literal(token.kind, negative, text, at);
        self.values.push(value);
        self.leave();
        Ok(())
    }
}
