//! The model of channels and rooms under events, gaps and resyncs.

// Tests pick single cases out of many.
#![allow(clippy::wildcard_enum_match_arm)]

use ife_ami::Model;
use ife_ami::event::Event;
use ife_ami::model::{Change, Member, Room, Snapshot};
use ife_ami::session::{GapReason, Output};
use ife_ami::value::{RoomName, Uniqueid};
use ife_ami::wire::{Decoder, Frame, Kind, Limits, SkipReason};

struct Bench {
    model: Model,
    changes: Vec<Change>,
}

fn parse(text: &str) -> Event {
    let mut decoder = Decoder::after_banner(Limits::default());
    decoder.push(text.as_bytes());
    let Ok(Some(Frame::Message(message))) = decoder.next_frame() else {
        panic!("a message: {text}")
    };
    let Kind::Event(name) = message.kind() else {
        panic!("an event: {text}")
    };
    let event = Event::parse(name, message).expect("well-formed");
    event.expect("an event that the model knows")
}

fn room(name: &str) -> RoomName {
    RoomName::parse(name).expect("a name")
}

fn id(name: &str) -> Uniqueid {
    Uniqueid::parse(name).expect("an id")
}

/// A channel event: name, unique id, state, further headers.
fn event(name: &str, uniqueid: &str, state: u8, more: &str) -> Event {
    parse(&format!(
        "Event: {name}\nChannel: PJSIP/{uniqueid}\nUniqueid: {uniqueid}\n\
         ChannelState: {state}\n{more}\n"
    ))
}

fn channel(uniqueid: &str, state: u8) -> ife_ami::event::Channel {
    let Event::Newchannel(channel) = event("Newchannel", uniqueid, state, "") else {
        panic!("a channel")
    };
    channel
}

fn snapshot(channels: &[(&str, u8)], members: &[&str]) -> Snapshot {
    let channels: Vec<_> = channels
        .iter()
        .map(|(uniqueid, state)| channel(uniqueid, *state))
        .collect();
    let members: Vec<_> = members
        .iter()
        .map(|uniqueid| Member {
            channel: channel(uniqueid, 6),
            muted: false,
        })
        .collect();
    let rooms = if members.is_empty() {
        Vec::new()
    } else {
        vec![Room {
            name: room("r1"),
            members,
        }]
    };
    Snapshot {
        channels,
        rooms,
        unreadable: 0,
    }
}

impl Bench {
    fn new() -> Self {
        Bench {
            model: Model::new(),
            changes: Vec::new(),
        }
    }

    fn give(&mut self, output: Output) -> &mut Self {
        self.model.apply(&output, &mut self.changes);
        self
    }

    fn event(&mut self, event: Event) -> &mut Self {
        self.give(Output::Event(event))
    }

    fn resync(&mut self, snapshot: Snapshot) -> &mut Self {
        self.give(Output::ResyncStarted)
            .give(Output::Snapshot(Box::new(snapshot)))
    }

    /// Returns the changes since the last call, as words.
    fn look(&mut self) -> Vec<String> {
        let word = |change: Change| match change {
            Change::Appeared(channel) => format!("appeared {}", channel.uniqueid),
            Change::Ringing(id) => format!("ringing {id}"),
            Change::Up(id) => format!("up {id}"),
            Change::Leaving { uniqueid, .. } => format!("leaving {uniqueid}"),
            Change::Gone { channel, cause, .. } => format!("gone {} {cause:?}", channel.uniqueid),
            Change::NoChannel(id) => format!("none {id}"),
            Change::Joined { uniqueid, room } => format!("joined {uniqueid} {room}"),
            Change::Left { uniqueid, room } => format!("left {uniqueid} {room}"),
            Change::RoomStarted(room) => format!("started {room}"),
            Change::RoomEnded(room) => format!("ended {room}"),
            Change::InStep => "in step".to_owned(),
        };
        self.changes.drain(..).map(word).collect()
    }
}

const ROOM: &str = "Conference: r1\n";

