//! Each trap of the manager interface, met or measured, by name.

// Tests pick single cases out of many.
#![allow(clippy::wildcard_enum_match_arm)]

mod common;

use std::time::Duration;

use common::{Peer, config};
use ife_ami::action::{Action, ActionId, Destination, DialString, EncodeError, Originate};
use ife_ami::event::{Event, EventProblem};
use ife_ami::model::Change;
use ife_ami::session::{Auth, DownReason, GapReason, Outcome, Output, SubmitError};
use ife_ami::value::{
    ChannelId, ChannelName, DialToken, RoomName, SipHost, SipUser, Uniqueid, ValueError, VarName,
    VarValue, Variable,
};
use ife_ami::wire::{Decoder, Frame, Kind, Limits};
use ife_ami::{Config, Model};

fn token(text: &str) -> DialToken {
    DialToken::parse(text).expect("a token")
}

fn originate() -> Originate {
    Originate {
        channel: DialString::Local {
            exten: token("call"),
            context: token("ife-expert"),
        },
        channel_id: ChannelId::parse("ife-1").expect("an id"),
        other_channel_id: None,
        destination: Destination {
            context: token("ife-join"),
            exten: token("room-1"),
        },
        ring_timeout: Duration::from_secs(30),
        variables: vec![Variable::channel("_IFE_TRACE", "trace-1").expect("a variable")],
    }
}

fn encode(action: &Action) -> Result<String, EncodeError> {
    let mut out = Vec::new();
    action.encode(&ActionId::new(7), &mut out)?;
    Ok(String::from_utf8(out).expect("text"))
}

fn event(text: &str) -> Event {
    parse(text).expect("well-formed").expect("known")
}

fn parse(text: &str) -> Result<Option<Event>, EventProblem> {
    let mut decoder = Decoder::after_banner(Limits::default());
    decoder.push(text.replace('\n', "\r\n").as_bytes());
    let Ok(Some(Frame::Message(message))) = decoder.next_frame() else {
        panic!("a message: {text}")
    };
    let Kind::Event(name) = message.kind() else {
        panic!("an event: {text}")
    };
    Event::parse(name, message)
}

#[test]
fn banners_of_16_and_22_are_both_asterisk() {
    for version in ["5.0.4", "11.0.0"] {
        let mut peer = Peer::new(config());
        peer.session.handle_connected(peer.now);
        peer.give(&format!("Asterisk Call Manager/{version}\r\n"));
        assert!(peer.last_action().starts_with("Action: Challenge\r\n"));
    }
}

#[test]
fn a_peer_that_is_no_asterisk_is_left_alone() {
    let mut peer = Peer::new(config());
    peer.session.handle_connected(peer.now);
    peer.give("220 mail.example ESMTP\r\n");
    assert!(
        peer.outputs
            .iter()
            .any(|output| matches!(output, Output::Down(DownReason::NotAmi(_))))
    );
    assert_eq!(peer.written, "");
}

#[test]
fn an_event_may_end_with_lf_after_crlf() {
    let mut peer = Peer::up();
    peer.give(
        "Event: ConfbridgeStart\r\nConference: r1\r\n\nEvent: ConfbridgeEnd\r\nConference: r1\r\n\
         \r\n",
    );
    assert_eq!(peer.outputs.len(), 2);
}

#[test]
fn originate_is_always_asynchronous() {
    let text = encode(&Action::Originate(Box::new(originate()))).expect("within the limits");
    assert!(text.contains("\r\nAsync: true\r\n"));
}

#[test]
fn success_of_originate_means_queued_and_no_more() {
    let mut peer = Peer::up();
    let id = peer
        .session
        .submit(peer.now, &Action::Originate(Box::new(originate())))
        .expect("up");
    peer.give(&format!(
        "Response: Success\r\nActionID: {id}\r\nMessage: Originate successfully queued\r\n\r\n"
    ));
    assert_eq!(
        peer.outputs,
        [Output::Answer {
            id,
            outcome: Outcome::Queued
        }]
    );
}

