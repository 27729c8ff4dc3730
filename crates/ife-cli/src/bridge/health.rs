//! A bridge's own health, for `ifectl doctor`.

use std::{path::Path, time::Duration};

use serde_json::Value;
use tokio::{net::UnixStream, time::timeout};

use super::{
    BridgeAddress,
    client::{Answer, Bridge},
};
use crate::{Failure, cli::BridgeArgs};

/// How long all of it may take.
const TIME_MAX: Duration = Duration::from_secs(10);

/// `/readyz`, the version of the API, and the process that serves the Unix socket.
pub(super) async fn health(
    args: &BridgeArgs,
) -> Result<(Value, Option<String>, Option<u32>), Failure> {
    let asked = timeout(TIME_MAX, ask(args)).await;
    asked.unwrap_or_else(|_| {
        Err(Failure::unanswered(format!(
            "{}: no answer in time",
            args.bridge
        )))
    })
}

async fn ask(args: &BridgeArgs) -> Result<(Value, Option<String>, Option<u32>), Failure> {
    let bridge = Bridge::new(args)?;
    let ready = match bridge.get(&["readyz"]).await? {
        Answer::Done(ready) => ready,
        Answer::No(_) => Value::Null,
    };
    // The version needs a right that readiness does not.
    let version = match bridge.get(&["v1", "openapi.json"]).await {
        Ok(Answer::Done(api)) => api["info"]["version"].as_str().map(str::to_owned),
        Ok(Answer::No(_)) | Err(_) => None,
    };
    let pid = match &args.bridge {
        BridgeAddress::Unix(path) => served_by(path).await,
        BridgeAddress::Tcp(_) => None,
    };
    Ok((ready, version, pid))
}

async fn served_by(path: &Path) -> Option<u32> {
    let peer = UnixStream::connect(path).await.ok()?.peer_cred().ok()?;
    u32::try_from(peer.pid()?).ok()
}
