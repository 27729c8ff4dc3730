use ife_bridge::{
    handle::{BridgeExternalCall, Bridged, Command},
    refusal::{ErrorName, Refusal},
    view::{CallEnd, CallState},
};
use ife_message::{AnySignature, SignatureHeader};

use crate::{
    bed::{Bed, message},
    gateway::first,
};

fn signature(bed: &Bed, origination: usize) -> SignatureHeader {
    let value = bed
        .asterisk
        .variable(origination, "_IFE_SIGNATURE")
        .expect("it is signed");
    match AnySignature::parse(value.as_bytes()).expect("a signature") {
        AnySignature::V1(header) => header,
        AnySignature::Legacy(_) => panic!("the bridge signs by the current form"),
    }
}

async fn bridge(bed: &Bed, call_id: &str, room: &str) -> Result<Bridged, Refusal> {
    let request = BridgeExternalCall {
        sip_call_id: call_id.to_owned(),
        council_call_id: room.to_owned(),
        external_expert_id: "a@external.advisor".to_owned(),
    };
    bed.handle
        .ask(|reply| Command::Bridge(request, reply))
        .await
}

#[tokio::test]
async fn experts_who_answer_and_do_not_accept_are_not_connected() {
    let bed = Bed::new("", "").await;
    let refused = bed.escalate(message("m-1", "choice"), true).await;
    let view = refused.expect("an outcome, and no error");
    assert_eq!(view.sip_call_state, CallState::Failed);
    assert_eq!(view.reason.as_deref(), Some("expert_not_accepted"));
    assert_eq!(view.h323_state, CallState::Received);
    let whys: Vec<String> = bed
        .witnessed()
        .iter()
        .filter(|entry| entry["event"] == "FAILED" && entry["trace_id"] == "trace-of-m-1")
        .map(|entry| format!("{} {}", entry["reason"], entry["means"]))
        .collect();
    let wanted = [
        "\"expert_declined\" \"key\"",
        "\"expert_passed_on\" \"key\"",
        "\"expert_not_accepted\" null",
    ];
    assert_eq!(whys, wanted);
    let events = bed.story("trace-of-m-1");
    let count = |wanted: &str| events.iter().filter(|event| *event == wanted).count();
    assert_eq!((count("BRIEFING"), count("ACCEPTED")), (3, 0), "{events:?}");
    assert_eq!(
        count("H323_SETUP"),
        0,
        "no guardian is called for a machine"
    );
}

