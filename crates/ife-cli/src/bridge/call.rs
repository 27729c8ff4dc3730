//! `ifectl call`: one call and its history.

use super::{
    client::{Answer, Bridge, shaped},
    named_call, paint,
};
use crate::{Failure, Outcome, cli::CallArgs, output::Output};

pub(super) async fn run(args: &CallArgs, out: &mut Output) -> Result<Outcome, Failure> {
    let call_id = named_call(&args.call)?;
    let bridge = Bridge::new(&args.bridge)?;
    match bridge.get(&["v1", "calls", &call_id]).await? {
        Answer::No(no) => no.tell(out),
        Answer::Done(detail) if out.json() => {
            out.value(&detail)?;
            Ok(Outcome::Yes)
        }
        Answer::Done(detail) => {
            for line in paint::detail(&shaped(&detail)?) {
                out.line(line)?;
            }
            Ok(Outcome::Yes)
        }
    }
}
