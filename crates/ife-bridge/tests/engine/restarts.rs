use ife_bridge::{
    handle::{Command, Reply, RoomCommand},
    refusal::ErrorName,
    view::CallState,
};

use crate::{
    bed::{Bed, escalation, message},
    gateway::Channel,
};

fn calls_in(trace_id: &str) -> Channel {
    let about = format!("{trace_id} safety sip:a@external.advisor");
    Channel {
        name: "PJSIP/kamailio-9".to_owned(),
        state: 4,
        linkedid: "gateway-1.9".to_owned(),
        context: "ife-from-kamailio".to_owned(),
        variables: [
            ("IFE_IN".to_owned(), about),
            ("IFE_ROOM".to_owned(), "council".to_owned()),
        ]
        .into(),
        ..Channel::default()
    }
}

#[tokio::test]
async fn calls_live_on_without_the_bridge_and_the_next_one_takes_them_over() {
    let mut bed = Bed::new("", "").await;
    let first = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    bed.restart(true).await;
    let view = bed.until(&first.call_id, CallState::Connected).await;
    assert_eq!(view.mcu_participant_id, first.mcu_participant_id);
    assert_eq!(
        bed.escalate(message("m-1", "privacy"), true).await,
        Ok(first.clone()),
        "the first answer"
    );
    assert_eq!(bed.terminate(&first.call_id).await.status, "terminated");
    assert_eq!(bed.asterisk.experts_called(), 1);
}

#[tokio::test]
async fn a_call_is_taken_over_while_it_rings() {
    let mut bed = Bed::new("", "").await;
    let call = bed
        .escalate(message("m-1", "security"), false)
        .await
        .expect("a call")
        .call_id;
    bed.until(&call, CallState::Ringing).await;
    bed.restart(true).await;
    bed.until(&call, CallState::Ringing).await;
    let channel = format!("ife.node1.{}.e0", call.replace("sip-call-", ""));
    bed.asterisk.state(&channel, 6);
    bed.asterisk.join(&channel);
    bed.until(&call, CallState::Connected).await;
}

#[tokio::test]
async fn without_its_store_the_bridge_learns_a_call_from_its_channel() {
    let mut bed = Bed::new("", "").await;
    let before = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    bed.restart(false).await;
    let after = bed.until(&before.call_id, CallState::Connected).await;
    assert_eq!(
        (after.trace_id, after.expert_id),
        (before.trace_id, before.expert_id)
    );
}