#[test]
fn originate_response_is_an_event_although_it_has_a_response() {
    let mut peer = Peer::up();
    let id = peer
        .session
        .submit(peer.now, &Action::Originate(Box::new(originate())))
        .expect("up");
    // It may even come before the answer to the action.
    peer.give(&format!(
        "Event: OriginateResponse\r\nActionID: {id}\r\nResponse: Failure\r\nUniqueid: ife-1\r\n\
         Reason: 0\r\n\r\n"
    ));
    let channel = Uniqueid::parse("ife-1").expect("an id");
    let failed = Output::Event(Event::OriginateFailed(channel));
    assert_eq!(peer.outputs, [failed]);
    peer.outputs.clear();
    peer.give(&format!("Response: Success\r\nActionID: {id}\r\n\r\n"));
    assert_eq!(
        peer.outputs,
        [Output::Answer {
            id,
            outcome: Outcome::Queued
        }]
    );
}

#[test]
fn a_channel_id_is_echoed_even_when_no_channel_came_to_be() {
    let mut model = Model::new();
    let mut changes = Vec::new();
    let result =
        event("Event: OriginateResponse\nResponse: Failure\nUniqueid: ife-1\nReason: 0\n\n");
    model.apply(&Output::Event(result), &mut changes);
    assert_eq!(
        changes,
        [Change::NoChannel(Uniqueid::parse("ife-1").expect("an id"))]
    );
}

#[test]
fn a_failed_originate_whose_channel_is_there_waits_for_its_hangup() {
    let mut model = Model::new();
    let mut changes = Vec::new();
    let channel = "Channel: PJSIP/a-1\nUniqueid: ife-1\nChannelState: 0\n";
    model.apply(
        &Output::Event(event(&format!("Event: Newchannel\n{channel}\n"))),
        &mut changes,
    );
    changes.clear();
    let failed = "Event: OriginateResponse\nResponse: Failure\nUniqueid: ife-1\nReason: 0\n\n";
    model.apply(&Output::Event(event(failed)), &mut changes);
    assert_eq!(changes, []);
    model.apply(
        &Output::Event(event(&format!("Event: Hangup\nCause: 17\n{channel}\n"))),
        &mut changes,
    );
    assert!(
        matches!(
            &changes[..],
            [Change::Gone {
                cause: Some(17),
                ..
            }]
        ),
        "{changes:?}"
    );
}

#[test]
fn success_of_originate_comes_before_the_channel_is_up() {
    let mut model = Model::new();
    let mut changes = Vec::new();
    let channel = "Channel: PJSIP/a-1\nUniqueid: ife-1\n";
    model.apply(
        &Output::Event(event(&format!(
            "Event: Newchannel\nChannelState: 0\n{channel}\n"
        ))),
        &mut changes,
    );
    changes.clear();
    let done = "Event: OriginateResponse\nResponse: Success\nUniqueid: ife-1\nReason: 4\n\n";
    assert_eq!(parse(done), Ok(None));
    model.apply(
        &Output::Event(event(&format!(
            "Event: Newstate\nChannelState: 6\n{channel}\n"
        ))),
        &mut changes,
    );
    assert!(matches!(&changes[..], [Change::Up(_)]));
}

#[test]
fn hangup_takes_no_regular_expression() {
    for bad in ["/.*/", "/", "a/b", "", " ", "a,b", "a\r\nAction: x"] {
        assert!(Uniqueid::parse(bad).is_err(), "{bad:?}");
    }
    assert!(ChannelName::parse("/^PJSIP/").is_err());
    let hangup = Action::Hangup {
        channel: Uniqueid::parse("ife-1;2").expect("an id"),
        cause: 16,
    };
    assert_eq!(
        encode(&hangup).expect("short"),
        "Action: Hangup\r\nActionID: ife-7\r\nChannel: ife-1;2\r\nCause: 16\r\n\r\n"
    );
}

