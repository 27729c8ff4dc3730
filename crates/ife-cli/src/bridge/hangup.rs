//! `ifectl hangup`.

use super::{
    client::{Answer, Bridge, shaped},
    named_call, paint,
    shape::Terminated,
};
use crate::{Failure, Outcome, cli::HangupArgs, output::Output, text::harmless};

pub(super) async fn run(args: &HangupArgs, out: &mut Output) -> Result<Outcome, Failure> {
    // All names are looked at before the first call is hung up.
    let calls: Vec<String> = args
        .calls
        .iter()
        .map(|call| named_call(call))
        .collect::<Result<_, _>>()?;
    let bridge = Bridge::new(&args.bridge)?;
    let mut all = true;
    for call_id in calls {
        let answer = match bridge.delete(&["v1", "calls", &call_id]).await? {
            Answer::Done(answer) => answer,
            Answer::No(no) => {
                no.tell(out)?;
                all = false;
                continue;
            }
        };
        let terminated: Terminated = shaped(&answer)?;
        all &= terminated.status == "terminated";
        if out.json() {
            out.value(&answer)?;
        } else if terminated.status == "terminated" {
            let talk = match terminated.duration_seconds {
                0 => String::new(),
                seconds => format!(", {} after the answer", paint::span(seconds)),
            };
            out.line(format!("{call_id}: hung up{talk}"))?;
        } else {
            let status = harmless(&terminated.status).replace('_', " ");
            out.line(format!("{call_id}: {status}"))?;
        }
        out.flush()?;
    }
    Ok(Outcome::of(all))
}
