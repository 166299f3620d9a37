//! What the rules for lists do: arguments, elements, entries, fields.

use super::grammar::{ELEMENT, EXPR, FIELD, NAME, Place, Rule};
use super::parser::{Fault, Parser};
use super::token::{Kind, Set};

impl Parser<'_> {
    pub(super) fn step_exprs(&mut self, place: Place) -> Result<(), Fault> {
        if place == Place::Exprs {
            return self.call(Place::ExprsFirst, Rule::Expr);
        }
        if self.peek() == Kind::Comma {
            self.take();
            return self.call(Place::ExprsNext, Rule::Expr);
        }
        self.leave();
        Ok(())
    }

    pub(super) fn step_elements(&mut self, place: Place) -> Result<(), Fault> {
        if place == Place::Elements {
            return self.call(Place::ElementsFirst, Rule::Element);
        }
        if self.more(ELEMENT) {
            self.take();
            return self.call(Place::ElementsNext, Rule::Element);
        }
        self.leave();
        Ok(())
    }

    /// Whether a comma comes that is followed by one of `first`.
    fn more(&self, first: Set) -> bool {
        self.peek() == Kind::Comma && first.contains(self.token(2).kind)
    }

    pub(super) fn step_element(&mut self, place: Place) -> Result<(), Fault> {
        if place == Place::Element {
            self.sync(ELEMENT)?;
            if self.peek() == Kind::Question {
                self.take();
                self.top().optional = true;
            }
            return self.call(Place::ElementExpr, Rule::Expr);
        }
        let optional = self.top().optional;
        if let Some(last) = self.values.last_mut() {
            last.optional = optional;
        }
        self.leave();
        Ok(())
    }

    pub(super) fn step_entries(&mut self, place: Place) -> Result<(), Fault> {
        match place {
            Place::Entries => {
                let issues = self.builder.issues.len();
                self.top().issues = issues;
                self.call(Place::EntriesKeyFirst, Rule::Element)
            }
            Place::EntriesKeyFirst => {
                self.go(Place::EntriesColonFirst);
                self.expect(Kind::Colon, EXPR)?;
                self.call(Place::EntriesValueFirst, Rule::Expr)
            }
            Place::EntriesKeyNext => {
                self.go(Place::EntriesColonNext);
                self.expect(Kind::Colon, EXPR)?;
                self.call(Place::EntriesValueNext, Rule::Expr)
            }
            _ if self.more(ELEMENT) => {
                let issues = self.builder.issues.len();
                self.top().issues = issues;
                self.take();
                self.call(Place::EntriesKeyNext, Rule::Element)
            }
            _ => {
                self.leave();
                Ok(())
            }
        }
    }

    pub(super) fn step_fields(&mut self, place: Place) -> Result<(), Fault> {
        match place {
            Place::Fields => {
                let here = self.offset();
                self.top().begin = here;
                return self.call(Place::FieldsNameFirst, Rule::Field);
            }
            Place::FieldsNameFirst => {
                self.field_name();
                self.go(Place::FieldsColonFirst);
                let at = self.expect(Kind::Colon, EXPR)?;
                self.top().at = at;
                return self.call(Place::FieldsValueFirst, Rule::Expr);
            }
            Place::FieldsNameNext => {
                self.field_name();
                self.go(Place::FieldsColonNext);
                let at = self.expect(Kind::Colon, EXPR)?;
                self.top().at = at;
                return self.call(Place::FieldsValueNext, Rule::Expr);
            }
            _ => {}
        }
        self.finish_field();
        if self.more(FIELD) {
            self.take();
            return self.call(Place::FieldsNameNext, Rule::Field);
        }
        self.leave();
        Ok(())
    }

    /// Remembers the name that was just read.
    fn field_name(&mut self) {
        let (field, optional) = (self.name, self.optional);
        let issues = self.builder.issues.len();
        let top = self.top();
        top.field = field;
        top.optional = optional;
        top.issues = issues;
    }

    /// Gives the value that was just read its name. What is wrong with the value does not matter when the name is bad.
    fn finish_field(&mut self) {
        let top = self.top();
        let (field, optional, at) = (top.field, top.optional, top.at);
        let (begin, issues) = (top.begin, top.issues);
        if field.is_none_or(|name| name.kind != Kind::Ident) {
            self.builder.issues.truncate(issues);
            self.builder.refuse_name(field, begin);
        }
        if let Some(last) = self.values.last_mut() {
            last.optional = optional;
            last.operator = at;
            last.name = field;
        }
    }

    pub(super) fn step_field(&mut self, place: Place) -> Result<(), Fault> {
        if place == Place::Field {
            self.sync(FIELD)?;
            if self.peek() == Kind::Question {
                self.take();
                self.top().optional = true;
            }
            return self.call(Place::FieldName, Rule::Name);
        }
        self.optional = self.top().optional;
        self.leave();
        Ok(())
    }

    pub(super) fn step_name(&mut self) -> Result<(), Fault> {
        self.name_at = self.offset();
        self.sync(NAME)?;
        if !NAME.contains(self.peek()) {
            return Err(Fault::NoAlternative { ahead: 1 });
        }
        self.name = Some(self.token(1));
        self.take();
        self.leave();
        Ok(())
    }
}
