//! The authorizer: `authorizer.group(…).resource(…).check(…)` and the like.
//!
//! Who answers a check is the [`Authorizer`] behind the value; answers are to be remembered per request by that one.
//! Selectors are handed on as written: the API server reads them again when it reviews access.

pub mod table;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::args::{Outcome, UNIT};
use super::{Call, Cost, Function, Overload};
use crate::cel::cost::per_size;
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, Opaque, Value};
use crate::model::names;

/// Answers access checks.
pub trait Authorizer: Send + Sync + fmt::Debug {
    /// Whether the user may do this. Must give the same answer for the same question as long as one request is judged.
    fn check(&self, attributes: &Attributes) -> Decision;
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct User {
    /// Name.
    pub name: String,
    /// Identifier, may be empty.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Further attributes.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// A path that belongs to no resource.
    Path(String),
    /// A resource.
    Resource(ResourceAccess),
}

/// A resource, in any version of its group.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceAccess {
    /// API group, empty for the core group.
    pub group: String,
    /// Resource, plural.
    pub resource: String,
    /// Subresource, may be empty.
    pub subresource: String,
    /// Namespace; empty means all, or none for cluster-scoped resources.
    pub namespace: String,
    /// Name; empty means all.
    pub name: String,
    /// Field selector as written; empty means none. One that cannot be read counts as none.
    pub field_selector: String,
    /// Label selector as written; empty means none. One that cannot be read counts as none.
    pub label_selector: String,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attributes {
    /// Who asks.
    pub user: Arc<User>,
    /// Verb, such as `get`.
    pub verb: String,
    /// What for.
    pub access: Access,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Allowed; neither a denial nor the lack of an opinion allows.
    pub allowed: bool,
    /// Why, may be empty.
    pub reason: String,
    /// What went wrong, if anything did.
    pub error: Option<String>,
}

/// The value of the variable `authorizer`.
#[derive(Clone, Debug)]
pub struct AuthorizerValue {
    user: Arc<User>,
    authorizer: Arc<dyn Authorizer>,
}

impl AuthorizerValue {
    /// Asks `authorizer` on behalf of `user`.
    #[must_use]
    pub fn new(user: Arc<User>, authorizer: Arc<dyn Authorizer>) -> Self {
        Self { user, authorizer }
    }

    /// The value of `authorizer.requestResource`: the resource that the request is about.
    #[must_use]
    pub fn request_resource(&self, access: ResourceAccess) -> ResourceCheck {
        ResourceCheck {
            authorizer: self.clone(),
            access,
        }
    }

    fn ask(&self, verb: &str, access: Access) -> Decision {
        self.authorizer.check(&Attributes {
            user: self.user.clone(),
            verb: verb.to_owned(),
            access,
        })
    }
}

/// A path to ask about.
#[derive(Clone, Debug)]
struct PathCheck {
    authorizer: AuthorizerValue,
    path: String,
}

/// An API group to ask about.
#[derive(Clone, Debug)]
struct GroupCheck {
    authorizer: AuthorizerValue,
    group: String,
}

/// A resource to ask about.
#[derive(Clone, Debug)]
pub struct ResourceCheck {
    authorizer: AuthorizerValue,
    access: ResourceAccess,
}

/// Types of the library; no two of their values are comparable.
macro_rules! opaque {
    ($($ty:ty => $name:literal),*) => {$(
        impl Opaque for $ty {
            fn type_name(&self) -> &'static str {
                $name
            }

            fn equals(&self, _: &dyn Opaque) -> Option<bool> {
                None
            }

            fn text(&self) -> String {
                $name.to_owned()
            }

            fn as_any(&self) -> &dyn Any {
                self
            }
        }
    )*};
}

opaque! {
    AuthorizerValue => "kubernetes.authorization.Authorizer",
    PathCheck => "kubernetes.authorization.PathCheck",
    GroupCheck => "kubernetes.authorization.GroupCheck",
    ResourceCheck => "kubernetes.authorization.ResourceCheck",
    Decision => "kubernetes.authorization.Decision"
}

const AUTHORIZER: Ty = Ty::Object("kubernetes.authorization.Authorizer");
const PATH_CHECK: Ty = Ty::Object("kubernetes.authorization.PathCheck");
const GROUP_CHECK: Ty = Ty::Object("kubernetes.authorization.GroupCheck");
const RESOURCE_CHECK: Ty = Ty::Object("kubernetes.authorization.ResourceCheck");
const DECISION: Ty = Ty::Object("kubernetes.authorization.Decision");

/// A check: two of them fit into one expression.
const CHECK: Cost = Cost::Fixed(350_000);
/// A selector: reading it, and a list and a struct for each of its requirements, of which there is one in two
/// characters at most.
const SELECTOR: Cost = Cost::Custom(|args, _| {
    let length = args.get(1).map_or(0, Value::cost_size);
    let requirements = per_size(length, 0.5);
    10 + per_size(length, 0.1) + requirements.saturating_mul(50)
});