#[test]
fn reserved_words_are_no_channel_names() {
    for bad in ["all", "ALL", "participants", "admin"] {
        assert_eq!(ChannelName::parse(bad), Err(ValueError::Special), "{bad}");
    }
}

#[test]
fn the_reason_of_originate_is_not_a_cause() {
    // Busy, rejected and no such endpoint, as measured: all have reason 0.
    for reason in ["0", "1", "5", "8"] {
        let text = format!(
            "Event: OriginateResponse\nResponse: Failure\nUniqueid: ife-1\nReason: {reason}\n\n"
        );
        let mut changes = Vec::new();
        Model::new().apply(&Output::Event(event(&text)), &mut changes);
        assert!(
            matches!(&changes[..], [Change::NoChannel(_)]),
            "a change without a cause"
        );
    }
}

#[test]
fn a_list_has_foreign_events_in_between() {
    let mut peer = Peer::up();
    let id = peer
        .session
        .submit(peer.now, &Action::CoreShowChannels)
        .expect("up");
    peer.give(&format!(
        "Response: Success\r\nActionID: {id}\r\nEventList: start\r\n\r\n"
    ));
    peer.give(&format!(
        "Event: CoreShowChannel\r\nActionID: {id}\r\nUniqueid: a\r\n\r\n"
    ));
    peer.give("Event: ConfbridgeStart\r\nConference: r1\r\n\r\n");
    peer.give("Event: UserEvent\r\nUserEvent: x\r\nActionID: ife-999\r\n\r\n");
    peer.give(&format!(
        "Event: CoreShowChannel\r\nActionID: {id}\r\nUniqueid: b\r\n\r\n"
    ));
    peer.give(&format!(
        "Event: CoreShowChannelsComplete\r\nEventList: Complete\r\nActionID: {id}\r\n\r\n"
    ));
    let [
        Output::Event(_),
        Output::Event(_),
        Output::Answer {
            outcome: Outcome::List(rows),
            ..
        },
    ] = &peer.outputs[..]
    else {
        panic!("{:?}", peer.outputs)
    };
    assert_eq!(rows.len(), 2);
}

#[test]
fn an_unknown_conference_is_an_error() {
    let mut peer = Peer::up();
    let room = RoomName::parse("nope").expect("a name");
    let id = peer
        .session
        .submit(peer.now, &Action::ConfbridgeList { room })
        .expect("up");
    peer.give(&format!(
        "Response: Error\r\nActionID: {id}\r\nMessage: No Conference by that name found.\r\n\r\n"
    ));
    let words = "No Conference by that name found.".into();
    assert_eq!(
        peer.outputs,
        [Output::Answer {
            id,
            outcome: Outcome::Error(words)
        }]
    );
}

#[test]
fn no_conference_at_all_is_an_error_that_a_resync_takes_for_none() {
    let mut peer = Peer::new(config());
    peer.log_in();
    peer.answer_resync("");
    let Some(Output::Snapshot(snapshot)) = peer.outputs.last() else {
        panic!("{:?}", peer.outputs)
    };
    assert!(snapshot.rooms.is_empty());
}

#[test]
fn an_account_without_the_right_to_list_is_not_taken_for_an_empty_asterisk() {
    let mut peer = Peer::new(config());
    peer.log_in();
    let id = peer.last_id();
    peer.give(&format!(
        "Response: Error\r\nActionID: {id}\r\nMessage: Permission denied\r\n\r\n"
    ));
    assert!(
        matches!(peer.outputs.last(), Some(Output::ResyncFailed(error))
            if error.action == "CoreShowChannels")
    );
}

#[test]
fn a_slow_reader_is_dropped_without_a_word_and_resyncs() {
    let mut peer = Peer::up();
    peer.close(0);
    assert!(matches!(
        peer.outputs[..],
        [Output::Down(DownReason::PeerClosed)]
    ));
    peer.wait(Duration::from_secs(1));
    peer.log_in();
    assert!(
        peer.last_action()
            .starts_with("Action: CoreShowChannels\r\n")
    );
    assert!(peer.outputs.contains(&Output::ResyncStarted));
}

