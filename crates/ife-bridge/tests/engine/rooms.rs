use std::time::Duration;

use ife_bridge::{handle::RoomCommand, refusal::ErrorName, view::CallState};

use crate::{
    asterisk::Asterisk,
    bed::{Bed, message},
    gateway::first,
};

#[tokio::test]
async fn a_room_calls_its_guardians_and_ends_for_all() {
    let bed = Bed::new("", "").await;
    bed.room(RoomCommand::Create("hearing-1".to_owned()))
        .await
        .expect("it opens");
    let room = bed.room_of("hearing-1", 1).await;
    let guardian = &room.participants[0];
    assert_eq!(
        (guardian.role.as_str(), guardian.name.as_str()),
        ("guardian", "guardian-1")
    );
    let order = bed.asterisk.world().originated[0].clone();
    assert_eq!(first(&order, "Channel"), "OOH323/guardian@guardian-peer");

    bed.room(RoomCommand::Create("hearing-1".to_owned()))
        .await
        .expect("it is open");
    assert_eq!(
        bed.asterisk.world().originated.len(),
        1,
        "nobody is called twice"
    );
    bed.room(RoomCommand::End("hearing-1".to_owned()))
        .await
        .expect("it ends");
    bed.room_of("hearing-1", 0).await;
    assert!(bed.asterisk.world().channels.is_empty());
}