#[test]
fn a_call_by_events() {
    let mut bench = Bench::new();
    bench
        .event(event("Newchannel", "a", 0, ""))
        .event(event("Newstate", "a", 5, ""))
        .event(event("Newstate", "a", 6, ""));
    bench
        .event(event("ConfbridgeJoin", "a", 6, ROOM))
        .event(event("HangupRequest", "a", 6, ""));
    bench
        .event(event("ConfbridgeLeave", "a", 6, ROOM))
        .event(parse("Event: ConfbridgeEnd\nConference: r1\n\n"));
    bench.event(event("Hangup", "a", 6, "Cause: 16\n"));
    let wanted = [
        "appeared a",
        "ringing a",
        "up a",
        "started r1",
        "joined a r1",
        "leaving a",
        "left a r1",
        "ended r1",
        "gone a Some(16)",
    ];
    assert_eq!(bench.look(), wanted);
    assert_eq!(
        bench.model.channels().count() + bench.model.rooms().count(),
        0
    );
}

#[test]
fn ringing_of_channel_or_dial_is_one_change() {
    let dial = "Event: DialState\nDestChannel: PJSIP/a\nDestUniqueid: a\nDestChannelState: 0\n\
                DialStatus: RINGING\n\n";
    for order in [[0, 1], [1, 0]] {
        let mut bench = Bench::new();
        bench.event(event("Newchannel", "a", 0, ""));
        for step in order {
            bench.event(if step == 0 {
                parse(dial)
            } else {
                event("Newstate", "a", 5, "")
            });
        }
        assert_eq!(bench.look(), ["appeared a", "ringing a"]);
        assert!(bench.model.is_ringing(&id("a")));
    }
}

#[test]
fn an_event_after_the_hangup_brings_no_channel_back() {
    let mut bench = Bench::new();
    bench
        .event(event("Newchannel", "a", 0, ""))
        .event(event("Hangup", "a", 0, "Cause: 17\n"));
    let dial = "Event: DialEnd\nDestChannel: PJSIP/a\nDestUniqueid: a\nDestChannelState: 0\n\
                DialStatus: BUSY\n\n";
    bench
        .event(parse(dial))
        .event(event("Newstate", "a", 6, ""))
        .event(event("ConfbridgeJoin", "a", 6, ROOM));
    assert_eq!(
        bench.look(),
        ["appeared a", "gone a Some(17)", "started r1"]
    );
    assert_eq!(bench.model.channels().count(), 0);
}

#[test]
fn an_answer_whose_event_was_missed_shows_in_the_hangup() {
    let mut bench = Bench::new();
    bench
        .event(event("Newchannel", "a", 0, ""))
        .event(event("Hangup", "a", 6, "Cause: 16\n"));
    assert_eq!(bench.look(), ["appeared a", "up a", "gone a Some(16)"]);
}

#[test]
fn a_late_event_does_not_take_an_answer_back() {
    let mut bench = Bench::new();
    bench
        .event(event("Newchannel", "a", 6, ""))
        .event(event("Newstate", "a", 5, ""));
    let known = bench.model.channel(&id("a")).expect("known");
    assert_eq!(known.channel.state, ife_ami::event::ChannelState::Up);
}

#[test]
fn a_resync_of_an_empty_model_reports_everything() {
    let mut bench = Bench::new();
    bench.resync(snapshot(&[("a", 6), ("b", 5)], &["a"]));
    assert_eq!(
        bench.look(),
        [
            "appeared a",
            "up a",
            "appeared b",
            "ringing b",
            "started r1",
            "joined a r1",
            "in step"
        ]
    );
}

#[test]
fn a_resync_without_differences_reports_none() {
    let mut bench = Bench::new();
    bench.resync(snapshot(&[("a", 6)], &["a"])).look();
    bench.resync(snapshot(&[("a", 6)], &["a"]));
    assert_eq!(bench.look(), ["in step"]);
}

#[test]
fn a_channel_missing_from_a_resync_ends_without_a_cause() {
    let mut bench = Bench::new();
    bench
        .resync(snapshot(&[("a", 6), ("b", 6)], &["a", "b"]))
        .look();
    bench.resync(snapshot(&[("b", 6)], &["b"]));
    assert_eq!(bench.look(), ["left a r1", "gone a None", "in step"]);
    bench.resync(snapshot(&[("b", 6)], &[]));
    assert_eq!(bench.look(), ["left b r1", "ended r1", "in step"]);
}