#[test]
fn a_full_queue_drops_events_and_then_resyncs() {
    let mut peer = Peer::up_with(Config {
        queue_events_max: 8,
        ..config()
    });
    let events = "Event: ConfbridgeStart\r\nConference: r1\r\n\r\n".repeat(50);
    peer.give(&events);
    let kept = peer
        .outputs
        .iter()
        .filter(|output| matches!(output, Output::Event(_)))
        .count();
    assert_eq!(kept, 8);
    assert!(peer.outputs.contains(&Output::Gap(GapReason::QueueFull)));
    assert_eq!(peer.session.stats().dropped, 42);
    assert_eq!(peer.session.poll_timeout(), Some(peer.now));
    peer.wait(Duration::ZERO);
    assert!(
        peer.last_action()
            .starts_with("Action: CoreShowChannels\r\n")
    );
}

#[test]
fn a_gap_of_bytes_resyncs() {
    let mut peer = Peer::up();
    peer.session.handle_lost_bytes(peer.now);
    peer.drain();
    assert!(matches!(
        peer.outputs[..],
        [Output::Gap(GapReason::Skipped(_)), Output::ResyncStarted]
    ));
}

#[test]
fn an_oversized_event_keeps_the_connection_and_resyncs() {
    let mut peer = Peer::up();
    let value = "x".repeat(20_000);
    peer.give(&format!(
        "Event: VarSet\r\nValue: {value}\r\n\r\nEvent: ConfbridgeStart\r\nConference: r1\r\n\r\n"
    ));
    assert!(peer.session.is_up());
    assert!(matches!(
        peer.outputs[..],
        [
            Output::Gap(GapReason::Skipped(_)),
            Output::Event(Event::ConfbridgeStart { .. }),
            Output::ResyncStarted
        ]
    ));
}