#[tokio::test]
async fn a_call_that_ended_meanwhile_is_over_after_the_restart() {
    let mut bed = Bed::new("", "").await;
    let view = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    let channels: Vec<String> = bed.asterisk.world().channels.keys().cloned().collect();
    bed.asterisk.vanish();
    channels
        .iter()
        .for_each(|channel| bed.asterisk.leaves(channel));
    bed.restart(true).await;
    bed.asterisk.come_back(false).await;
    bed.in_sight().await;
    let mut state = CallState::Unknown;
    while !matches!(state, CallState::Ended | CallState::Failed) {
        state = bed
            .show(&view.call_id)
            .await
            .expect("it is known")
            .call
            .sip_call_state;
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn with_asterisk_out_of_sight_nothing_is_claimed_and_nothing_is_begun() {
    let bed = Bed::new("", "").await;
    let view = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    bed.asterisk.vanish();
    bed.until(&view.call_id, CallState::Unknown).await;
    let refusal = bed
        .escalate(message("m-2", "privacy"), true)
        .await
        .expect_err("nobody can be called");
    assert_eq!(refusal.name, ErrorName::Unavailable);
    bed.asterisk.come_back(false).await;
    bed.until(&view.call_id, CallState::Connected).await;
}

#[tokio::test]
async fn a_crash_of_asterisk_fails_its_calls() {
    let bed = Bed::new("", "").await;
    let view = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    bed.asterisk.vanish();
    bed.until(&view.call_id, CallState::Unknown).await;
    bed.asterisk.come_back(true).await;
    let view = bed.until(&view.call_id, CallState::Failed).await;
    assert_eq!(view.reason.as_deref(), Some("gateway_restarted"));
    bed.escalate(message("m-2", "privacy"), true)
        .await
        .expect("it goes on");
}

#[tokio::test]
async fn an_expert_who_calls_in_is_followed() {
    let bed = Bed::new("", "").await;
    let channel = calls_in("trace-in-1");
    bed.asterisk.appear("gateway-1.9", channel.clone());
    bed.asterisk.tell(
        "UserEvent",
        "gateway-1.9",
        &channel,
        &format!(
            "UserEvent: IfeExpertIn\r\nCall: {}\r\n",
            channel.variables["IFE_IN"]
        ),
    );
    bed.asterisk.state("gateway-1.9", 6);
    bed.asterisk.join("gateway-1.9");
    let trace_id = ife_message::TraceId::parse(b"trace-in-1").expect("a trace id");
    let call_id = ife_message::call_id(&trace_id);
    let view = bed.until(&call_id, CallState::Connected).await;
    assert_eq!(
        (view.origin.as_str(), view.expert_id.as_str()),
        ("expert", "a@external.advisor")
    );
    assert_eq!(
        view.mcu_participant_id.as_deref(),
        Some("confbridge:council:gateway-1.9")
    );
    bed.asterisk.leaves("gateway-1.9");
    let view = bed.until(&call_id, CallState::Ended).await;
    assert_eq!(view.reason.as_deref(), Some("expert_left"));
}

#[tokio::test]
async fn an_expert_who_calls_in_and_finds_no_seat_is_told_that_it_is_busy() {
    let bed = Bed::new("", "").await;
    let channel = calls_in("trace-in-3");
    let tell = |event: String| {
        bed.asterisk
            .tell("UserEvent", "gateway-1.9", &channel, &event)
    };
    bed.asterisk.appear("gateway-1.9", channel.clone());
    let about = &channel.variables["IFE_IN"];
    tell(format!("UserEvent: IfeExpertIn\r\nCall: {about}\r\n"));
    tell("UserEvent: IfeFull\r\n".to_owned());
    let trace_id = ife_message::TraceId::parse(b"trace-in-3").expect("a trace id");
    let view = bed
        .until(&ife_message::call_id(&trace_id), CallState::Failed)
        .await;
    assert_eq!(view.reason.as_deref(), Some("council_busy cause=17"));
    assert_eq!(bed.asterisk.world().hangups, ["17"]);
}

#[tokio::test]
async fn an_expert_who_called_in_while_nobody_listened_is_found() {
    let mut bed = Bed::new("", "").await;
    bed.asterisk.vanish();
    bed.restart(true).await;
    bed.asterisk.appear("gateway-1.9", calls_in("trace-in-2"));
    bed.asterisk.state("gateway-1.9", 6);
    bed.asterisk.join("gateway-1.9");
    bed.asterisk.come_back(false).await;
    let trace_id = ife_message::TraceId::parse(b"trace-in-2").expect("a trace id");
    bed.until(&ife_message::call_id(&trace_id), CallState::Connected)
        .await;
}

/// A call of a message whose sender does not wait, as soon as the bridge has it.
async fn accepted(bed: &Bed, hazard: &str) -> String {
    let escalation = Box::new(escalation("m-1", hazard));
    let reply = Reply::new(drop);
    bed.handle.tell(Command::Escalate {
        escalation,
        wait: false,
        resume: None,
        reply,
    });
    loop {
        let calls = bed.handle.ask(Command::Calls).await.expect("it answers");
        if let Some(call) = calls.first() {
            return call.call_id.clone();
        }
        tokio::task::yield_now().await;
    }
}

fn note(bed: &Bed, call: &str) -> Option<String> {
    let world = bed.asterisk.world();
    world
        .notes
        .get(call.trim_start_matches("sip-call-"))
        .cloned()
}

#[tokio::test]
async fn a_call_that_was_accepted_and_not_placed_is_placed_after_the_restart() {
    let mut bed = Bed::new("", "").await;
    bed.asterisk.world().idle = true;
    let call = accepted(&bed, "security").await;
    bed.until(&call, CallState::Approved).await;
    assert_eq!(note(&bed, &call), None);
    bed.asterisk.world().idle = false;
    bed.restart(true).await;
    bed.until(&call, CallState::Ringing).await;
    let again = bed.escalate(message("m-1", "security"), false).await;
    assert_eq!(again.expect("its call").call_id, call);
    assert_eq!(bed.asterisk.experts_called(), 1);
    assert_eq!(note(&bed, &call).as_deref(), Some("node1:1"));
}

#[tokio::test]
async fn an_expert_who_was_given_up_meanwhile_is_followed_by_the_next_one() {
    let mut bed = Bed::new("", "").await;
    let call = accepted(&bed, "watch").await;
    bed.until(&call, CallState::Ringing).await;
    bed.asterisk.vanish();
    let rings = format!("ife.node1.{}.e0", call.replace("sip-call-", ""));
    bed.asterisk.leaves(&rings);
    bed.restart(true).await;
    bed.asterisk.come_back(false).await;
    let view = bed.until(&call, CallState::Connected).await;
    assert_eq!(view.expert_id, "next@external.advisor");
    assert_eq!(note(&bed, &call).as_deref(), Some("node1:2"));
}

#[tokio::test]
async fn an_expert_who_answered_and_left_meanwhile_is_not_called_again() {
    let mut bed = Bed::new("", "").await;
    let call = accepted(&bed, "watch").await;
    bed.until(&call, CallState::Ringing).await;
    bed.asterisk.vanish();
    let hex = call.replace("sip-call-", "");
    bed.asterisk.leaves(&format!("ife.node1.{hex}.e0"));
    let answered = "node1:1:answered".to_owned();
    bed.asterisk.world().notes.insert(hex, answered);
    bed.restart(true).await;
    bed.asterisk.come_back(false).await;
    let view = bed.until(&call, CallState::Failed).await;
    assert_eq!(view.reason.as_deref(), Some("unseen"));
    assert_eq!(bed.asterisk.experts_called(), 1);
}

#[tokio::test]
async fn a_gateway_that_falls_silent_keeps_nobody_waiting_and_no_reason_is_made_up() {
    let bed = Bed::new("", "").await;
    bed.asterisk.world().is_silent = true;
    let view = bed.escalate(message("m-1", "security"), false).await;
    let view = view.expect("it is accepted");
    assert_eq!(view.sip_call_state, CallState::Unknown);
    assert_eq!(view.reason, None);
    bed.asterisk.world().is_silent = false;
    let view = bed.until(&view.call_id, CallState::Failed).await;
    assert_eq!(view.reason.as_deref(), Some("unseen"));
    let again = bed.escalate(message("m-1", "security"), false).await;
    let again = again.expect("the answer that was still due");
    assert_eq!(again.sip_call_state, CallState::Failed);
}

#[tokio::test]
async fn a_guardian_in_a_room_without_experts_is_swept_by_the_next_bridge() {
    let mut bed = Bed::new("", "").await;
    let view = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    bed.room_of("council", 2).await;
    bed.stop().await;
    let hex = view.call_id.strip_prefix("sip-call-").expect("a call id");
    bed.asterisk.leaves(&format!("ife.node1.{hex}.e0"));
    bed.asterisk.leaves(&format!("ife.node1.{hex}.e0-sip"));
    assert_eq!(bed.asterisk.world().channels.len(), 1, "the guardian");
    bed.restart(false).await;
    bed.in_sight().await;
    bed.until_channels(0).await;
}

#[tokio::test]
async fn a_room_that_was_asked_for_outlives_the_bridge() {
    let mut bed = Bed::new("", "").await;
    bed.room(RoomCommand::Create("hearing-1".to_owned()))
        .await
        .expect("it opens");
    bed.room_of("hearing-1", 1).await;
    bed.restart(true).await;
    bed.in_sight().await;
    bed.room_of("hearing-1", 1).await;
    let rooms = bed.room(RoomCommand::List).await.expect("a list");
    assert_eq!(rooms.len(), 1);
    bed.room(RoomCommand::End("hearing-1".to_owned()))
        .await
        .expect("it ends");
    bed.until_channels(0).await;
    bed.restart(true).await;
    bed.in_sight().await;
    // The room is shown until the first comparison.
    bed.no_rooms().await;
}
