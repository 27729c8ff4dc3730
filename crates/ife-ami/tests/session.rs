//! Connection, login, heartbeat, deadlines and back-off of a session.

// Tests pick single cases out of many.
#![allow(clippy::wildcard_enum_match_arm)]

mod common;

use std::time::Duration;

use common::{Peer, config};
use ife_ami::action::Action;
use ife_ami::session::{Backoff, DownReason, Jitter, Outcome, Output, SubmitError, Timers, Up};
use ife_ami::wire::Text;
use ife_ami::{Config, Session};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn downs(peer: &Peer) -> Vec<&DownReason> {
    let mut reasons = Vec::new();
    for output in &peer.outputs {
        if let Output::Down(reason) = output {
            reasons.push(reason);
        }
    }
    reasons
}

#[test]
fn a_session_connects_logs_in_and_resyncs() {
    let mut peer = Peer::new(config());
    assert_eq!(peer.outputs, [Output::Connect]);
    peer.log_in();
    let up = Up {
        version: Text::from("11.0.0"),
        uptime_s: Some(100),
        restarted: false,
    };
    assert_eq!(peer.outputs[1..3], [Output::Up(up), Output::ResyncStarted]);
    assert!(peer.session.is_up());
    peer.answer_resync("");
    assert!(matches!(peer.outputs.last(), Some(Output::Snapshot(_))));
}

#[test]
fn a_login_that_hangs_is_given_up() {
    for given in ["", "Asterisk Call Manager/11.0.0\r\n"] {
        let mut peer = Peer::new(config());
        peer.session.handle_connected(peer.now);
        peer.give(given);
        peer.wait(SECOND * 5);
        assert_eq!(downs(&peer), [&DownReason::LoginTimeout]);
        assert_eq!(peer.outputs.last(), Some(&Output::Close));
        assert_eq!(peer.session.poll_timeout(), None);
    }
}

#[test]
fn a_refused_login_waits_the_longest_pause() {
    let mut peer = Peer::new(config());
    peer.session.handle_connected(peer.now);
    peer.give("Asterisk Call Manager/11.0.0\r\n");
    let id = peer.last_id();
    peer.give(&format!(
        "Response: Error\r\nActionID: {id}\r\nMessage: Authentication failed\r\n\r\n"
    ));
    assert_eq!(
        downs(&peer),
        [&DownReason::LoginRefused(Text::from(
            "Authentication failed"
        ))]
    );
    peer.close(u16::MAX);
    assert_eq!(
        peer.session.poll_timeout(),
        Some(peer.now + Backoff::default().max)
    );
}

#[test]
fn an_account_without_system_events_comes_up_after_a_while() {
    let mut peer = Peer::new(config());
    peer.session.handle_connected(peer.now);
    peer.give("Asterisk Call Manager/11.0.0\r\n");
    let id = peer.last_id();
    peer.give(&format!(
        "Response: Success\r\nActionID: {id}\r\nChallenge: 42\r\n\r\n"
    ));
    let id = peer.last_id();
    peer.give(&format!("Response: Success\r\nActionID: {id}\r\n\r\n"));
    assert!(!peer.session.is_up());
    peer.wait(SECOND * 10);
    assert!(peer.session.is_up());
}

#[test]
fn pauses_double_up_to_the_longest_and_half_is_random() {
    let backoff = Backoff {
        first: Duration::from_millis(100),
        max: Duration::from_millis(1_000),
    };
    let table = [
        (0, 100),
        (1, 200),
        (2, 400),
        (3, 800),
        (4, 1_000),
        (31, 1_000),
        (32, 1_000),
        (u32::MAX, 1_000),
    ];
    for (attempt, millis) in table {
        let full = Duration::from_millis(millis);
        assert_eq!(backoff.pause(attempt, Jitter(0)), full / 2, "{attempt}");
        assert_eq!(backoff.pause(attempt, Jitter(u16::MAX)), full, "{attempt}");
    }
}

