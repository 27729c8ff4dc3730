//! Recordings of Asterisk 16.28 and 22.10.1: one call answered and hung up, one busy, one declined,
//! one to a silent address, one to an undefined peer of each kind, one that rings without end, and
//! lists in between.

// Tests pick single cases out of many.
#![allow(clippy::wildcard_enum_match_arm)]

use std::time::{Duration, Instant};

use ife_ami::event::Event;
use ife_ami::model::Change;
use ife_ami::session::{Auth, Output};
use ife_ami::value::{DialToken, Secret, Uniqueid};
use ife_ami::wire::{Decoder, Frame, Kind, Limits};
use ife_ami::{Config, Model, Session};

const ASTERISK_16: &[u8] = include_bytes!("data/asterisk-16.28.ami");
const ASTERISK_22: &[u8] = include_bytes!("data/asterisk-22.10.1.ami");
const ASTERISK_22_BYE: &[u8] = include_bytes!("data/asterisk-22.10.1-bye.ami");

fn events(stream: &[u8], decoder: &mut Decoder) -> Vec<Event> {
    decoder.push(stream);
    let mut events = Vec::new();
    while let Some(frame) = decoder.next_frame().expect("a recording is well-formed") {
        if let Frame::Message(message) = frame
            && let Kind::Event(name) = message.kind()
        {
            events.extend(Event::parse(name, message).expect("of a type of ours"));
        }
    }
    events
}

/// The changes of one leg, as words.
fn leg_changes(stream: &[u8], decoder: &mut Decoder, leg: &str) -> Vec<String> {
    let leg = Uniqueid::parse(leg).expect("an id");
    let mut model = Model::new();
    let mut changes = Vec::new();
    for event in events(stream, decoder) {
        model.apply(&Output::Event(event), &mut changes);
    }
    let word = |change: &Change| match change {
        Change::Appeared(channel) if channel.uniqueid == leg => Some("appeared".to_owned()),
        Change::Ringing(id) if *id == leg => Some("ringing".to_owned()),
        Change::Up(id) if *id == leg => Some("up".to_owned()),
        Change::Leaving { uniqueid, .. } if *uniqueid == leg => Some("leaving".to_owned()),
        Change::Joined { uniqueid, .. } if *uniqueid == leg => Some("joined".to_owned()),
        Change::Left { uniqueid, .. } if *uniqueid == leg => Some("left".to_owned()),
        Change::Gone { channel, cause, .. } if channel.uniqueid == leg => {
            Some(format!("gone {}", cause.unwrap_or(0)))
        }
        Change::NoChannel(id) if *id == leg => Some("none".to_owned()),
        _ => None,
    };
    changes.iter().filter_map(word).collect()
}

#[test]
fn each_recorded_call_gives_its_changes() {
    // After `gone`, the originate's own failure is `none`: nothing more follows for that id.
    let both = [
        (
            "ife-leg-10",
            vec!["appeared", "ringing", "up", "joined", "left", "gone 16"],
        ),
        ("ife-leg-20", vec!["appeared", "leaving", "gone 17", "none"]),
        ("ife-leg-21", vec!["appeared", "leaving", "gone 21", "none"]),
        ("ife-leg-23", vec!["none"]),
        ("ife-leg-24", vec!["none"]),
    ];
    for (leg, wanted) in both {
        assert_eq!(
            leg_changes(ASTERISK_16, &mut Decoder::new(Limits::default()), leg),
            wanted,
            "16: {leg}"
        );
        assert_eq!(
            leg_changes(ASTERISK_22, &mut Decoder::new(Limits::default()), leg),
            wanted,
            "22: {leg}"
        );
    }
}

#[test]
fn a_call_that_asterisk_gave_up_has_no_true_cause() {
    // 16 reports nothing, 22 that the user was alerted even if nothing rang: our timers decide.
    let changes = |stream, leg| leg_changes(stream, &mut Decoder::new(Limits::default()), leg);
    assert_eq!(
        changes(ASTERISK_16, "ife-leg-22"),
        ["appeared", "gone 0", "none"]
    );
    assert_eq!(
        changes(ASTERISK_22, "ife-leg-22"),
        ["appeared", "gone 19", "none"]
    );
    assert_eq!(
        changes(ASTERISK_16, "ife-leg-25"),
        ["appeared", "ringing", "gone 0", "none"]
    );
    assert_eq!(
        changes(ASTERISK_22, "ife-leg-25"),
        ["appeared", "ringing", "gone 19", "none"]
    );
}

#[test]
fn a_far_side_that_hangs_up_is_leaving_before_it_leaves_the_room() {
    let changes = leg_changes(
        ASTERISK_22_BYE,
        &mut Decoder::after_banner(Limits::default()),
        "ife-leg-50",
    );
    assert_eq!(
        changes,
        ["appeared", "up", "leaving", "joined", "left", "gone 16"]
    );
}

#[test]
fn only_22_reports_a_sip_status() {
    let status = |stream| {
        events(stream, &mut Decoder::new(Limits::default()))
            .into_iter()
            .find_map(|event| match event {
                Event::Hangup {
                    channel,
                    tech_cause,
                    ..
                } if channel.uniqueid.as_str() == "ife-leg-21" => Some(tech_cause),
                _ => None,
            })
    };
    assert_eq!(status(ASTERISK_16), Some(None));
    assert_eq!(status(ASTERISK_22), Some(Some(603)));
}

#[test]
fn a_session_reads_a_whole_recording() {
    for stream in [ASTERISK_16, ASTERISK_22] {
        let now = Instant::now();
        let username = DialToken::parse("ife").expect("a token");
        let secret = Secret::parse("x").expect("a secret");
        let config = Config {
            auth: Auth::Plain,
            ..Config::new(username, secret)
        };
        let mut session = Session::new(config, now);
        session.handle_connected(now);
        for piece in stream.chunks(1_000) {
            session.handle_bytes(now + Duration::from_millis(1), piece);
        }
        let outputs: Vec<_> = std::iter::from_fn(|| session.poll_output()).collect();
        assert!(session.is_up());
        let count =
            |wanted: fn(&Output) -> bool| outputs.iter().filter(|output| wanted(output)).count();
        let known = events(stream, &mut Decoder::new(Limits::default()));
        assert_eq!(
            count(|output| matches!(output, Output::Event(_))),
            known.len()
        );
        assert_eq!(
            count(|output| matches!(output, Output::Gap(_) | Output::Down(_))),
            0
        );
        assert_eq!((session.stats().malformed, session.stats().skipped), (0, 0));
    }
}
