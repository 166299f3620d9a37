//! The fence from the outside: what a user of kubectl sees when a Sandbox is fine, is put right, or is refused.
//!
//! The manifests are in `tests/data/fence/`; the shipped policies are plain in-tree objects of the API server.

#[path = "../support/mod.rs"]
mod support;

mod behind;
mod cases;

use anyhow::Result;
use behind::{Fence, bind_natively};

#[tokio::test]
async fn the_api_server_alone_holds_the_fence() -> Result<()> {
    let fence = Fence::build().await?;
    bind_natively(&fence.cluster).await?;
    fence.hold().await
}