#[test]
fn a_session_that_is_dropped_at_once_pauses_longer_each_time() {
    let mut peer = Peer::new(config());
    let mut last = Duration::ZERO;
    for _ in 0..5 {
        peer.log_in();
        peer.close(0);
        let pause = peer.session.poll_timeout().expect("a pause") - peer.now;
        assert!(pause > last);
        last = pause;
        peer.wait(pause);
        assert_eq!(peer.outputs.last(), Some(&Output::Connect));
    }
}

#[test]
fn a_session_that_held_pauses_shortly_again() {
    let mut peer = Peer::new(config());
    for _ in 0..3 {
        peer.close(0);
        peer.wait(SECOND * 10);
    }
    peer.log_in();
    peer.answer_resync("");
    for _ in 0..4 {
        peer.wait(SECOND * 5);
        let id = peer.last_id();
        peer.give(&format!(
            "Response: Success\r\nActionID: {id}\r\nPing: Pong\r\n\r\n"
        ));
    }
    peer.close(0);
    assert_eq!(
        peer.session.poll_timeout(),
        Some(peer.now + Backoff::default().first / 2)
    );
}

#[test]
fn a_heartbeat_that_is_answered_keeps_the_session() {
    let mut peer = Peer::up();
    for _ in 0..10 {
        peer.wait(SECOND * 5);
        assert!(peer.last_action().starts_with("Action: Ping\r\n"));
        let id = peer.last_id();
        peer.give(&format!(
            "Response: Success\r\nActionID: {id}\r\nPing: Pong\r\n\r\n"
        ));
    }
    assert!(peer.session.is_up());
}

#[test]
fn a_heartbeat_that_is_not_answered_ends_the_session() {
    let mut peer = Peer::up();
    peer.wait(SECOND * 5);
    peer.wait(SECOND * 5);
    assert_eq!(downs(&peer), [&DownReason::HeartbeatLost]);
    assert_eq!(peer.outputs.last(), Some(&Output::Close));
}

#[test]
fn an_action_without_answer_times_out_and_its_late_answer_is_ignored() {
    let mut peer = Peer::up();
    let id = peer.session.submit(peer.now, &Action::Ping).expect("up");
    for _ in 0..2 {
        peer.wait(SECOND * 5);
        let ping = peer.last_id();
        peer.give(&format!("Response: Success\r\nActionID: {ping}\r\n\r\n"));
    }
    let timed_out = Output::Answer {
        id,
        outcome: Outcome::TimedOut,
    };
    assert_eq!(
        peer.outputs
            .iter()
            .filter(|output| **output == timed_out)
            .count(),
        1
    );
    peer.outputs.clear();
    peer.give(&format!("Response: Success\r\nActionID: {id}\r\n\r\n"));
    assert_eq!(peer.outputs, []);
}

#[test]
fn too_many_actions_are_refused_and_room_comes_back() {
    let mut peer = Peer::up_with(Config {
        actions_max: 2,
        ..config()
    });
    let id = peer.session.submit(peer.now, &Action::Ping).expect("up");
    peer.session.submit(peer.now, &Action::Ping).expect("up");
    assert_eq!(
        peer.session.submit(peer.now, &Action::Ping),
        Err(SubmitError::Busy)
    );
    peer.give(&format!("Response: Success\r\nActionID: {id}\r\n\r\n"));
    assert!(peer.session.submit(peer.now, &Action::Ping).is_ok());
}

#[test]
fn a_list_that_is_too_long_is_an_error_of_its_action_alone() {
    let mut peer = Peer::up_with(Config {
        list_rows_max: 3,
        ..config()
    });
    let id = peer
        .session
        .submit(peer.now, &Action::CoreShowChannels)
        .expect("up");
    peer.give(&format!(
        "Response: Success\r\nActionID: {id}\r\nEventList: start\r\n\r\n"
    ));
    for _ in 0..10 {
        peer.give(&format!("Event: CoreShowChannel\r\nActionID: {id}\r\n\r\n"));
    }
    peer.give(&format!(
        "Event: CoreShowChannelsComplete\r\nActionID: {id}\r\nEventList: Complete\r\n\r\n"
    ));
    assert_eq!(
        peer.outputs,
        [Output::Answer {
            id,
            outcome: Outcome::ListTooLong
        }]
    );
    assert!(peer.session.is_up());
}

