//! What each rule does at each of its places.

use super::build::is_reserved;
use super::grammar::{ELEMENT, EXPR, FACTORS, PRIMARY, Place, RELATIONS, Rule, STEP, SUMS};
use super::parser::{Fault, Parser};
use super::token::{Kind, Set};
use crate::cel::ast::ops;

impl Parser<'_> {
    /// Does the next thing of the innermost rule.
    pub(super) fn step(&mut self, rule: Rule, place: Place) -> Result<(), Fault> {
        match rule {
            Rule::Start => self.step_start(place),
            Rule::Expr => self.step_expr(place),
            Rule::Or | Rule::And => self.step_logic(rule, place),
            Rule::Relation | Rule::Calc => self.step_infix(rule, place),
            Rule::Unary => self.step_unary(place),
            Rule::Member => self.step_member(place),
            Rule::Primary => self.step_primary(place),
            Rule::Exprs => self.step_exprs(place),
            Rule::Elements => self.step_elements(place),
            Rule::Element => self.step_element(place),
            Rule::Entries => self.step_entries(place),
            Rule::Fields => self.step_fields(place),
            Rule::Field => self.step_field(place),
            Rule::Name => self.step_name(),
        }
    }

    fn step_start(&mut self, place: Place) -> Result<(), Fault> {
        if place == Place::Start {
            return self.call(Place::StartExpr, Rule::Expr);
        }
        self.expect(Kind::Eof, Set::END)?;
        self.leave();
        Ok(())
    }

    fn step_expr(&mut self, place: Place) -> Result<(), Fault> {
        match place {
            Place::Expr => return self.call(Place::ExprCondition, Rule::Or),
            Place::ExprCondition if self.peek() == Kind::Question => {
                let here = self.offset();
                self.top().at = here;
                self.take();
                return self.call(Place::ExprThen, Rule::Or);
            }
            Place::ExprThen => {
                self.go(Place::ExprColon);
                self.expect(Kind::Colon, EXPR)?;
                return self.call(Place::ExprElse, Rule::Expr);
            }
            Place::ExprElse => self.finish_conditional(),
            _ => {}
        }
        self.leave();
        Ok(())
    }

    pub(super) fn finish_conditional(&mut self) {
        let at = self.top().at;
        let operands = self.drain(0);
        let value = self.builder.operator(ops::CONDITIONAL, &operands, at, true);
        self.values.push(value);
    }

    fn step_logic(&mut self, rule: Rule, place: Place) -> Result<(), Fault> {
        let (kind, function, term, first, next) = match rule {
            Rule::Or => (
                Kind::OrOr,
                ops::OR,
                Rule::And,
                Place::OrFirst,
                Place::OrNext,
            ),
            _ => (
                Kind::AndAnd,
                ops::AND,
                Rule::Relation,
                Place::AndFirst,
                Place::AndNext,
            ),
        };
        if place == rule.entry() {
            return self.call(first, term);
        }
        if place == next {
            let at = self.top().at;
            if let Some(last) = self.values.last_mut() {
                last.operator = at;
            }
        }
        if self.peek() == kind {
            let here = self.offset();
            self.top().at = here;
            self.take();
            return self.call(next, term);
        }
        if place == next {
            let terms = self.drain(0);
            let value = self.builder.logic(function, &terms);
            self.values.push(value);
        }
        self.leave();
        Ok(())
    }

    fn step_infix(&mut self, rule: Rule, place: Place) -> Result<(), Fault> {
        let (operand, first, next) = match rule {
            Rule::Relation => (Rule::Calc, Place::RelationFirst, Place::RelationNext),
            _ => (Rule::Unary, Place::CalcFirst, Place::CalcNext),
        };
        if place == rule.entry() {
            return self.call(first, operand);
        }
        if place == next {
            let (op, at) = (self.top().op, self.top().at);
            let operands = self.drain(0);
            let value = self.builder.operator(function(op), &operands, at, true);
            self.values.push(value);
        }
        let kind = self.peek();
        let strength = match rule {
            Rule::Relation if RELATIONS.contains(kind) => 1,
            Rule::Calc if FACTORS.contains(kind) => 2,
            Rule::Calc if SUMS.contains(kind) => 1,
            _ => 0,
        };
        let top = self.top();
        if strength == 0 || strength < top.min {
            self.leave();
            return Ok(());
        }
        top.op = kind;
        let at = self.take();
        self.top().at = at;
        self.go(next);
        Ok(self.enter(rule, strength + 1)?)
    }

    fn step_unary(&mut self, place: Place) -> Result<(), Fault> {
        match place {
            Place::Unary => {
                self.sync(EXPR)?;
                match (self.peek(), self.token(2).kind) {
                    (Kind::Exclamation, _) => self.go(Place::UnaryNot),
                    (Kind::Minus, Kind::Int | Kind::Float) => {
                        return self.call(Place::UnaryMember, Rule::Member);
                    }
                    (Kind::Minus, second) if PRIMARY.contains(second) => {
                        self.go(Place::UnaryMinus);
                    }
                    (Kind::Minus, _) => return Err(Fault::NoAlternative { ahead: 2 }),
                    (first, _) if PRIMARY.contains(first) => {
                        return self.call(Place::UnaryMember, Rule::Member);
                    }
                    _ => return Err(Fault::NoAlternative { ahead: 1 }),
                }
                let here = self.offset();
                self.top().at = here;
            }
            Place::UnaryNot => {
                self.take();
                self.top().count += 1;
                self.sync_repeated(EXPR);
                if self.peek() != Kind::Exclamation {
                    return self.call(Place::UnaryNotMember, Rule::Member);
                }
            }
            Place::UnaryMinus => {
                self.take();
                self.top().count += 1;
                self.sync_repeated(PRIMARY);
                match (self.peek(), self.token(2).kind) {
                    (Kind::Minus, second) if PRIMARY.contains(second) => {}
                    (Kind::Minus, _) => return Err(Fault::NoAlternative { ahead: 2 }),
                    (first, _) if PRIMARY.contains(first) => {
                        return self.call(Place::UnaryMinusMember, Rule::Member);
                    }
                    _ => return Err(Fault::NoAlternative { ahead: 1 }),
                }
            }
            Place::UnaryNotMember => {
                self.finish_unary(ops::NOT);
                self.leave();
            }
            Place::UnaryMinusMember => {
                self.finish_unary(ops::NEG);
                self.leave();
            }
            _ => self.leave(),
        }
        Ok(())
    }

    /// Pairs of prefix operators cancel out.
    pub(super) fn finish_unary(&mut self, function: &str) {
        let (count, at) = (self.top().count, self.top().at);
        if count % 2 == 1 {
            let operand = self.pop();
            let value = self.builder.operator(function, &[operand], at, false);
            self.values.push(value);
        }
    }

    fn step_member(&mut self, place: Place) -> Result<(), Fault> {
        match place {
            Place::Member => return self.call(Place::MemberPrimary, Rule::Primary),
            Place::MemberPrimary | Place::MemberStep => return self.step_into_member(),
            Place::MemberOptional => {
                if self.peek() == Kind::Question {
                    self.take();
                    self.top().optional = true;
                }
                return self.call(Place::MemberName, Rule::Name);
            }
            Place::MemberName => {
                let (at, optional) = (self.top().at, self.top().optional);
                let operand = self.pop();
                let name = match self.name {
                    Some(token) if token.kind == Kind::Ident => self.text(token),
                    other => {
                        self.builder.refuse_name(other, self.name_at);
                        ""
                    }
                };
                let name = (self.name_at, name);
                let value = self.builder.select(operand, name, optional, at);
                self.values.push(value);
                self.go(Place::MemberStep);
            }
            Place::MemberArgs => {
                self.sync(EXPR.with(Kind::RightParen))?;
                if EXPR.contains(self.peek()) {
                    return self.call(Place::MemberArgsList, Rule::Exprs);
                }
                self.go(Place::MemberArgsEnd);
            }
            Place::MemberArgsList => self.go(Place::MemberArgsEnd),
            Place::MemberArgsEnd => {
                self.expect(Kind::RightParen, STEP)?;
                self.finish_call();
                self.go(Place::MemberStep);
            }
            Place::MemberIndex => {
                self.sync(ELEMENT)?;
                if self.peek() == Kind::Question {
                    self.take();
                    self.top().optional = true;
                }
                return self.call(Place::MemberIndexExpr, Rule::Expr);
            }
            Place::MemberIndexExpr => {
                self.go(Place::MemberIndexEnd);
                self.expect(Kind::RightBracket, STEP)?;
                self.finish_index();
                self.go(Place::MemberStep);
            }
            _ => self.leave(),
        }
        Ok(())
    }

    /// Chooses between selection, call, index and the end.
    fn step_into_member(&mut self) -> Result<(), Fault> {
        self.go(Place::MemberStep);
        self.top().optional = false;
        match (self.peek(), self.token(2).kind) {
            (Kind::Dot, Kind::Ident) if self.token(3).kind == Kind::LeftParen => {
                self.take();
                let here = self.token_index(1);
                self.top().name = here;
                self.take();
                let here = self.offset();
                self.top().at = here;
                self.take();
                self.go(Place::MemberArgs);
            }
            (Kind::Dot, Kind::Question | Kind::Ident | Kind::EscapedIdent) => {
                let here = self.offset();
                self.top().at = here;
                self.take();
                self.go(Place::MemberOptional);
            }
            (Kind::Dot, _) => return Err(Fault::NoAlternative { ahead: 2 }),
            (Kind::LeftBracket, _) => {
                let here = self.offset();
                self.top().at = here;
                self.take();
                self.go(Place::MemberIndex);
            }
            _ => self.leave(),
        }
        Ok(())
    }

    pub(super) fn finish_index(&mut self) {
        let (at, optional) = (self.top().at, self.top().optional);
        let function = if optional { ops::OPT_INDEX } else { ops::INDEX };
        let operands = self.drain(0);
        let value = self.builder.operator(function, &operands, at, true);
        self.values.push(value);
    }

    /// Makes the call of the innermost rule, a member or a primary, from its arguments so far.
    pub(super) fn finish_call(&mut self) {
        let top = self.top();
        let (at, name, dot, issues) = (top.at, top.name, top.dot, top.issues);
        let member = top.rule == Rule::Member;
        let args = self.drain(usize::from(member));
        let token = self.tokens[name];
        let text = self.text(token);
        let value = if member {
            let target = self.pop();
            self.builder.member_call(text, target, &args, at)
        } else if is_reserved(text) {
            // What is wrong with its arguments does not matter.
            self.builder.issues.truncate(issues);
            self.builder.reserved(dot.unwrap_or(token.offset), text)
        } else {
            self.builder.global_call(dot.is_some(), text, &args, at)
        };
        self.values.push(value);
    }
}

/// Function of an infix operator.
fn function(kind: Kind) -> &'static str {
    match kind {
        Kind::EqualsEquals => ops::EQ,
        Kind::NotEquals => ops::NE,
        Kind::In => ops::IN,
        Kind::Less => ops::LT,
        Kind::LessEquals => ops::LE,
        Kind::GreaterEquals => ops::GE,
        Kind::Greater => ops::GT,
        Kind::Plus => ops::ADD,
        Kind::Minus => ops::SUB,
        Kind::Star => ops::MUL,
        Kind::Slash => ops::DIV,
        _ => ops::MOD,
    }
}
