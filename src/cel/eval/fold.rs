//! Comprehensions.

use super::{Local, Machine, Outcome, is_fatal};
use crate::cel::cost::{self, SELECT};
use crate::cel::lib::operators::Arithmetic;
use crate::cel::plan::{Fold, OpId, Shape};
use crate::cel::value::{EvalError, List, Map, Value};

/// What is iterated.
enum Range<'a> {
    List(List<'a>),
    Map(Map<'a>),
}

impl<'a> Range<'a> {
    fn len(&self) -> usize {
        match self {
            Self::List(list) => list.len(),
            Self::Map(map) => map.len(),
        }
    }

    /// First and second variable at a step.
    fn bind(&self, at: usize, two: bool) -> (Local<'a>, Local<'a>) {
        match self {
            Self::List(list) => {
                let element = list.get(at).map_or(Local::Unset, Local::Value);
                if !two {
                    return (element, Local::Unset);
                }
                let index = i64::try_from(at).unwrap_or(i64::MAX);
                (Local::Value(Value::Int(index)), element)
            }
            Self::Map(map) => match map.entry(at) {
                Some((key, value)) if two => (Local::Value(key), Local::Value(value)),
                Some((key, _)) => (Local::Value(key), Local::Unset),
                None => (Local::Unset, Local::Unset),
            },
        }
    }
}

impl<'a> Machine<'_, 'a> {
    pub(super) fn fold(&mut self, fold: &'a Fold) -> Outcome<'a> {
        let range = match self.eval(fold.range)? {
            Value::List(list) => Range::List(list),
            Value::Map(map) => Range::Map(map),
            other => return Err(not_iterable(&other, fold.two_variables)),
        };
        // Places may be shared with an outer comprehension that evaluates its accumulator late.
        let used = if fold.two_variables { 3 } else { 2 };
        let mut saved = [const { Local::Unset }; 3];
        for (place, saved) in (fold.base..).zip(&mut saved[..used]) {
            *saved = self.locals.replace(place, Local::Unset);
        }
        let outcome = match fold.shape {
            Shape::General => self.general(fold, &range),
            Shape::All(terms) => self.quantified(fold, &range, self.plan.span(terms), true),
            Shape::Exists(terms) => self.quantified(fold, &range, self.plan.span(terms), false),
            Shape::Collect {
                condition,
                element,
                constant,
            } => self.collect(fold, &range, condition, (element, constant)),
        };
        for (place, local) in (fold.base..).zip(saved).take(used) {
            self.locals.set(place, local);
        }
        outcome
    }

    fn bind(&mut self, fold: &Fold, range: &Range<'a>, at: usize) {
        let (first, second) = range.bind(at, fold.two_variables);
        self.locals.set(fold.base + 1, first);
        if fold.two_variables {
            self.locals.set(fold.base + 2, second);
        }
    }

    fn general(&mut self, fold: &'a Fold, range: &Range<'a>) -> Outcome<'a> {
        self.locals.set(fold.base, Local::Lazy(fold.init));
        for at in 0..range.len() {
            self.bind(fold, range, at);
            match self.eval(fold.condition) {
                Ok(Value::Bool(false)) => break,
                Err(error) if is_fatal(&error) => return Err(error),
                _ => {}
            }
            let step = self.eval(fold.step);
            if let Err(error) = &step
                && is_fatal(error)
            {
                return step;
            }
            self.locals.set(fold.base, Local::from(step));
        }
        self.eval(fold.result)
    }

    /// `all` (with `and`) and `exists`: stops at the first deciding element, keeps the first error otherwise. Every step
    /// costs what the accumulator's comings and goings cost in the general form.
    fn quantified(
        &mut self,
        fold: &Fold,
        range: &Range<'a>,
        terms: &[OpId],
        and: bool,
    ) -> Outcome<'a> {
        let mut error = None;
        for at in 0..range.len() {
            self.bind(fold, range, at);
            self.condition(and)?;
            // The accumulator as the first term of the step.
            self.charge(SELECT)?;
            let step = if and {
                self.and(terms, error.take())
            } else {
                self.or(terms, error.take())
            };
            match step {
                Ok(value) if value != and => {
                    if at + 1 < range.len() {
                        self.condition(and)?;
                    }
                    self.charge(SELECT)?;
                    return Ok(Value::Bool(value));
                }
                Ok(_) => {}
                Err(fatal) if is_fatal(&fatal) => return Err(fatal),
                Err(other) => error = Some(other),
            }
        }
        self.charge(SELECT)?;
        error.map_or(Ok(Value::Bool(and)), Err)
    }

    /// A list of what `element` gives, where `condition` holds if there is one. Goes through all of the range even after
    /// a failure, of which the last of a condition or else the first of an element remains, and costs what the
    /// accumulator's comings and goings cost in the general form.
    fn collect(
        &mut self,
        fold: &Fold,
        range: &Range<'a>,
        condition: Option<OpId>,
        (element, constant): (OpId, bool),
    ) -> Outcome<'a> {
        let expected = if condition.is_some() { 0 } else { range.len() };
        let mut items = Ok(Vec::with_capacity(expected));
        for at in 0..range.len() {
            self.bind(fold, range, at);
            match condition.map(|condition| self.truth(condition)) {
                None | Some(Ok(Some(true))) => {}
                Some(Ok(Some(false))) => continue,
                Some(Ok(None)) => {
                    items = Err(EvalError::NoSuchOverload);
                    continue;
                }
                Some(Err(error)) if is_fatal(&error) => return Err(error),
                Some(Err(error)) => {
                    items = Err(error);
                    continue;
                }
            }
            self.charge(SELECT)?;
            let item = self.operand(element)?;
            if !constant {
                self.charge(cost::LIST)?;
            }
            match (&mut items, item) {
                (Ok(items), Ok(item)) => items.push(item),
                (Ok(_), Err(error)) => items = Err(error),
                (Err(_), _) => {}
            }
            self.charge(1)?;
        }
        self.charge(SELECT)?;
        items.map(Value::list)
    }

    /// The cost of asking whether to go on.
    fn condition(&mut self, and: bool) -> Result<(), EvalError> {
        self.charge(SELECT)?;
        if !and {
            self.charge(1)?;
        }
        self.charge(1)
    }

    /// `accumulator + [element]`, in place.
    pub(super) fn append(&mut self, place: u16, element: OpId, constant: bool) -> Outcome<'a> {
        // Makes sure that the accumulator has a value, then takes it out so that nobody else holds it.
        if matches!(self.locals.get(place), Local::Lazy(_)) {
            let initial = self.local(place);
            if let Err(error) = &initial
                && is_fatal(error)
            {
                return initial;
            }
        }
        self.charge(SELECT)?;
        let element = self.eval(element);
        if let Err(error) = &element
            && is_fatal(error)
        {
            return element;
        }
        if !constant {
            self.charge(cost::LIST)?;
        }
        let accumulator = self.locals.replace(place, Local::Unset);
        let outcome = match (accumulator, element) {
            (Local::Failed(error), _) | (Local::Value(_), Err(error)) => Err(error),
            (Local::Value(Value::List(list)), Ok(item)) => Ok(Value::List(list.appended(item))),
            (Local::Value(other), Ok(item)) => {
                Arithmetic::Add.apply(&other, &Value::list(vec![item]))
            }
            (Local::Unset | Local::Lazy(_), _) => Err(EvalError::NoSuchOverload),
        };
        self.charge(1)?;
        outcome
    }
}

fn not_iterable(value: &Value<'_>, two_variables: bool) -> EvalError {
    let ty = value.go_type();
    EvalError::text(if two_variables {
        format!("unsupported comprehension range type: {ty}")
    } else {
        format!("got '{ty}', expected iterable type")
    })
}
