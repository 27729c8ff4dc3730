//! Records of approved calls.

use std::net::IpAddr;

use ife_guard::{CallKey, Direction, Text, Transport};

use super::{BOOT_S, Dir, fresh};
use crate::shared::Shared;
use crate::shared::calls::{Begin, Begun, Call, CallRef, Known, Lease, NextHop, Side, Stage, Tags};
use crate::shared::quota::Seat;
use crate::shared::step::testing::with_hook;

const NOW_S: u64 = BOOT_S;

fn begin(shared: &Shared, call_id: &str, tag: &str) -> Option<Begun> {
    let key = CallKey::new(call_id.as_bytes(), tag.as_bytes());
    let seat = Seat::from_word(1).expect("not 0");
    match shared.calls().begin(&key, 42, seat, NOW_S + 240, NOW_S) {
        Begin::Begun(begun) => Some(begun),
        Begin::Already | Begin::Full => None,
    }
}

pub(super) fn call(trace_id: &str) -> Call {
    Call {
        connected: false,
        ended: false,
        is_end_logged: false,
        entry: None,
        witnessed: 0,
        direction: Some(Direction::ToExpert),
        cseq: 7,
        seq: 99,
        leaf_hash: [5; 32],
        trace_id: Text::of(trace_id),
        hazard: Text::of("safety"),
        expert: Text::of("expert-safety@external.advisor"),
        kid: Text::of("council-2026a"),
    }
}

fn published(shared: &Shared, call_id: &str, tag: &str) -> CallRef {
    let begun = begin(shared, call_id, tag).expect("begun");
    shared
        .calls()
        .publish(begun, &call("trace-12345"), 600)
        .expect("published")
}

#[test]
fn a_call_is_found_with_everything_it_was_published_with() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    published(&shared, "id1", "tag1");
    let (_, found) = shared
        .calls()
        .find_caller(b"id1", b"tag1", NOW_S)
        .expect("found");
    assert_eq!(found, call("trace-12345"));
    assert!(shared.calls().find_caller(b"id1", b"tag2", NOW_S).is_none());
    assert!(shared.calls().find_caller(b"id2", b"tag1", NOW_S).is_none());
    assert!(shared.calls().find_call_id(b"id1", NOW_S + 240).is_some());
    assert!(shared.calls().find_call_id(b"id1", NOW_S + 241).is_none());
    assert_eq!(shared.calls().active(NOW_S), 1);
}

#[test]
fn the_longest_texts_fit() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let mut long = call(&"t".repeat(128));
    long.hazard = Text::of(&"h".repeat(32));
    long.expert = Text::of(&"e".repeat(128));
    long.kid = Text::of(&"k".repeat(64));
    let begun = begin(&shared, "id1", "tag1").expect("begun");
    shared
        .calls()
        .publish(begun, &long, 600)
        .expect("published");
    assert_eq!(
        shared.calls().find_call_id(b"id1", NOW_S).expect("found").1,
        long
    );
}

#[test]
fn a_pending_call_is_not_found_and_begins_once() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let begun = begin(&shared, "id1", "tag1").expect("begun");
    assert!(begin(&shared, "id1", "tag1").is_none());
    assert!(shared.calls().find_call_id(b"id1", NOW_S).is_none());
    shared
        .calls()
        .publish(begun, &call("trace-12345"), 600)
        .expect("published");
    assert!(begin(&shared, "id1", "tag1").is_none());
}

#[test]
fn a_dialog_needs_the_callers_tag_and_one_that_the_callee_was_seen_with() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let call_ref = published(&shared, "id1", "caller");
    let calls = shared.calls();
    let find = |from: &str, to: &str| {
        calls
            .find_dialog(
                b"id1",
                Tags {
                    from: from.as_bytes(),
                    to: to.as_bytes(),
                },
                NOW_S,
            )
            .is_some()
    };
    assert!(!find("caller", "callee"));
    assert_eq!(calls.learn_dialog(call_ref, b"callee", false), Some(0));
    assert_eq!(calls.learn_dialog(call_ref, b"callee", false), Some(0));
    assert_eq!(calls.learn_dialog(call_ref, b"", false), None);
    calls.set_stage(call_ref, 0, Stage::Confirmed);
    assert!(find("caller", "callee"));
    assert!(find("callee", "caller"));
    for (from, to) in [
        ("caller", "other"),
        ("other", "callee"),
        ("caller", "caller"),
        ("callee", "callee"),
        ("caller", ""),
    ] {
        assert!(!find(from, to), "{from} {to}");
    }
    for branch in ["b2", "b3", "b4", "b5"] {
        calls.learn_dialog(call_ref, branch.as_bytes(), false);
    }
    assert!(
        find("caller", "b4") && !find("caller", "b5"),
        "four branches are remembered"
    );
    assert!(calls.learn_dialog(call_ref, b"b6", true).is_some());
    assert!(
        find("caller", "b6") && find("caller", "callee"),
        "the branch that answers always is, and takes no place of another that did"
    );
}

