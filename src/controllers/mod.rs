//! The controllers: what each looks at, and the loop that performs what the pure half decides.
//!
//! Depends on `lifecycle` (the decisions), `cluster` (the API server), `telemetry`, and the words of `model` and `api`.
//! Nothing here knows what a sandbox is for: a controller is a row of a table ([`engine::Controller`]).

pub mod claim;
pub mod engine;
pub mod kinds;
pub mod queue;
pub mod sandbox;
pub mod store;
pub mod template;
pub mod warm_pool;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::lifecycle::plan::Kind;
use engine::Controller;
use kinds::Stores;
use store::Name;

/// The controller of Sandboxes, for so many at once.
#[must_use]
pub fn sandboxes(workers: usize) -> Controller {
    Controller {
        kind: Kind::Sandbox,
        name: "sandbox-controller",
        workers,
        settled: |stores| {
            stores.sandboxes.listed()
                && stores.pods.listed()
                && stores.services.listed()
                && stores.volume_claims.listed()
        },
        all: |stores| stores.sandboxes.names().cloned().collect(),
        plan: sandbox::plan,
        reference: |stores: &Stores, (namespace, name): &Name| {
            let sandbox = stores.sandboxes.get(namespace, name)?;
            Some(reference(Kind::Sandbox, &sandbox.metadata))
        },
    }
}

/// The controller of SandboxTemplates, for so many at once.
#[must_use]
pub fn templates(workers: usize) -> Controller {
    Controller {
        kind: Kind::Template,
        name: "sandboxtemplate-controller",
        workers,
        settled: |stores| stores.templates.listed() && stores.policies.listed(),
        all: |stores| stores.templates.names().cloned().collect(),
        plan: template::plan,
        reference: |stores: &Stores, (namespace, name): &Name| {
            let template = stores.templates.get(namespace, name)?;
            Some(reference(Kind::Template, &template.metadata))
        },
    }
}

/// The controller of SandboxWarmPools, for so many at once.
#[must_use]
pub fn warm_pools(workers: usize) -> Controller {
    Controller {
        kind: Kind::WarmPool,
        name: "sandboxwarmpool-controller",
        workers,
        settled: |stores| {
            stores.pools.listed()
                && stores.templates.listed()
                && stores.sandboxes.listed()
                && stores.pods.listed()
        },
        all: |stores| stores.pools.names().cloned().collect(),
        plan: warm_pool::plan,
        reference: |stores: &Stores, (namespace, name): &Name| {
            let pool = stores.pools.get(namespace, name)?;
            Some(reference(Kind::WarmPool, &pool.metadata))
        },
    }
}

/// The controller of SandboxClaims, for so many at once.
#[must_use]
pub fn claims(workers: usize) -> Controller {
    Controller {
        kind: Kind::Claim,
        name: "sandboxclaim-controller",
        workers,
        settled: |stores| {
            stores.claims.listed()
                && stores.sandboxes.listed()
                && stores.pools.listed()
                && stores.templates.listed()
                && stores.policies.listed()
        },
        all: |stores| stores.claims.names().cloned().collect(),
        plan: claim::plan,
        reference: |stores: &Stores, (namespace, name): &Name| {
            let claim = stores.claims.get(namespace, name)?;
            Some(reference(Kind::Claim, &claim.metadata))
        },
    }
}

/// Who an object is.
fn reference(kind: Kind, metadata: &ObjectMeta) -> ObjectReference {
    let (group, version, kind, _) = kind.names();
    ObjectReference {
        api_version: Some(format!("{group}/{version}")),
        kind: Some(kind.to_owned()),
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone(),
        uid: metadata.uid.clone(),
        ..ObjectReference::default()
    }
}