#[tokio::test]
async fn a_room_that_a_call_opened_ends_with_it() {
    let bed = Bed::new("", "").await;
    let view = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    let room = bed.room_of("council", 2).await;
    let mut roles: Vec<&str> = room
        .participants
        .iter()
        .map(|participant| participant.role.as_str())
        .collect();
    roles.sort_unstable();
    assert_eq!(roles, ["expert", "guardian"]);
    bed.terminate(&view.call_id).await;
    bed.no_rooms().await;
    let events = bed.story("trace-of-m-1");
    assert!(
        events.iter().any(|event| event == "H323_RELEASED"),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_participant_is_muted_and_removed() {
    let bed = Bed::new("", "").await;
    let view = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    let participant = view.mcu_participant_id.expect("it joined");
    let mute = |participant: &str, muted: bool| RoomCommand::Mute {
        room: "council".to_owned(),
        participant: participant.to_owned(),
        muted,
    };
    // Muted twice is muted once.
    for muted in [true, true, false] {
        bed.room(mute(&participant, muted)).await.expect("it is");
    }
    let nobody = bed.room(mute("confbridge:council:nobody", true)).await;
    assert_eq!(
        nobody.expect_err("nobody is there").name,
        ErrorName::NotFound
    );
    let room = "council".to_owned();
    bed.room(RoomCommand::Remove { room, participant })
        .await
        .expect("it is removed");
    let view = bed.until(&view.call_id, CallState::Ended).await;
    assert_eq!(view.reason.as_deref(), Some("user_hangup"));
    let entries = bed.witnessed();
    let about = |event: &str| {
        let of_expert = |entry: &&serde_json::Value| {
            entry["event"] == event
                && entry["room"] == "council"
                && entry["trace_id"] == "trace-of-m-1"
                && entry["call_id"] == view.call_id.as_str()
                && entry["expert"] == view.expert_id.as_str()
        };
        entries.iter().filter(of_expert).count()
    };
    assert_eq!(
        ["MUTE", "UNMUTE", "REMOVE"].map(about),
        [1, 1, 1],
        "{entries:#?}"
    );
}

fn guardians_called(asterisk: &Asterisk) -> usize {
    let world = asterisk.world();
    let orders = world.originated.iter();
    orders
        .filter(|order| first(order, "Channel").starts_with("OOH323/"))
        .count()
}

#[tokio::test]
async fn a_guardian_who_cannot_be_had_is_told_and_called_again() {
    let bed = Bed::new("", "").await;
    bed.asterisk.world().guardians_release = Some(3);
    let view = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    assert_eq!(view.sip_call_state, CallState::Connected);
    let view = bed.until_h323(&view.call_id, CallState::Failed).await;
    let told = bed.show(&view.call_id).await.expect("it is there").history;
    let words = "guardian guardian-1 could not be had: not_found cause=3; called again in 2 s";
    assert!(told.iter().any(|step| step.detail == words), "{told:#?}");
    let metric =
        "ife_bridge_guardian_failures_total{guardian=\"guardian-1\",reason=\"not_found\"} 1";
    assert!(bed.metrics.text().contains(metric));
    let witnessed = bed.witnessed();
    let failed = |entry: &serde_json::Value| {
        let is_guardian = entry["guardian"] == "guardian-1" && entry["room"] == "council";
        is_guardian && entry["cause"] == 3 && entry["reason"] == "not_found"
    };
    assert!(witnessed.iter().any(failed));

    bed.asterisk.world().guardians_release = None;
    bed.until_h323(&view.call_id, CallState::Connected).await;
    assert!(guardians_called(&bed.asterisk) >= 2);
    bed.terminate(&view.call_id).await;
    let view = bed.until_h323(&view.call_id, CallState::Ended).await;
    assert_eq!(view.sip_call_state, CallState::Ended);
}

#[tokio::test]
async fn each_call_brings_its_guardians_however_soon_it_comes() {
    let bed = Bed::new("", "").await;
    for number in 0..4 {
        let view = bed
            .escalate(message(&format!("m-{number}"), "privacy"), true)
            .await
            .expect("a call");
        bed.room_of("council", 2).await;
        bed.terminate(&view.call_id).await;
        // Two calls come when the channels are gone, two while they may be there.
        if number < 2 {
            bed.until_channels(0).await;
        }
    }
}

#[tokio::test]
async fn a_guardian_is_not_called_again_for_a_call_that_is_over() {
    let bed = Bed::new("", "").await;
    bed.asterisk.world().guardians_release = Some(3);
    let view = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    bed.until_h323(&view.call_id, CallState::Failed).await;
    bed.terminate(&view.call_id).await;
    let called = guardians_called(&bed.asterisk);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(guardians_called(&bed.asterisk), called);
    let view = bed.show(&view.call_id).await.expect("it is there").call;
    assert_eq!(view.h323_state, CallState::Failed);
}

#[tokio::test]
async fn a_guardian_who_declines_or_hangs_up_is_not_called_again() {
    let bed = Bed::new("", "").await;
    bed.asterisk.world().guardians_release = Some(21);
    let view = bed
        .escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    let view = bed.until_h323(&view.call_id, CallState::Failed).await;
    let told = bed.show(&view.call_id).await.expect("it is there").history;
    let words = "guardian guardian-1 could not be had: declined cause=21; not called again";
    assert!(told.iter().any(|step| step.detail == words), "{told:#?}");
    bed.terminate(&view.call_id).await;

    bed.asterisk.world().guardians_release = None;
    let view = bed
        .escalate(message("m-2", "privacy"), true)
        .await
        .expect("a call");
    bed.until_h323(&view.call_id, CallState::Connected).await;
    let room = bed.room_of("council", 2).await;
    let guardian = room.participants.iter().find(|who| who.role == "guardian");
    let id = guardian.expect("one is there").id.clone();
    let channel = id.rsplit(':').next().expect("it ends with the channel");
    let called = guardians_called(&bed.asterisk);
    bed.asterisk.leaves(channel);
    bed.until_h323(&view.call_id, CallState::Ended).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(guardians_called(&bed.asterisk), called);
}

#[tokio::test]
async fn guardians_have_seats_that_experts_do_not_take() {
    // Two seats, one of them for the guardian with a peer.
    let bed = Bed::new("council_max: 2", "").await;
    bed.escalate(message("m-1", "privacy"), true)
        .await
        .expect("a call");
    let second = bed.escalate(message("m-2", "privacy"), true).await;
    assert_eq!(
        second.expect_err("no seat is left").name,
        ErrorName::CapacityExceeded
    );
    bed.room_of("council", 2).await;
}

#[tokio::test]
async fn a_room_without_a_seat_is_the_councils_refusal() {
    let bed = Bed::new("", "").await;
    bed.asterisk.world().full.push("council".to_owned());
    let view = bed
        .escalate(message("m-1", "privacy"), false)
        .await
        .expect("a call");
    let view = bed.until(&view.call_id, CallState::Failed).await;
    assert_eq!(view.reason.as_deref(), Some("council_congested cause=34"));
}
