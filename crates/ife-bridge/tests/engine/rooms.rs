use ife_bridge::{handle::RoomCommand, refusal::ErrorName, view::CallState};

use crate::{
    asterisk::first,
    bed::{Bed, message},
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
    let mut listed = 1;
    while listed > 0 {
        listed = bed.room(RoomCommand::List).await.expect("a list").len();
        tokio::task::yield_now().await;
    }
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
    let mute = |participant: &str| RoomCommand::Mute {
        room: "council".to_owned(),
        participant: participant.to_owned(),
        muted: true,
    };
    bed.room(mute(&participant)).await.expect("it is muted");
    let nobody = bed.room(mute("confbridge:council:nobody")).await;
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
}
