//! Scope: which spellings of a URI name a party of the registry.

mod common;

use ife_guard::scope::{concerns, names_party};
use ife_guard::{Image, image, registry};

use common::yaml;

/// An image for a server that is also called `external.advisor` and 198.51.100.9.
fn compiled() -> Vec<u8> {
    let registry = registry::load(&yaml(), "registry.yaml").unwrap_or_else(|e| panic!("{e}"));
    image::compile_for(&registry, |host| is_own(host.as_bytes())).expect("small")
}

fn is_own(host: &[u8]) -> bool {
    [
        b"external.advisor" as &[u8],
        b"198.51.100.9",
        b"2001:db8::9",
    ]
    .contains(&host)
}

fn names(uri: &str) -> bool {
    let bytes = compiled();
    let image = Image::open(&bytes).expect("whole");
    names_party(&image, uri.as_bytes(), is_own)
}

#[test]
fn a_party_is_named_in_any_spelling() {
    for uri in [
        "sip:expert-safety@external.advisor",
        "SIPS:expert-safety@External.Advisor:5061;transport=tls",
        "sip:EXPERT-Safety@external.advisor",
        "sip:expert%2Dsafety@external.advisor",
        "sip:exp%65rt-safety@external.advisor.",
        "sip:expert-safety:secret@external.advisor",
        "sip:expert-safety;phone-context=x@external.advisor;user=phone",
        "\"Dr\" <sip:expert-safety@external.advisor>;tag=1",
        "sip:expert-safety@external.advisor;x=@elsewhere.example",
        "sip:expert-ANY@external.advisor",
        "sip:room-7@council.example",
        "sip:ROOM-%37@council.example",
    ] {
        assert!(names(uri), "{uri}");
    }
}

#[test]
fn a_user_of_this_server_is_the_same_at_each_of_its_names() {
    for uri in [
        "sip:expert-safety@198.51.100.9",
        "sip:Ethics@198.51.100.9:5080",
        "sip:expert-9@[2001:DB8:0::9]",
    ] {
        let expected = !uri.contains('[') || is_own(b"2001:DB8:0::9");
        assert_eq!(names(uri), expected, "{uri}");
    }
    assert!(names("sip:expert-9@[2001:db8::9]"));
    assert!(
        !names("sip:council@198.51.100.9"),
        "its host is another server's"
    );
    assert!(!names("sip:expert-safety@192.0.2.77"), "not this server");
}

#[test]
fn others_are_not_named() {
    for uri in [
        "",
        "sip:",
        "sip:@",
        "sip:external.advisor",
        "sip:alice@external.advisor",
        "sip:expert-safety@elsewhere.example",
        "sip:xexpert-safety@external.advisor",
        "tel:+15551234",
        "sip:caf\u{e9}@external.advisor",
        "sip:expert-safety%00@external.advisor.evil",
        "sip:a%@h",
        "sip:alice@[::1",
        "<sip:alice@elsewhere.example",
    ] {
        assert!(!names(uri), "{uri}");
    }
    assert!(!names(&format!(
        "sip:{}@external.advisor",
        "a".repeat(2000)
    )));
}

#[test]
fn the_visual_separators_of_a_number_are_ignored() {
    let yaml = yaml().replace(
        "sip:ethics@external.advisor",
        "sip:+15550100@external.advisor",
    );
    let registry = registry::load(&yaml, "registry.yaml").unwrap_or_else(|e| panic!("{e}"));
    let bytes = image::compile(&registry).expect("small");
    let image = Image::open(&bytes).expect("whole");
    for (user, expected) in [
        ("+1-555-0100", true),
        ("+1(555)0100;isub=1", true),
        ("%2B15550100", true),
        ("+1-555-0101", false),
    ] {
        let uri = format!("sip:{user}@external.advisor;user=phone");
        assert_eq!(
            names_party(&image, uri.as_bytes(), |_| false),
            expected,
            "{uri}"
        );
    }
}

#[test]
fn a_message_concerns_a_party_by_any_of_its_parts() {
    let bytes = compiled();
    let image = Image::open(&bytes).expect("whole");
    let (alice, expert) = (
        b"sip:alice@elsewhere.example" as &[u8],
        b"sip:ethics@external.advisor" as &[u8],
    );
    let asks = |header, from, targets: [&[u8]; 2]| concerns(&image, header, from, targets, is_own);
    assert!(!asks(false, alice, [alice, b""]));
    assert!(asks(true, alice, [alice, b""]), "a header of the gate");
    assert!(asks(false, expert, [alice, b""]), "From");
    assert!(asks(false, alice, [expert, b""]), "Request-URI");
    assert!(asks(false, alice, [alice, expert]), "Route");
    assert!(asks(false, b"", [alice, b""]), "unreadable");
}