#[test]
fn a_party_is_known_where_it_was_heard_and_where_its_contact_names() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let call_ref = published(&shared, "id1", "caller");
    let caller = shared.calls().party(call_ref, Side::Caller);
    let ip = |last: u8| IpAddr::from([192, 0, 2, last]);
    caller.announce(ip(9));
    assert_eq!(caller.knows(ip(9)), Known::Announced);
    assert_eq!(caller.knows(ip(1)), Known::No);
    for last in 1..=3 {
        caller.hear(ip(last));
    }
    caller.hear(ip(4));
    assert_eq!(caller.knows(ip(4)), Known::Heard);
    assert_eq!(
        caller.knows(ip(9)),
        Known::No,
        "what was heard displaces what was named"
    );
    caller.hear(ip(5));
    assert_eq!(caller.knows(ip(1)), Known::Heard, "the first places stay");
    assert_eq!(caller.knows(ip(5)), Known::Heard);
    assert!(shared.calls().is_heard(ip(5), NOW_S));
    assert!(!shared.calls().is_heard(ip(9), NOW_S));
    let other = shared.calls().party(call_ref, Side::Callee(0));
    assert_eq!(other.knows(ip(1)), Known::No);
}

#[test]
fn a_next_hop_is_whole_or_absent() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let call_ref = published(&shared, "id1", "caller");
    let party = shared.calls().party(call_ref, Side::Caller);
    assert_eq!(party.next_hop(), None);
    for (address, transport) in [
        ("192.0.2.1:5060", Transport::Udp),
        ("[2001:db8::1]:65535", Transport::Wss),
    ] {
        let hop = NextHop {
            address: address.parse().expect("an address"),
            transport,
            is_named: transport == Transport::Udp,
        };
        party.set_next_hop(hop);
        assert_eq!(party.next_hop(), Some(hop));
    }
    // A worker killed between two words leaves a mixture, which is not read as an address.
    let hop = NextHop {
        address: "203.0.113.7:5060".parse().expect("an address"),
        transport: Transport::Udp,
        is_named: true,
    };
    let mut steps = 0;
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        with_hook(
            move || {
                steps += 1;
                if steps == 3 {
                    panic!("killed");
                }
            },
            || party.set_next_hop(hop),
        );
    }));
    assert!(outcome.is_err());
    assert_eq!(party.next_hop(), None);
    party.set_next_hop(hop);
    assert_eq!(party.next_hop(), Some(hop));
}

#[test]
fn an_answered_call_lasts_and_an_ended_one_lingers() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let call_ref = published(&shared, "id1", "tag1");
    let calls = shared.calls();
    assert_eq!(
        calls
            .connect(call_ref, NOW_S + 100)
            .map(|lease| lease.expires_s),
        Some(NOW_S + 700)
    );
    let (call_ref, found) = calls.find_call_id(b"id1", NOW_S + 700).expect("found");
    assert!(found.connected);
    assert!(calls.end(call_ref, NOW_S + 200).is_some());
    let (_, found) = calls.find_call_id(b"id1", NOW_S + 232).expect("lingers");
    assert!(found.ended);
    assert!(calls.find_call_id(b"id1", NOW_S + 233).is_none());
    assert_eq!(calls.active(NOW_S + 200), 0);
    assert!(
        begin(&shared, "id1", "tag1").is_some(),
        "the same call may be tried again"
    );
}

#[test]
fn a_lease_is_only_moved_the_way_it_should_go() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let calls = shared.calls();
    published(&shared, "id1", "tag1");
    let call_ref = || calls.find_call_id(b"id1", NOW_S).expect("found").0;
    let ends = |lease: Option<Lease>| lease.map(|lease| lease.expires_s);
    assert_eq!(ends(calls.prolong(call_ref(), NOW_S + 200)), None);
    assert_eq!(
        ends(calls.prolong(call_ref(), NOW_S + 300)),
        Some(NOW_S + 300)
    );
    assert_eq!(ends(calls.shorten(call_ref(), NOW_S + 400)), None);
    assert_eq!(
        ends(calls.shorten(call_ref(), NOW_S + 32)),
        Some(NOW_S + 32)
    );
    assert!(calls.find_call_id(b"id1", NOW_S + 33).is_none());
}

#[test]
fn lingering_records_never_keep_a_new_call_out() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    for n in 0..2000 {
        let call_ref = published(&shared, &format!("id{n}"), "tag");
        shared.calls().end(call_ref, NOW_S);
    }
}

#[test]
fn a_full_table_says_so() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let begun = (0..2000)
        .filter(|n| begin(&shared, &format!("id{n}"), "tag").is_some())
        .count();
    assert!((230..=256).contains(&begun), "{begun} of 256");
}

#[test]
fn an_aborted_call_leaves_nothing() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let call_ref = published(&shared, "id1", "tag1");
    assert!(shared.calls().abort(call_ref).is_some());
    assert!(shared.calls().find_call_id(b"id1", NOW_S).is_none());
    assert!(begin(&shared, "id1", "tag1").is_some());
}
