//! Waiting for the expert's decision about a call.

use std::time::Duration;

use serde_json::Value;

use super::{
    client::{Answer, Bridge, shaped},
    live::Feed,
    paint,
    shape::CallDetail,
};
use crate::{Failure, Outcome, output::Output};

/// Without news the call is asked about again.
const LOOK: Duration = Duration::from_secs(5);

/// Waits until the expert has decided, or cannot any more, and prints it.
pub(super) async fn run(
    bridge: &Bridge,
    call_id: &str,
    out: &mut Output,
) -> Result<Outcome, Failure> {
    let mut feed = Feed::open(bridge).await.ok();
    loop {
        let detail = match bridge.get(&["v1", "calls", call_id]).await? {
            Answer::No(no) => return no.tell(out),
            Answer::Done(detail) => detail,
        };
        let state = detail.get("decision_state").and_then(Value::as_str);
        if state != Some("open") {
            let is_decided = state == Some("decided");
            return tell(&detail, is_decided, out);
        }
        let news = async {
            match &mut feed {
                // The event's content is asked for, so that a missed one does no harm.
                Some(feed) => feed.next().await.map(|_| ()),
                None => std::future::pending().await,
            }
        };
        if let Ok(Err(_)) = tokio::time::timeout(LOOK, news).await {
            feed = None;
        }
    }
}

fn tell(detail: &Value, is_decided: bool, out: &mut Output) -> Result<Outcome, Failure> {
    if out.json() {
        out.value(detail)?;
    } else {
        let shaped: CallDetail = shaped(detail)?;
        paint::decision(&shaped.call)
            .iter()
            .try_for_each(|line| out.line(line))?;
    }
    Ok(Outcome::of(is_decided))
}