#[tokio::test]
async fn an_escalation_calls_the_expert_and_joins_them_to_the_council() {
    let bed = Bed::new("", "").await;
    let view = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect("the expert joins");
    assert_eq!(view.sip_call_state, CallState::Connected);
    bed.until_h323(&view.call_id, CallState::Connected).await;
    assert_eq!(
        (view.expert_id.as_str(), view.expert_name.as_str()),
        ("a@external.advisor", "Expert a")
    );
    let hex = view
        .call_id
        .strip_prefix("sip-call-")
        .expect("a call id")
        .to_owned();
    let participant = format!("confbridge:council:ife.node1.{hex}.e0");
    assert_eq!(
        view.mcu_participant_id.as_deref(),
        Some(participant.as_str())
    );

    let order = bed.asterisk.world().originated[0].clone();
    assert_eq!(first(&order, "Channel"), "Local/call@ife-expert/n");
    assert_eq!(
        (first(&order, "Context"), first(&order, "Exten")),
        ("ife-join", "confbridge")
    );
    let variable = |name| bed.asterisk.variable(0, name);
    assert_eq!(variable("IFE_USER").as_deref(), Some("a"));
    assert_eq!(variable("IFE_HOST").as_deref(), Some("external.advisor"));
    assert_eq!(variable("_IFE_TRACE").as_deref(), Some("trace-of-m-1"));
    assert_eq!(signature(&bed, 0).kid.as_str(), "bridge-2026a");

    let events = bed.story("trace-of-m-1");
    let wanted = [
        "ESCALATE",
        "APPROVED",
        "INVITE",
        "RINGING",
        "CONNECTED",
        "ACCEPTED",
    ];
    assert_eq!(events[..6], wanted, "{events:?}");
    assert!(
        events.iter().any(|event| event == "COUNCIL_JOIN"),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_message_that_comes_again_gets_the_first_answer_and_no_second_call() {
    let bed = Bed::new("", "").await;
    let (first, second) = tokio::join!(
        bed.escalate(message("m-1", "privacy"), false),
        bed.escalate(message("m-1", "privacy"), false)
    );
    let first = first.expect("a call");
    assert_eq!(second.as_ref(), Ok(&first));
    bed.until(&first.call_id, CallState::Connected).await;
    let third = bed.escalate(message("m-1", "privacy"), true).await;
    assert_eq!(
        third.as_ref(),
        Ok(&first),
        "the first answer, whatever became of it"
    );
    assert_eq!(bed.asterisk.experts_called(), 1);
}

#[tokio::test]
async fn another_message_cannot_take_a_trace_id_that_is_in_use() {
    let bed = Bed::new("", "").await;
    bed.escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    let mut other = message("m-2", "privacy");
    other.trace_id = Some("trace-of-m-1".to_owned());
    let refusal = bed.escalate(other, true).await.expect_err("it is in use");
    assert_eq!(refusal.name, ErrorName::Conflict);
}

#[tokio::test]
async fn a_busy_expert_is_followed_by_the_next_one_under_another_signature() {
    let bed = Bed::new("", "").await;
    let view = bed
        .escalate(message("m-1", "safety"), true)
        .await
        .expect("the second expert joins");
    assert_eq!(view.expert_id, "a@external.advisor");
    assert_eq!(view.sip_call_state, CallState::Connected);
    assert!(
        signature(&bed, 1).iat > signature(&bed, 0).iat,
        "or the proxy takes it for a replay"
    );
    let metrics = bed.metrics.text();
    assert!(
        metrics.contains("sip_errors_total{status_code=\"486\"} 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn an_expert_who_declines_is_the_answer() {
    let bed = Bed::new("", "").await;
    let view = bed
        .escalate(message("m-1", "ethics"), true)
        .await
        .expect("it is an outcome, not an error");
    assert_eq!(
        (view.sip_call_state, view.cause),
        (CallState::Failed, Some(21))
    );
    let reason = Some("expert_declined cause=21 sip=603");
    assert_eq!(view.reason.as_deref(), reason);
    let end = CallEnd {
        word: "expert_declined".to_owned(),
        gate: None,
        sip: Some(603),
    };
    assert_eq!(view.end, Some(end));
    assert_eq!(bed.asterisk.world().originated.len(), 1);
}

#[tokio::test]
async fn the_phones_own_end_names_the_cause_whichever_channel_ends_first() {
    let bed = Bed::new("", "").await;
    let cases = [
        ("order", "expert_busy cause=17 sip=486"),
        ("silence", "expert_unreachable cause=0"),
    ];
    for (hazard, reason) in cases {
        let view = bed.escalate(message(hazard, hazard), true).await;
        let view = view.expect("an outcome");
        assert_eq!(view.reason.as_deref(), Some(reason), "{hazard}");
    }
}

#[tokio::test]
async fn what_the_gate_refuses_never_reaches_asterisk() {
    let bed = Bed::new("", "").await;
    let cases = [
        (
            "a@external.advisor",
            "ethics",
            ErrorName::PolicyRejected,
            Some("hazard"),
        ),
        (
            "a@external.advisor",
            "unheard",
            ErrorName::PolicyRejected,
            Some("hazard"),
        ),
        (
            "nobody@external.advisor",
            "safety",
            ErrorName::ExpertNotFound,
            None,
        ),
    ];
    for (expert, hazard, name, gate) in cases {
        let refusal = bed
            .initiate(expert, hazard)
            .await
            .expect_err("it is refused");
        assert_eq!(
            (refusal.name, refusal.gate),
            (name, gate),
            "{expert} {hazard}"
        );
    }
    for (hazard, name) in [
        ("legal", ErrorName::ExpertNotFound),
        ("unheard", ErrorName::PolicyRejected),
    ] {
        let refusal = bed
            .escalate(message(hazard, hazard), true)
            .await
            .expect_err("nobody takes it");
        assert_eq!(refusal.name, name, "{hazard}");
    }
    assert!(bed.asterisk.world().originated.is_empty());
    let rejected = bed
        .witnessed()
        .iter()
        .filter(|entry| entry["event"] == "REJECTED")
        .count();
    assert_eq!(rejected, 3, "each of a known expert or hazard is witnessed");
}

#[tokio::test]
async fn a_flood_of_calls_that_are_over_pushes_no_earlier_one_out_of_memory_before_its_time() {
    let bed = Bed::new("", "").await;
    let call = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call")
        .call_id;
    assert_eq!(bed.terminate(&call).await.status, "terminated");
    // More than linger for late legs, fewer than are remembered for the API.
    for _ in 0..300 {
        bed.initiate("a@external.advisor", "ethics")
            .await
            .expect_err("the hazard is not theirs");
    }
    let detail = bed.show(&call).await.expect("it is remembered");
    assert_eq!(detail.call.sip_call_state, CallState::Ended);
    let connected = |step: &ife_bridge::view::Step| step.state == CallState::Connected;
    assert!(detail.history.iter().any(connected), "with its history");
}

#[tokio::test]
async fn a_bad_registry_is_refused_and_a_good_one_counts_at_once() {
    let bed = Bed::new("", "").await;
    let text = std::fs::read_to_string(bed.registry()).expect("it is there");
    std::fs::write(bed.registry(), "version: 1").expect("there is room");
    bed.reload().await;
    bed.initiate("a@external.advisor", "safety")
        .await
        .expect("the old one is in force");
    std::fs::write(
        bed.registry(),
        text.replace("hazards: [safety, privacy]", "hazards: [privacy]"),
    )
    .expect("there is room");
    bed.reload().await;
    let mut refused = bed.initiate("a@external.advisor", "safety").await;
    if refused.is_ok() {
        // The signal came after the request.
        refused = bed.initiate("a@external.advisor", "safety").await;
    }
    assert_eq!(refused.expect_err("not any more").gate, Some("hazard"));
}

#[tokio::test]
async fn a_call_is_terminated_while_it_rings_and_while_it_talks() {
    let bed = Bed::new("", "").await;
    let ringing = bed
        .escalate(message("m-1", "security"), false)
        .await
        .expect("a call")
        .call_id;
    bed.until(&ringing, CallState::Ringing).await;
    assert_eq!(bed.terminate(&ringing).await.status, "terminated");
    let talking = bed
        .escalate(message("m-2", "privacy"), true)
        .await
        .expect("a call")
        .call_id;
    assert_eq!(bed.terminate(&talking).await.status, "terminated");
    assert_eq!(
        bed.terminate("sip-call-0000000000000000").await.status,
        "not_found"
    );
    let view = bed.show(&talking).await.expect("it is known").call;
    assert_eq!(
        (view.sip_call_state, view.reason.as_deref()),
        (CallState::Ended, Some("user_hangup"))
    );
    let left: Vec<String> = bed
        .asterisk
        .world()
        .channels
        .keys()
        .filter(|id| !id.contains("-sip"))
        .cloned()
        .collect();
    let experts: Vec<&String> = left.iter().filter(|id| !id.contains(".g.")).collect();
    assert!(experts.is_empty(), "{left:?}");
}

#[tokio::test]
async fn an_expert_who_hangs_up_ends_the_call() {
    let bed = Bed::new("", "").await;
    let view = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    let channel = view
        .mcu_participant_id
        .expect("it joined")
        .replace("confbridge:council:", "");
    bed.asterisk.leaves(&channel);
    let view = bed.until(&view.call_id, CallState::Ended).await;
    assert_eq!(view.reason.as_deref(), Some("expert_left"));
    let events = bed.story("trace-of-m-1");
    assert!(
        events.iter().any(|event| event == "TERMINATED"),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_phone_that_vanishes_is_lost_and_has_not_hung_up() {
    let bed = Bed::new("", "").await;
    let view = bed.escalate(message("m-1", "privacy"), true).await;
    let view = view.expect("a call");
    let channel = view.mcu_participant_id.expect("it joined");
    bed.asterisk
        .vanishes(&channel.replace("confbridge:council:", ""));
    let view = bed.until(&view.call_id, CallState::Ended).await;
    assert_eq!(view.reason.as_deref(), Some("expert_lost"));
}

#[tokio::test]
async fn bridging_is_idempotent_and_moves_to_another_room() {
    let bed = Bed::new("", "").await;
    let view = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    let here = bridge(&bed, &view.call_id, "council")
        .await
        .expect("it is there");
    assert_eq!(
        Some(&here.mcu_participant_id),
        view.mcu_participant_id.as_ref()
    );
    assert_eq!(
        bridge(&bed, &view.call_id, "council").await,
        Ok(here.clone())
    );

    let there = bridge(&bed, &view.call_id, "hearing-7")
        .await
        .expect("it moves");
    assert_eq!(
        there.mcu_participant_id,
        here.mcu_participant_id.replace(":council:", ":hearing-7:")
    );
    let view = bed.show(&view.call_id).await.expect("it is known").call;
    assert_eq!(
        (view.council_call_id.as_str(), view.sip_call_state),
        ("hearing-7", CallState::Connected)
    );
    let missing = bridge(&bed, "sip-call-0000000000000000", "council").await;
    assert_eq!(
        missing.expect_err("there is none").name,
        ErrorName::NotFound
    );
}

#[tokio::test]
async fn a_move_that_fails_says_so_and_ends_the_call_that_is_nowhere() {
    let bed = Bed::new("join_s: 1", "").await;
    let view = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    bed.asterisk.world().locked.push("closed".to_owned());
    let refusal = bridge(&bed, &view.call_id, "closed")
        .await
        .expect_err("nobody gets in");
    assert_eq!(refusal.name, ErrorName::H323BridgeFailed);
    bed.until(&view.call_id, CallState::Ended).await;
}

#[tokio::test]
async fn an_answered_expert_who_cannot_be_joined_is_not_kept() {
    let bed = Bed::new("join_s: 1", "").await;
    bed.asterisk.world().locked.push("council".to_owned());
    let refusal = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect_err("nobody gets in");
    assert_eq!(refusal.name, ErrorName::H323BridgeFailed);
    let channels = bed
        .asterisk
        .world()
        .channels
        .keys()
        .filter(|id| id.ends_with(".e0"))
        .count();
    assert_eq!(channels, 0, "the expert is hung up");
}

#[tokio::test]
async fn more_calls_than_allowed_are_refused() {
    let bed = Bed::new("total_max: 1", "").await;
    bed.escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    let refusal = bed
        .escalate(message("m-2", "safety"), true)
        .await
        .expect_err("one at a time");
    assert_eq!(
        (refusal.name, refusal.retry_after_s),
        (ErrorName::CapacityExceeded, Some(5))
    );
}

#[tokio::test]
async fn names_that_cannot_be_dialled_are_refused_by_field() {
    let bed = Bed::new("", "").await;
    for room in ["a b", "a,b", "a&b", "a\r\nAction: Command", "../x/y", ""] {
        let mut message = message("m-1", "privacy");
        message.conversation_id = Some(room.to_owned());
        let refusal = bed
            .escalate(message, true)
            .await
            .expect_err("it is no room");
        assert_eq!(
            refusal.field.as_deref(),
            Some("payload.conversation_id"),
            "{room:?}"
        );
    }
    assert!(bed.asterisk.world().originated.is_empty());
}
