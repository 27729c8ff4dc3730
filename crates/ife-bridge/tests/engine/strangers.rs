//! Parties that dial in: guardians with and without admission, and strangers.

use ife_bridge::{
    handle::{Command, GuardianAdmission, RoomCommand},
    view::CallState,
};
use ife_message::{PrivateKey, json};

use crate::{bed::Bed, gateway::Channel};

const GUARDIAN: &str = "guardian-2";

fn terminal(name: &str, context: &str, exten: &str) -> Channel {
    Channel {
        name: format!("OOH323/{name}"),
        state: 6,
        linkedid: "gateway-1.7".to_owned(),
        context: context.to_owned(),
        exten: exten.to_owned(),
        variables: [("IFE_ROOM".to_owned(), "council".to_owned())].into(),
        ..Channel::default()
    }
}

fn stranger() -> Channel {
    terminal("anyone-7", "somebody-elses", "s")
}

async fn admit(bed: &Bed, has_pii: bool) -> ife_bridge::handle::Admission {
    let key = PrivateKey::from_seed(GUARDIAN, &[9; 32]).expect("a name");
    let unix_s = std::time::UNIX_EPOCH
        .elapsed()
        .expect("after 1970")
        .as_secs();
    let mut request = GuardianAdmission {
        terminal_id: GUARDIAN.to_owned(),
        call_id: "council".to_owned(),
        call_type: "ESCALATE".to_owned(),
        bandwidth_bps: 64_000,
        has_pii,
        timestamp: ife_words::time::of_ms(unix_s * 1_000),
        signature: String::new(),
        public_key: key.public_key().to_string(),
    };
    let mut value = serde_json::to_value(&request).expect("JSON");
    value
        .as_object_mut()
        .expect("an object")
        .remove("signature");
    let bytes = json::canonical(&value).expect("it has a canonical form");
    let signature = key.sign(&bytes);
    request.signature = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, signature);
    let asked = bed.handle.ask(|reply| Command::Admit(request, reply));
    asked.await.expect("an answer")
}

/// Events of a room, with who each is about.
fn story(bed: &Bed) -> Vec<String> {
    let of_room = bed
        .witnessed()
        .into_iter()
        .filter(|entry| entry["room"] == "council");
    let words = of_room.map(|entry| {
        let text = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", text("event"), text("guardian"), text("reason"))
    });
    words.collect()
}

#[tokio::test]
async fn a_stranger_is_put_out_of_the_councils_room() {
    let bed = Bed::new("", "").await;
    bed.asterisk.appear("gateway-1.7", stranger());
    bed.asterisk.join("gateway-1.7");
    bed.until_channels(0).await;
    bed.no_rooms().await;
    let wanted = [
        "ROOM_OPEN - -",
        "COUNCIL_JOIN unknown -",
        "REMOVE unknown not_admitted",
        "COUNCIL_LEAVE unknown -",
        "ROOM_END - -",
    ];
    assert_eq!(story(&bed), wanted);
    let metric = "ife_bridge_unknown_parties_total{done=\"removed\"} 1";
    assert!(
        bed.metrics.text().contains(metric),
        "{}",
        bed.metrics.text()
    );
}

#[tokio::test]
async fn a_stranger_is_muted_where_the_configuration_says_so() {
    let bed = Bed::council("unknown_parties: mute").await;
    bed.asterisk.appear("gateway-1.7", stranger());
    bed.asterisk.join("gateway-1.7");
    let mut room = bed.room_of("council", 1).await;
    while !room.participants[0].muted {
        room = bed.room_of("council", 1).await;
    }
    assert_eq!(room.participants[0].role, "unknown");
    let is_muted = "MUTE unknown not_admitted";
    assert_eq!(story(&bed).last().map(String::as_str), Some(is_muted));
    bed.until_health(|health| health.unknown_parties == 1).await;
}

#[tokio::test]
async fn a_conference_of_others_is_left_alone() {
    let bed = Bed::new("", "").await;
    let mut channel = stranger();
    channel
        .variables
        .insert("IFE_ROOM".to_owned(), "sales".to_owned());
    bed.asterisk.appear("gateway-1.7", channel);
    bed.asterisk.join("gateway-1.7");
    let rooms = bed.room(RoomCommand::List).await.expect("a list");
    assert!(rooms.is_empty(), "{rooms:?}");
    assert_eq!(bed.asterisk.world().channels.len(), 1);
}