#[test]
fn a_restart_of_asterisk_shows_in_its_uptime() {
    let cases = [
        (130, 0, false),
        (3, 0, true),
        // Measured at once and received late.
        (130, 20, false),
        (129, 20, false),
        (130, 4, false),
        (10, 20, true),
    ];
    for (uptime, late_s, restarted) in cases {
        let mut peer = Peer::new(Config {
            timers: Timers {
                booted_max: SECOND * 60,
                ..Timers::default()
            },
            ..config()
        });
        peer.log_in();
        peer.wait(SECOND * 4);
        peer.close(0);
        peer.wait(SECOND * 26);
        peer.session.handle_connected(peer.now);
        peer.give("Asterisk Call Manager/11.0.0\r\n");
        let id = peer.last_id();
        peer.give(&format!(
            "Response: Success\r\nActionID: {id}\r\nChallenge: 1\r\n\r\n"
        ));
        let id = peer.last_id();
        peer.give(&format!("Response: Success\r\nActionID: {id}\r\n\r\n"));
        peer.wait(SECOND * late_s);
        peer.give(&format!("Event: FullyBooted\r\nUptime: {uptime}\r\n\r\n"));
        assert!(peer.session.is_up(), "{uptime}");
        assert_eq!(
            is_restart_reported(&peer),
            restarted,
            "{uptime}, {late_s} s late"
        );
    }
}

fn is_restart_reported(peer: &Peer) -> bool {
    let mut outputs = peer.outputs.iter();
    outputs.any(|output| matches!(output, Output::Up(up) if up.restarted))
}

#[test]
fn an_asterisk_that_starts_twice_within_seconds_has_restarted() {
    for uptime in [0, 1] {
        let mut peer = Peer::new(config());
        peer.log_in_to(2);
        peer.wait(SECOND);
        peer.close(0);
        peer.wait(SECOND * 2);
        peer.log_in_to(uptime);
        assert!(is_restart_reported(&peer), "{uptime}");
    }
}

#[test]
fn a_shutdown_is_named_as_the_reason() {
    let mut peer = Peer::up();
    peer.give("Event: Shutdown\r\nShutdown: Cleanly\r\nRestart: False\r\n\r\n");
    peer.close(0);
    assert_eq!(downs(&peer), [&DownReason::Shutdown]);
}

#[test]
fn a_gap_during_a_resync_restarts_it() {
    let mut peer = Peer::new(config());
    peer.log_in();
    let id = peer.last_id();
    peer.session.handle_lost_bytes(peer.now);
    peer.drain();
    peer.give("\r\n\r\n");
    assert_ne!(peer.last_id(), id);
    assert_eq!(
        peer.outputs
            .iter()
            .filter(|output| **output == Output::ResyncStarted)
            .count(),
        2
    );
    // The answer to the first one, which may be older than the gap, completes nothing.
    peer.give(&format!(
        "Response: Success\r\nActionID: {id}\r\nEventList: start\r\n\r\n"
    ));
    peer.give(&format!(
        "Event: CoreShowChannelsComplete\r\nActionID: {id}\r\nEventList: Complete\r\n\r\n"
    ));
    assert!(
        !peer
            .outputs
            .iter()
            .any(|output| matches!(output, Output::Snapshot(_)))
    );
    assert_eq!(
        peer.written.matches("Action: ConfbridgeListRooms").count(),
        0
    );
}