/// The functions.
pub const FUNCTIONS: &[Function] = &[
    function(
        "path",
        &[method(
            "authorizer_path",
            &[AUTHORIZER, Ty::String],
            PATH_CHECK,
            UNIT,
            path,
        )],
    ),
    function(
        "group",
        &[method(
            "authorizer_group",
            &[AUTHORIZER, Ty::String],
            GROUP_CHECK,
            UNIT,
            group,
        )],
    ),
    function(
        "serviceAccount",
        &[method(
            "authorizer_serviceaccount",
            &[AUTHORIZER, Ty::String, Ty::String],
            AUTHORIZER,
            UNIT,
            service_account,
        )],
    ),
    function(
        "resource",
        &[method(
            "groupcheck_resource",
            &[GROUP_CHECK, Ty::String],
            RESOURCE_CHECK,
            UNIT,
            resource,
        )],
    ),
    function(
        "subresource",
        &[narrowing("resourcecheck_subresource", UNIT, |args| {
            narrow(args, |access| &mut access.subresource)
        })],
    ),
    function(
        "namespace",
        &[narrowing("resourcecheck_namespace", UNIT, |args| {
            narrow(args, |access| &mut access.namespace)
        })],
    ),
    function(
        "name",
        &[narrowing("resourcecheck_name", UNIT, |args| {
            narrow(args, |access| &mut access.name)
        })],
    ),
    function(
        "fieldSelector",
        &[narrowing("authorizer_fieldselector", SELECTOR, |args| {
            narrow(args, |access| &mut access.field_selector)
        })],
    ),
    function(
        "labelSelector",
        &[narrowing("authorizer_labelselector", SELECTOR, |args| {
            narrow(args, |access| &mut access.label_selector)
        })],
    ),
    function(
        "check",
        &[
            method(
                "pathcheck_check",
                &[PATH_CHECK, Ty::String],
                DECISION,
                CHECK,
                check_path,
            ),
            method(
                "resourcecheck_check",
                &[RESOURCE_CHECK, Ty::String],
                DECISION,
                CHECK,
                check_resource,
            ),
        ],
    ),
    function(
        "errored",
        &[method(
            "decision_errored",
            &[DECISION],
            Ty::Bool,
            UNIT,
            errored,
        )],
    ),
    function(
        "error",
        &[method(
            "decision_error",
            &[DECISION],
            Ty::String,
            UNIT,
            error,
        )],
    ),
    function(
        "allowed",
        &[method(
            "decision_allowed",
            &[DECISION],
            Ty::Bool,
            UNIT,
            allowed,
        )],
    ),
    function(
        "reason",
        &[method(
            "decision_reason",
            &[DECISION],
            Ty::String,
            UNIT,
            reason,
        )],
    ),
];

const fn function(name: &'static str, overloads: &'static [Overload]) -> Function {
    Function { name, overloads }
}

const fn method(
    id: &'static str,
    params: &'static [Ty],
    result: Ty,
    cost: Cost,
    call: Call,
) -> Overload {
    Overload::member(id, params, result, cost, call)
}

const fn narrowing(id: &'static str, cost: Cost, call: Call) -> Overload {
    Overload::member(
        id,
        &[RESOURCE_CHECK, Ty::String],
        RESOURCE_CHECK,
        cost,
        call,
    )
}

fn receiver<'v, T: 'static>(args: &'v [Value<'_>]) -> Result<&'v T, EvalError> {
    args.first()
        .and_then(Value::as_opaque)
        .ok_or(EvalError::NoSuchOverload)
}

fn text<'v>(args: &'v [Value<'_>], at: usize) -> Result<&'v str, EvalError> {
    match args.get(at) {
        Some(Value::String(text)) => Ok(text.as_str()),
        _ => Err(EvalError::NoSuchOverload),
    }
}

fn path<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let authorizer: &AuthorizerValue = receiver(args)?;
    let path = text(args, 1)?;
    if path.trim().is_empty() {
        return Err(EvalError::text("path must not be empty"));
    }
    Ok(Value::opaque(PathCheck {
        authorizer: authorizer.clone(),
        path: path.to_owned(),
    }))
}

fn group<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let authorizer: &AuthorizerValue = receiver(args)?;
    Ok(Value::opaque(GroupCheck {
        authorizer: authorizer.clone(),
        group: text(args, 1)?.to_owned(),
    }))
}

fn service_account<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let authorizer: &AuthorizerValue = receiver(args)?;
    let (namespace, name) = (text(args, 1)?, text(args, 2)?);
    names::subdomain(name).map_err(|_| EvalError::text("Invalid service account name"))?;
    names::label(namespace).map_err(|_| EvalError::text("Invalid service account namespace"))?;
    let user = User {
        name: format!("system:serviceaccount:{namespace}:{name}"),
        groups: vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
        ],
        ..User::default()
    };
    Ok(Value::opaque(AuthorizerValue {
        user: Arc::new(user),
        authorizer: authorizer.authorizer.clone(),
    }))
}

fn resource<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let group: &GroupCheck = receiver(args)?;
    let resource = text(args, 1)?;
    if resource.trim().is_empty() {
        return Err(EvalError::text("resource must not be empty"));
    }
    Ok(Value::opaque(ResourceCheck {
        authorizer: group.authorizer.clone(),
        access: ResourceAccess {
            group: group.group.clone(),
            resource: resource.to_owned(),
            ..ResourceAccess::default()
        },
    }))
}

fn narrow<'a>(
    args: &[Value<'a>],
    field: impl Fn(&mut ResourceAccess) -> &mut String,
) -> Outcome<'a> {
    let mut check = receiver::<ResourceCheck>(args)?.clone();
    text(args, 1)?.clone_into(field(&mut check.access));
    Ok(Value::opaque(check))
}

fn check_path<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let check: &PathCheck = receiver(args)?;
    let access = Access::Path(check.path.clone());
    Ok(Value::opaque(check.authorizer.ask(text(args, 1)?, access)))
}

fn check_resource<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let check: &ResourceCheck = receiver(args)?;
    let access = Access::Resource(check.access.clone());
    Ok(Value::opaque(check.authorizer.ask(text(args, 1)?, access)))
}

fn errored<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(receiver::<Decision>(args)?.error.is_some()))
}

fn error<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(receiver::<Decision>(args)?
        .error
        .clone()
        .unwrap_or_default()
        .into())
}

fn allowed<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(receiver::<Decision>(args)?.allowed))
}

fn reason<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(receiver::<Decision>(args)?.reason.clone().into())
}

#[cfg(test)]
mod tests;