#[test]
fn events_during_a_resync_take_precedence_over_its_lists() {
    let mut bench = Bench::new();
    bench
        .resync(snapshot(&[("a", 6), ("b", 6), ("c", 5)], &["a", "b"]))
        .look();
    bench.give(Output::ResyncStarted);
    // After the lists were created, before they arrived completely:
    bench.event(event("Newchannel", "new", 0, ""));
    bench.event(event("Hangup", "a", 6, "Cause: 16\n"));
    bench.event(event("ConfbridgeLeave", "b", 6, ROOM));
    bench.event(event("Newstate", "c", 6, ""));
    assert_eq!(
        bench.look(),
        [
            "appeared new",
            "left a r1",
            "gone a Some(16)",
            "left b r1",
            "up c"
        ]
    );
    bench.give(Output::Snapshot(Box::new(snapshot(
        &[("a", 6), ("b", 6), ("c", 5)],
        &["a", "b"],
    ))));
    assert_eq!(bench.look(), ["in step"]);
    assert!(bench.model.channel(&id("a")).is_none());
    assert!(bench.model.channel(&id("new")).is_some());
    assert_eq!(
        bench
            .model
            .channel(&id("b"))
            .and_then(|known| known.room.clone()),
        None
    );
}

#[test]
fn a_join_between_two_lists_is_not_undone() {
    let mut bench = Bench::new();
    bench.event(event("Newchannel", "a", 6, "")).look();
    bench
        .give(Output::ResyncStarted)
        .event(event("ConfbridgeJoin", "a", 6, ROOM));
    bench.give(Output::Snapshot(Box::new(snapshot(&[("a", 6)], &[]))));
    assert_eq!(bench.look(), ["started r1", "joined a r1", "in step"]);
}

#[test]
fn a_channel_that_came_between_two_lists_is_there() {
    let mut bench = Bench::new();
    bench.resync(snapshot(&[], &["a"]));
    assert_eq!(
        bench.look(),
        ["started r1", "appeared a", "up a", "joined a r1", "in step"]
    );
}

#[test]
fn with_an_unreadable_row_nothing_is_held_to_be_gone() {
    let mut bench = Bench::new();
    bench.resync(snapshot(&[("a", 6)], &["a"])).look();
    bench.resync(Snapshot {
        unreadable: 1,
        ..Snapshot::default()
    });
    assert_eq!(bench.look(), ["in step"]);
    assert!(bench.model.channel(&id("a")).is_some());
}

#[test]
fn a_gap_discards_the_resync_before_it() {
    let mut bench = Bench::new();
    bench.resync(snapshot(&[("a", 6)], &[])).look();
    bench
        .give(Output::ResyncStarted)
        .event(event("Newstate", "a", 6, ""));
    bench.give(Output::Gap(GapReason::Skipped(SkipReason::Line)));
    bench.resync(snapshot(&[], &[]));
    assert_eq!(bench.look(), ["gone a None", "in step"]);
}

#[test]
fn a_channel_is_in_one_room() {
    let mut bench = Bench::new();
    bench
        .event(event("Newchannel", "a", 6, ""))
        .event(event("ConfbridgeJoin", "a", 6, ROOM))
        .look();
    bench.event(event("ConfbridgeJoin", "a", 6, "Conference: r2\n"));
    assert_eq!(bench.look(), ["started r2", "left a r1", "joined a r2"]);
    assert_eq!(
        bench.model.members(&room("r1")).map(Iterator::count),
        Some(0)
    );
    assert_eq!(
        bench.model.members(&room("r2")).map(Iterator::count),
        Some(1)
    );
    assert!(bench.model.members(&room("r3")).is_none());
}

#[test]
fn a_room_that_ends_takes_its_participants_out() {
    let mut bench = Bench::new();
    bench
        .event(event("Newchannel", "a", 6, ""))
        .event(event("ConfbridgeJoin", "a", 6, ROOM))
        .look();
    bench.event(parse("Event: ConfbridgeEnd\nConference: r1\n\n"));
    assert_eq!(bench.look(), ["left a r1", "ended r1"]);
}

#[test]
fn a_renamed_channel_keeps_its_identity() {
    let mut bench = Bench::new();
    bench.event(event("Newchannel", "a", 6, "")).event(parse(
        "Event: Rename\nUniqueid: a\nNewname: PJSIP/other\n\n",
    ));
    let known = bench.model.channel(&id("a")).expect("known");
    assert_eq!(known.channel.name.as_bytes(), b"PJSIP/other");
    assert_eq!(known.channel.name.driver(), b"PJSIP");
}
