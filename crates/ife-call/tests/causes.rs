//! The table of causes agrees with itself, with the RFC and with measurements.

use ife_call::Cause;
use ife_call::cause::{CAUSES, Class, FROM_H225, FROM_SIP, REPLIES, Stage};

#[test]
fn rows_ascend_so_that_they_can_be_searched() {
    assert!(CAUSES.windows(2).all(|pair| pair[0].cause < pair[1].cause));
    assert!(FROM_SIP.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(CAUSES[0].cause, 0);
}

#[test]
fn what_is_set_before_the_answer_never_becomes_a_global_failure() {
    for value in 0..=255 {
        let set = Cause::seen(value).to_set(Stage::BeforeAnswer);
        let row = CAUSES
            .iter()
            .find(|row| row.cause == set.value())
            .expect("a cause that is set has a row");
        assert!(
            row.asterisk != 0,
            "cause {value} sets {set:?}, which was not measured"
        );
        assert!(
            (400..600).contains(&row.asterisk),
            "cause {value} sets {set:?}, which gives {}",
            row.asterisk
        );
    }
    for (_, name, _, set) in FROM_H225 {
        let row = CAUSES
            .iter()
            .find(|row| row.cause == *set)
            .expect("a cause that is set has a row");
        assert!((400..600).contains(&row.asterisk), "{name}");
    }
}

#[test]
fn setting_is_stable() {
    for value in 0..=127 {
        let set = Cause::seen(value).to_set(Stage::BeforeAnswer);
        assert_eq!(set.to_set(Stage::BeforeAnswer), set, "cause {value}");
    }
}

#[test]
fn an_answered_leg_ends_with_16_whatever_was_seen() {
    assert!((0..=255).all(|value| Cause::seen(value).to_set(Stage::Answered) == Cause::NORMAL));
}

#[test]
fn the_conditions_of_the_gateway_set_what_was_decided() {
    let table = [
        ("called party not registered", 20, 3, 404),
        ("unreachable destination", 3, 3, 404),
        ("in conference, busy", 17, 17, 486),
        ("rejected, security denied", 21, 21, 403),
        ("no answer", 19, 19, 480),
        ("no bandwidth", 34, 42, 503),
        ("gatekeeper or gateway resources", 42, 42, 503),
        ("resources unspecified", 47, 42, 503),
        ("MCU unreachable", 0, 42, 503),
        ("temporary failure", 41, 42, 503),
        ("timer", 102, 42, 503),
        ("protocol error", 111, 42, 503),
        ("no common capability", 58, 58, 488),
        ("incompatible", 88, 58, 488),
        ("bad address", 28, 28, 484),
    ];
    for (condition, seen, set, status) in table {
        let found = Cause::seen(seen).to_set(Stage::BeforeAnswer);
        assert_eq!(found.value(), set, "{condition}");
        let row = CAUSES
            .iter()
            .find(|row| row.cause == set)
            .expect("a cause that is set has a row");
        assert_eq!(row.asterisk, status, "{condition}");
    }
}

#[test]
fn unknown_is_never_declined() {
    for value in [0, 16, 111, 127, 126, 200] {
        assert_eq!(Cause::seen(value).class(), Class::Unknown, "cause {value}");
    }
}

#[test]
fn sip_statuses_map_by_the_rfc_and_the_rest_is_31() {
    for (status, cause) in [
        (486, 17),
        (600, 17),
        (404, 1),
        (604, 1),
        (603, 21),
        (480, 18),
        (408, 102),
        (503, 41),
        (499, 31),
    ] {
        assert_eq!(Cause::from_sip(status).value(), cause, "status {status}");
    }
}

#[test]
fn causes_map_to_sip_by_the_rfc() {
    for (cause, status) in [
        (1, 404),
        (17, 486),
        (18, 408),
        (19, 480),
        (21, 403),
        (22, 410),
        (28, 484),
        (34, 503),
        (65, 488),
        (102, 504),
        (127, 500),
        (16, 503),
    ] {
        assert_eq!(Cause::seen(cause).sip(), status, "cause {cause}");
    }
}

#[test]
fn h225_reasons_are_numbered_by_their_place_and_map_to_known_causes() {
    for (at, (number, name, cause, set)) in FROM_H225.iter().enumerate() {
        assert_eq!(usize::from(*number), at, "{name}");
        assert!(CAUSES.iter().any(|row| row.cause == *cause), "{name}");
        assert_eq!(Cause::to_set_for_h225(*number).value(), *set, "{name}");
    }
    assert_eq!(Cause::to_set_for_h225(200), Cause::CONGESTION);
}

#[test]
fn replies_ascend_and_each_has_its_source() {
    let ascend = |pair: &[ife_call::cause::Reply]| pair[0].status < pair[1].status;
    assert!(REPLIES.windows(2).all(ascend));
    assert!(REPLIES.iter().all(|row| row.source.starts_with("RFC ")));
    assert!(REPLIES.iter().all(|row| (300..700).contains(&row.status)));
}

#[test]
fn only_a_person_declines() {
    let declined: Vec<u16> = REPLIES
        .iter()
        .filter(|row| row.class == Class::Declined)
        .map(|row| row.status)
        .collect();
    assert_eq!(declined, [603, 607]);
}
