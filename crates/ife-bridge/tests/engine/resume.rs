//! Messages that come to a bridge a second time, because the one that had them was lost.

use ife_bridge::{
    handle::{Command, Note, Reply, Resume},
    refusal::{ErrorName, Refusal},
    view::{CallState, CallView},
};

use crate::bed::{Bed, escalation, message};

async fn resume(bed: &Bed, hazard: &str, resume: Resume) -> Result<CallView, Refusal> {
    let escalation = Box::new(escalation("m-1", hazard));
    let asked = bed.handle.ask(|reply| Command::Escalate {
        escalation,
        wait: false,
        resume: Some(resume),
        reply,
    });
    asked.await
}

#[tokio::test]
async fn the_experts_that_a_lost_bridge_called_are_left_out() {
    let bed = Bed::new("", "").await;
    let takes = Note::parse("node2:2");
    let view = resume(&bed, "safety", Resume { tried: 2, takes }).await;
    assert_eq!(view.expect("a call").expert_id, "b@external.advisor");
    assert_eq!(bed.asterisk.experts_called(), 1);
    let told = |name| bed.asterisk.variable(0, name);
    assert_eq!(told("IFE_TAKES").as_deref(), Some("node2:2"));
    assert_eq!(told("IFE_NODE").as_deref(), Some("node1"));
}

#[tokio::test]
async fn when_every_expert_was_called_there_is_nobody_left() {
    let bed = Bed::new("", "").await;
    let takes = Note::parse("node2:3");
    let refusal = resume(&bed, "safety", Resume { tried: 3, takes }).await;
    let name = refusal.map_err(|refusal| refusal.name);
    assert_eq!(name, Err(ErrorName::ExpertNotFound));
    assert_eq!(bed.asterisk.experts_called(), 0);
}

#[tokio::test]
async fn a_call_that_is_under_way_is_waited_for_and_not_begun_again() {
    let bed = Bed::new("", "").await;
    let first = bed.escalate(message("m-1", "security"), false).await;
    let call = first.expect("a call").call_id;
    let again = resume(&bed, "security", Resume::default()).await;
    assert_eq!(again.expect("the first answer").call_id, call);
    assert_eq!(bed.asterisk.experts_called(), 1);
}

#[tokio::test]
async fn a_call_that_the_lost_process_never_placed_is_placed() {
    let mut bed = Bed::new("", "").await;
    // No answer is sent: the process is lost before there is one.
    let escalation = Box::new(escalation("m-1", "security"));
    let reply = Reply::new(drop);
    bed.handle.tell(Command::Escalate {
        escalation,
        wait: true,
        resume: None,
        reply,
    });
    let call = loop {
        let calls = bed.handle.ask(Command::Calls).await.expect("it answers");
        if let Some(call) = calls.first() {
            break call.call_id.clone();
        }
        tokio::task::yield_now().await;
    };
    bed.until(&call, CallState::Ringing).await;
    bed.asterisk.vanish();
    bed.restart(true).await;
    // As if it had never heard of the call.
    bed.asterisk.come_back(true).await;
    bed.in_sight().await;
    bed.until(&call, CallState::Failed).await;
    let again = resume(&bed, "security", Resume::default()).await;
    assert_eq!(again.expect("a call").call_id, call);
    bed.until(&call, CallState::Ringing).await;
    assert_eq!(bed.asterisk.experts_called(), 2);
}