#[tokio::test]
async fn an_admission_reaches_the_dialplan_and_names_the_guardian() {
    let bed = Bed::new("", "").await;
    assert!(admit(&bed, false).await.confirmed);
    let variable = "IFE_ADMIT_terminals/guardian-2";
    let told = bed.asterisk.world().globals.get(variable).cloned();
    let told = told.expect("it is told");
    assert!(told.ends_with(":guardian-2:council"), "{told}");
    let told = bed.asterisk.world().globals.get("IFE_UNKNOWN").cloned();
    assert_eq!(told.as_deref(), Some("remove"));

    bed.asterisk.appear(
        "gateway-1.7",
        terminal("terminals-7", "ife-admitted", "gguardian-2"),
    );
    bed.asterisk.join("gateway-1.7");
    let room = bed.room_of("council", 1).await;
    let member = &room.participants[0];
    assert_eq!(
        (member.role.as_str(), member.name.as_str()),
        ("guardian", GUARDIAN)
    );
    // Personal data would be shown: the admission is withdrawn, and its terminal put out.
    let refused = admit(&bed, true).await;
    assert_eq!(
        refused.reject_reason.as_deref(),
        Some("PII_POLICY_VIOLATION")
    );
    bed.until_channels(0).await;
    let told = bed.asterisk.world().globals.get(variable).cloned();
    assert_eq!(told.as_deref(), Some(""));
    let story = story(&bed);
    for words in [
        "ADMISSION guardian-2 -",
        "COUNCIL_JOIN guardian-2 -",
        "ADMISSION guardian-2 PII_POLICY_VIOLATION",
        "REMOVE guardian-2 PII_POLICY_VIOLATION",
    ] {
        assert!(story.iter().any(|told| told == words), "{words}: {story:?}");
    }
}

#[tokio::test]
async fn what_happened_without_the_bridge_is_witnessed_by_the_next_one() {
    let mut bed = Bed::new("", "").await;
    // One note is seen, so that the next process knows where to go on.
    bed.asterisk
        .note("refused", "gateway-1.1", "unknown terminals/a");
    while !story(&bed)
        .iter()
        .any(|told| told == "REMOVE unknown not_admitted")
    {
        tokio::task::yield_now().await;
    }
    bed.stop().await;
    bed.asterisk
        .note("refused", "gateway-1.2", "unknown terminals/b");
    bed.asterisk
        .note("join", "gateway-1.3", "guardian guardian-2");
    bed.asterisk
        .note("leave", "gateway-1.3", "guardian guardian-2");
    bed.asterisk.note("join", "gateway-1.4", "expert -");
    bed.asterisk.note("full", "gateway-1.4", "expert -");
    bed.restart(true).await;
    bed.in_sight().await;
    bed.no_rooms().await;
    let wanted = [
        "REMOVE unknown not_admitted",
        "REMOVE unknown not_admitted",
        "ROOM_OPEN - -",
        "COUNCIL_JOIN guardian-2 -",
        "COUNCIL_LEAVE guardian-2 -",
        "ROOM_END - -",
    ];
    while story(&bed).len() < wanted.len() {
        tokio::task::yield_now().await;
    }
    assert_eq!(story(&bed), wanted);
}

#[tokio::test]
async fn a_call_without_an_h323_leg_claims_none() {
    let bed = Bed::council("guardians: []").await;
    let view = bed
        .escalate(crate::bed::message("m-1", "privacy"), true)
        .await
        .expect("a call");
    assert_eq!(view.sip_call_state, CallState::Connected);
    assert_eq!(view.h323_state, CallState::Received);
    // A stranger over H.323 is no guardian.
    bed.asterisk.world().is_wedged = true;
    bed.asterisk.appear("gateway-1.7", stranger());
    bed.asterisk.join("gateway-1.7");
    bed.room_of("council", 2).await;
    let view = bed.show(&view.call_id).await.expect("it is there").call;
    assert_eq!(view.h323_state, CallState::Received);
}