#[test]
fn a_resync_that_failed_is_tried_again() {
    let mut peer = Peer::new(config());
    peer.log_in();
    let id = peer.last_id();
    peer.give(&format!(
        "Response: Error\r\nActionID: {id}\r\nMessage: Permission denied\r\n\r\n"
    ));
    assert!(matches!(peer.outputs.last(), Some(Output::ResyncFailed(_))));
    peer.wait(SECOND);
    peer.answer_resync("");
    assert!(matches!(peer.outputs.last(), Some(Output::Snapshot(_))));
}

#[test]
fn resyncs_come_round() {
    let mut config = config();
    config.timers.resync_every = Some(SECOND * 3);
    let mut peer = Peer::up_with(config);
    peer.wait(SECOND * 3);
    assert!(
        peer.last_action()
            .starts_with("Action: CoreShowChannels\r\n")
    );
}

proptest! {
    /// For any input and any cut: no panic, bounded memory, and every wait ends.
    #[test]
    fn any_bytes_are_survived(chunks in prop::collection::vec(chunk(), 0..30)) {
        let mut peer = Peer::new(config());
        peer.log_in();
        for chunk in chunks {
            peer.give_bytes(&chunk);
            peer.wait(Duration::from_millis(400));
            peer.outputs.clear();
            peer.written.clear();
        }
        peer.close(0);
        peer.wait(SECOND * 10);
        prop_assert_eq!(peer.outputs.last(), Some(&Output::Connect));
    }

    /// The same bytes in one piece or byte by byte give the same outputs.
    #[test]
    fn cuts_do_not_matter_to_a_session(chunks in prop::collection::vec(chunk(), 0..20)) {
        let stream = chunks.concat();
        let run = |size: usize| {
            let mut peer = Peer::new(config());
            peer.log_in();
            peer.answer_resync("");
            stream.chunks(size).for_each(|piece| peer.give_bytes(piece));
            peer.outputs
        };
        prop_assert_eq!(run(1), run(usize::MAX));
    }
}

/// Data similar to Asterisk's, with answers to ids that may be pending.
fn chunk() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "Newchannel",
        "Newstate",
        "Hangup",
        "DialBegin",
        "DialEnd",
        "OriginateResponse",
        "ConfbridgeJoin",
        "ConfbridgeLeave",
        "ConfbridgeStart",
        "ConfbridgeEnd",
        "VarSet",
        "UserEvent",
        "DTMFEnd",
        "Rename",
        "FullyBooted",
        "Other",
    ]);
    let value = prop_oneof![Just("a".to_owned()), "[ -~]{0,8}", Just("6".to_owned())];
    let key = prop::sample::select(vec![
        "Uniqueid",
        "Channel",
        "ChannelState",
        "Conference",
        "Cause",
        "DestUniqueid",
        "DestChannel",
        "DialStatus",
        "ActionID",
        "EventList",
        "Response",
        "Digit",
        "Newname",
        "Variable",
        "UserEvent",
    ]);
    let event = (name, prop::collection::vec((key, value), 0..8)).prop_map(|(name, headers)| {
        let headers: String = headers
            .into_iter()
            .map(|(key, value)| format!("{key}: {value}\r\n"))
            .collect();
        format!("Event: {name}\r\n{headers}\r\n").into_bytes()
    });
    let answer = (
        0u64..12,
        prop::sample::select(vec!["Success", "Error"]),
        any::<bool>(),
    )
        .prop_map(|(id, status, list)| {
            let list = if list { "EventList: start\r\n" } else { "" };
            format!("Response: {status}\r\nActionID: ife-{id}\r\n{list}\r\n").into_bytes()
        });
    prop_oneof![6 => event, 3 => answer, 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

#[test]
fn a_session_that_is_not_connected_ignores_bytes() {
    let mut peer = Peer::new(config());
    peer.outputs.clear();
    peer.give("Asterisk Call Manager/11.0.0\r\n");
    assert_eq!(peer.outputs, []);
    assert_eq!(peer.written, "");
    let _: &Session = &peer.session;
}
