//! The grammar: its rules, the places inside them, and which tokens may come at each place.
//!
//! ```text
//! start   = expr EOF
//! expr    = or [ '?' or ':' expr ]
//! or      = and { '||' and }                      and  = relation { '&&' relation }
//! relation= calc | relation ('<' '<=' '>=' '>' '==' '!=' 'in') relation
//! calc    = unary | calc ('*' '/' '%') calc | calc ('+' '-') calc
//! unary   = member | '!' {'!'} member | '-' {'-'} member
//! member  = primary { '.' ['?'] name | '.' ident '(' [exprs] ')' | '[' ['?'] expr ']' }
//! primary = ['.'] ident | ['.'] ident '(' [exprs] ')' | '(' expr ')' | '[' [elements] [','] ']'
//!         | '{' [entries] [','] '}' | ['.'] ident {'.' ident} '{' [fields] [','] '}' | literal
//! exprs   = expr {',' expr}                       elements = element {',' element}
//! element = ['?'] expr                            name     = ident | escaped ident
//! entries = element ':' expr {',' element ':' expr}
//! fields  = field ':' expr {',' field ':' expr}   field    = ['?'] name
//! ```

use super::token::{Kind, Set};

/// Rules that call one another; nesting is limited for each on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Rule {
    Start,
    Expr,
    Or,
    And,
    Relation,
    Calc,
    Unary,
    Member,
    Primary,
    Exprs,
    Elements,
    Element,
    Entries,
    Fields,
    Field,
    Name,
}

/// How many rules there are.
pub(super) const RULES: usize = Rule::Name as usize + 1;

/// A place inside a rule: where it begins, where it has called another rule, where it waits for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Place {
    Start,
    StartExpr,
    Expr,
    ExprCondition,
    ExprThen,
    ExprColon,
    ExprElse,
    Or,
    OrFirst,
    OrNext,
    And,
    AndFirst,
    AndNext,
    Relation,
    RelationFirst,
    RelationNext,
    Calc,
    CalcFirst,
    CalcNext,
    Unary,
    UnaryMember,
    UnaryNot,
    UnaryNotMember,
    UnaryMinus,
    UnaryMinusMember,
    Member,
    MemberPrimary,
    MemberStep,
    MemberOptional,
    MemberName,
    MemberArgs,
    MemberArgsList,
    MemberArgsEnd,
    MemberIndex,
    MemberIndexExpr,
    MemberIndexEnd,
    Primary,
    PrimaryNested,
    PrimaryNestedEnd,
    PrimaryArgs,
    PrimaryArgsList,
    PrimaryArgsEnd,
    PrimaryElements,
    PrimaryElementsList,
    PrimaryElementsComma,
    PrimaryElementsEnd,
    PrimaryEntries,
    PrimaryEntriesList,
    PrimaryEntriesComma,
    PrimaryEntriesEnd,
    PrimaryFields,
    PrimaryFieldsList,
    PrimaryFieldsComma,
    PrimaryFieldsEnd,
    Literal,
    Exprs,
    ExprsFirst,
    ExprsNext,
    Elements,
    ElementsFirst,
    ElementsNext,
    Element,
    ElementExpr,
    Entries,
    EntriesKeyFirst,
    EntriesColonFirst,
    EntriesValueFirst,
    EntriesKeyNext,
    EntriesColonNext,
    EntriesValueNext,
    Fields,
    FieldsNameFirst,
    FieldsColonFirst,
    FieldsValueFirst,
    FieldsNameNext,
    FieldsColonNext,
    FieldsValueNext,
    Field,
    FieldName,
    Name,
}

impl Rule {
    /// Where the rule begins.
    pub const fn entry(self) -> Place {
        match self {
            Self::Start => Place::Start,
            Self::Expr => Place::Expr,
            Self::Or => Place::Or,
            Self::And => Place::And,
            Self::Relation => Place::Relation,
            Self::Calc => Place::Calc,
            Self::Unary => Place::Unary,
            Self::Member => Place::Member,
            Self::Primary => Place::Primary,
            Self::Exprs => Place::Exprs,
            Self::Elements => Place::Elements,
            Self::Element => Place::Element,
            Self::Entries => Place::Entries,
            Self::Fields => Place::Fields,
            Self::Field => Place::Field,
            Self::Name => Place::Name,
        }
    }
}

pub(super) const RELATIONS: Set = Set::of(&[
    Kind::EqualsEquals,
    Kind::NotEquals,
    Kind::In,
    Kind::Less,
    Kind::LessEquals,
    Kind::GreaterEquals,
    Kind::Greater,
]);

pub(super) const FACTORS: Set = Set::of(&[Kind::Star, Kind::Slash, Kind::Percent]);

pub(super) const SUMS: Set = Set::of(&[Kind::Plus, Kind::Minus]);

/// What a primary begins with.
pub(super) const PRIMARY: Set = Set::of(&[
    Kind::LeftBracket,
    Kind::LeftBrace,
    Kind::LeftParen,
    Kind::Dot,
    Kind::Minus,
    Kind::True,
    Kind::False,
    Kind::Null,
    Kind::Float,
    Kind::Int,
    Kind::Uint,
    Kind::String,
    Kind::Bytes,
    Kind::Ident,
]);

/// What an expression begins with.
pub(super) const EXPR: Set = PRIMARY.with(Kind::Exclamation);

/// What an element of a list, or a key of a map, begins with.
pub(super) const ELEMENT: Set = EXPR.with(Kind::Question);

pub(super) const NAME: Set = Set::of(&[Kind::Ident, Kind::EscapedIdent]);

/// What a field of an object begins with.
pub(super) const FIELD: Set = NAME.with(Kind::Question);

/// What may come next in a member after its operand.
pub(super) const STEP: Set = Set::of(&[Kind::Dot, Kind::LeftBracket]).or(Set::END);

/// What may come after a rule called from `place`, within the calling rule.
pub(super) const fn follow(place: Place) -> Set {
    const COMMA: Set = Set::of(&[Kind::Comma]);
    match place {
        Place::StartExpr => Set::of(&[Kind::Eof]),
        Place::ExprCondition => Set::END.with(Kind::Question),
        Place::ExprThen | Place::EntriesKeyFirst | Place::EntriesKeyNext => Set::of(&[Kind::Colon]),
        Place::FieldsNameFirst | Place::FieldsNameNext => Set::of(&[Kind::Colon]),
        Place::OrFirst | Place::OrNext => Set::END.with(Kind::OrOr),
        Place::AndFirst | Place::AndNext => Set::END.with(Kind::AndAnd),
        Place::RelationFirst | Place::RelationNext => RELATIONS.or(Set::END),
        Place::CalcFirst | Place::CalcNext => FACTORS.or(SUMS).or(Set::END),
        Place::MemberPrimary | Place::MemberName => STEP,
        Place::MemberArgsList | Place::PrimaryArgsList | Place::PrimaryNested => {
            Set::of(&[Kind::RightParen])
        }
        Place::MemberIndexExpr => Set::of(&[Kind::RightBracket]),
        Place::PrimaryElementsList => COMMA.with(Kind::RightBracket),
        Place::PrimaryEntriesList | Place::PrimaryFieldsList => COMMA.with(Kind::RightBrace),
        Place::ExprsFirst | Place::ExprsNext | Place::ElementsFirst | Place::ElementsNext => {
            COMMA.or(Set::END)
        }
        Place::EntriesValueFirst | Place::EntriesValueNext => COMMA.or(Set::END),
        Place::FieldsValueFirst | Place::FieldsValueNext => COMMA.or(Set::END),
        _ => Set::END,
    }
}