#[test]
fn no_value_can_start_a_second_action() {
    for bad in ["a\r\nAction: Hangup", "a\nb", "a\rb", "a\0b"] {
        assert!(VarValue::parse(bad).is_err(), "{bad:?}");
        assert!(DialToken::parse(bad).is_err(), "{bad:?}");
        assert!(RoomName::parse(bad).is_err(), "{bad:?}");
        assert!(ChannelName::parse(bad).is_err(), "{bad:?}");
        assert!(VarName::parse(bad).is_err(), "{bad:?}");
        assert!(ife_ami::value::Secret::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_comma_cannot_set_a_second_variable() {
    assert_eq!(
        VarValue::parse("1,B=2"),
        Err(ValueError::Forbidden { byte: b',', at: 1 })
    );
    assert!(VarName::parse("A,B").is_err());
}

#[test]
fn quotes_and_backslashes_would_not_arrive_and_are_refused() {
    for bad in ["\"q\"", "a\\b"] {
        assert!(VarValue::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn variables_have_a_header_each() {
    let mut call = originate();
    call.variables
        .push(Variable::channel("__IFE_CALL", "c-1").expect("a variable"));
    let text = encode(&Action::Originate(Box::new(call))).expect("within the limits");
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("Variable: "))
        .collect();
    assert_eq!(
        lines,
        ["Variable: _IFE_TRACE=trace-1", "Variable: __IFE_CALL=c-1",]
    );
}

#[test]
fn dial_strings_have_one_alphabet() {
    for good in ["expert-safety", "external.advisor", "room_1", "1720"] {
        assert!(DialToken::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "a&b", "a/b", "a@b", "a,b", "${X}", "a^b", "a!b", "a(b", "a b", "a;b", "a:b", "", "é",
    ] {
        assert!(DialToken::parse(bad).is_err(), "{bad}");
        assert!(SipUser::parse(bad).is_err(), "{bad}");
    }
    assert!(SipUser::parse("+4930123456").is_ok(), "E.164");
    assert!(SipHost::parse("[2001:db8::1]").is_ok(), "IPv6");
    for bad in ["a&b", "a/b", "a@b", "a,b", "${X}", "a^b", "a b", "a;b", ""] {
        assert!(SipHost::parse(bad).is_err(), "{bad}");
    }
    assert_eq!(originate().channel.to_string(), "Local/call@ife-expert/n");
}

#[test]
fn an_h323_leg_is_dialled_by_extension_at_a_declared_peer() {
    let leg = DialString::Ooh323 {
        exten: token("council"),
        peer: token("mcu"),
    };
    assert_eq!(leg.to_string(), "OOH323/council@mcu");
}

#[test]
fn a_line_that_asterisk_would_drop_is_refused_and_leaves_nothing_behind() {
    let value = |len: usize| VarValue::parse("x".repeat(len)).expect("a value");
    let name = VarName::parse("LONGEST_NAME_OF_THEM_ALL").expect("a name");
    // `Variable: ` is 10 bytes, the name 24, `=` 1: 1022 in all is the largest line of Asterisk.
    for (len, fits) in [(987, true), (988, false)] {
        let mut call = originate();
        call.variables = vec![Variable {
            name: name.clone(),
            value: value(len),
        }];
        let mut out = b"before".to_vec();
        let result = Action::Originate(Box::new(call)).encode(&ActionId::new(1), &mut out);
        assert_eq!(result.is_ok(), fits, "{len}");
        assert_eq!(out == b"before", !fits, "{len}");
    }
}

#[test]
fn more_than_128_headers_are_refused() {
    let variable = Variable::channel("A", "1").expect("a variable");
    let fixed = encode(&Action::Originate(Box::new(Originate {
        variables: Vec::new(),
        ..originate()
    })))
    .expect("within the limits")
    .lines()
    .filter(|line| !line.is_empty())
    .count();
    for (count, fits) in [(128 - fixed, true), (129 - fixed, false)] {
        let call = Originate {
            variables: vec![variable.clone(); count],
            ..originate()
        };
        assert_eq!(
            encode(&Action::Originate(Box::new(call))).is_ok(),
            fits,
            "{count}"
        );
    }
}

#[test]
fn the_md5_challenge_is_answered_with_challenge_and_secret() {
    let mut peer = Peer::new(config());
    peer.log_in();
    // md5("42s3cret")
    assert!(
        peer.written
            .contains("\r\nKey: ab35787319fcffb0ce02b404ba6e7eda\r\n"),
        "{}",
        peer.written
    );
    assert!(!peer.written.contains("s3cret"));
}

#[test]
fn a_plain_login_is_one_step() {
    let mut peer = Peer::new(Config {
        auth: Auth::Plain,
        ..config()
    });
    peer.session.handle_connected(peer.now);
    peer.give("Asterisk Call Manager/11.0.0\r\n");
    let wanted = "Action: Login\r\nActionID: ife-1\r\nUsername: ife\r\nSecret: s3cret\r\n\r\n";
    assert_eq!(peer.written, wanted);
    assert!(!format!("{:?}", peer.session).contains("s3cret"));
}

#[test]
fn the_announcer_is_not_a_participant() {
    let mut peer = Peer::new(config());
    peer.log_in();
    let id = peer.last_id();
    peer.give(&format!(
        "Response: Success\r\nActionID: {id}\r\nEventList: start\r\n\r\n"
    ));
    for (channel, uniqueid) in [
        ("PJSIP/a-1", "a"),
        ("CBAnn/r1-0;1", "b"),
        ("CBAnn/r1-0;2", "c"),
    ] {
        peer.give(&format!(
            "Event: CoreShowChannel\r\nActionID: {id}\r\nChannel: {channel}\r\n\
             Uniqueid: {uniqueid}\r\n\r\n"
        ));
    }
    peer.give(&format!(
        "Event: CoreShowChannelsComplete\r\nActionID: {id}\r\nEventList: Complete\r\n\r\n"
    ));
    let id = peer.last_id();
    peer.give(&format!(
        "Response: Success\r\nActionID: {id}\r\nEventList: start\r\n\r\n"
    ));
    peer.give(&format!(
        "Event: ConfbridgeListRooms\r\nActionID: {id}\r\nConference: r1\r\nParties: 2\r\n\r\n"
    ));
    peer.give(&format!(
        "Event: ConfbridgeListRoomsComplete\r\nActionID: {id}\r\nEventList: Complete\r\n\r\n"
    ));
    let id = peer.last_id();
    peer.give(&format!(
        "Response: Success\r\nActionID: {id}\r\nEventList: start\r\n\r\n"
    ));
    peer.give(&format!(
        "Event: ConfbridgeList\r\nActionID: {id}\r\nConference: r1\r\nChannel: PJSIP/a-1\r\n\
         Uniqueid: a\r\nMuted: Yes\r\n\r\n"
    ));
    peer.give(&format!(
        "Event: ConfbridgeListComplete\r\nActionID: {id}\r\nEventList: Complete\r\n\r\n"
    ));
    let Some(Output::Snapshot(snapshot)) = peer.outputs.last() else {
        panic!("{:?}", peer.outputs)
    };
    assert_eq!(snapshot.rooms[0].members.len(), 1);
    assert!(snapshot.rooms[0].members[0].muted);
}

#[test]
fn a_header_that_a_peer_slipped_in_is_not_acted_on() {
    let text = "Event: Hangup\nChannel: PJSIP/a-1\nUniqueid: mine\nCallerIDName: x\n\
                Uniqueid: yours\nCause: 16\n\n";
    assert_eq!(parse(text), Err(EventProblem::Repeated("Uniqueid")));
}

#[test]
fn causes_beyond_q850_are_unknown() {
    for (cause, wanted) in [
        ("16", 16),
        ("0", 0),
        ("127", 127),
        ("128", 0),
        ("300", 0),
        ("99999999999", 0),
    ] {
        let text = format!("Event: Hangup\nChannel: PJSIP/a-1\nUniqueid: a\nCause: {cause}\n\n");
        let Event::Hangup { cause, .. } = event(&text) else {
            panic!("{text}")
        };
        assert_eq!(cause, wanted);
    }
}

#[test]
fn values_that_are_not_utf8_are_kept_and_cannot_forge_a_log_line() {
    let mut decoder = Decoder::after_banner(Limits::default());
    decoder.push(
        b"Event: Newchannel\r\nChannel: OOH323/\xff-1\r\nUniqueid: a\r\n\
          Context: \xfe\x1b[2J\r\n\r\n",
    );
    let Ok(Some(Frame::Message(message))) = decoder.next_frame() else {
        panic!("a message")
    };
    let Ok(Some(Event::Newchannel(channel))) = Event::parse(b"Newchannel", message) else {
        panic!("a channel")
    };
    assert_eq!(channel.context.as_bytes(), b"\xfe\x1b[2J");
    assert!(format!("{channel:?} {}", channel.context).is_ascii());
    assert!(!format!("{channel:?}").contains('\x1b'));
}

#[test]
fn an_action_is_never_sent_twice() {
    let mut peer = Peer::up();
    let id = peer
        .session
        .submit(peer.now, &Action::Originate(Box::new(originate())))
        .expect("up");
    peer.drain();
    peer.close(0);
    assert!(peer.outputs.contains(&Output::Answer {
        id,
        outcome: Outcome::Lost
    }));
    peer.wait(Duration::from_secs(1));
    peer.log_in();
    assert_eq!(peer.written.matches("Action: Originate").count(), 1);
}

#[test]
fn nothing_is_sent_before_the_login() {
    let mut peer = Peer::new(config());
    assert_eq!(
        peer.session.submit(peer.now, &Action::Ping),
        Err(SubmitError::NotUp)
    );
    assert_eq!(
        peer.session.submit(peer.now, &Action::Challenge),
        Err(SubmitError::Reserved)
    );
}
