//! Entries are canonical JSON according to another implementation of RFC 8785, and always fit.

use ife_witness::entry::{
    Direction, ENTRY_SIZE_MAX, Entry, EntryError, Event, Evidence, Gap, NUMBER_MAX, Omitted,
    encode, leaf_hash,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

const EVIDENCE: Evidence<'_> = Evidence {
    session: Some("s\"1"),
    peer: Some(1),
    binding: None,
    key: None,
    manifest: Some("ab"),
    files: None,
    bytes: None,
    file: Some(0),
    name: None,
    size: None,
    sha256: None,
    verified: Some(&[0, 2]),
    failed: Some(&[]),
    receipt: None,
    error: Some("unavailable"),
};

fn full<'a>(text: &'a [u8], sdp: &'a [u8]) -> Entry<'a> {
    Entry {
        trace_id: Some(text),
        call_id: Some(text),
        cseq: Some(u32::MAX),
        direction: Some(Direction::ToCouncil),
        from: Some(text),
        to: Some(text),
        ruri: Some(text),
        peer: Some(text),
        hazard: Some(text),
        approved: Some(true),
        gate: Some("signature"),
        code: Some(438),
        reason: Some(text),
        kid: Some(text),
        expert: Some(text),
        sdp: Some(sdp),
        message_sha256: Some([0xab; 32]),
        evidence: Some(&EVIDENCE),
        detail: Some(text),
        cause: Some(17),
        attempt: Some(1),
        state: Some("connected"),
        room: Some(text),
        guardian: Some(text),
        gap: Some(Gap {
            producer: "kamailio-3",
            epoch: 4,
            first_seq: 0,
            count: NUMBER_MAX,
        }),
        omitted: Some(Omitted {
            count: 12,
            first_unix_ns: 1,
            last_unix_ns: 2_000_000_000,
        }),
        ..Entry::new(
            1_798_761_599_120_000_001,
            "node-1",
            "kamailio-3",
            NUMBER_MAX,
            17,
            Event::Approved,
        )
    }
}

fn encoded(entry: &Entry<'_>) -> (Vec<u8>, Value) {
    let mut out = b"left over".to_vec();
    encode(entry, &mut out).expect("encodes");
    let value: Value = serde_json::from_slice(&out).expect("is JSON");
    let canonical = serde_json_canonicalizer::to_vec(&value).expect("canonicalises");
    assert_eq!(
        String::from_utf8_lossy(&out),
        String::from_utf8_lossy(&canonical)
    );
    (out, value)
}

#[test]
fn bytes_are_those_of_another_rfc_8785_implementation() {
    let texts: [&[u8]; 6] = [
        b"",
        b"sip:a@b.example",
        b"\x00\x08\x0b\x1f\"\\/\x7f\r\n",
        b"\xff\xfe\xc0\x80",
        "\u{e9}\u{20ac}\u{1f600}\u{2028}".as_bytes(),
        b"cut \xf0\x9f\x98",
    ];
    for text in texts {
        for sdp in texts {
            encoded(&full(text, sdp));
        }
        for event in Event::ALL {
            encoded(&Entry {
                detail: Some(text),
                ..Entry::new(1, "n", "p", 0, 0, event)
            });
        }
    }
}

#[test]
fn absent_fields_are_absent_and_present_ones_have_their_names() {
    let (bytes, _) = encoded(&Entry::new(0, "n", "p", 1, 2, Event::Start));
    let expected = concat!(
        r#"{"epoch":1,"event":"START","node":"n","producer":"p","seq":2,"#,
        r#""time":"1970-01-01T00:00:00.000000000Z","v":1}"#
    );
    assert_eq!(String::from_utf8_lossy(&bytes), expected);

    let (_, value) = encoded(&full(b"x", b"v=0"));
    assert_eq!(value["verdict"], "approved");
    assert_eq!(value["direction"], "to_council");
    assert_eq!(value["gap"]["count"], NUMBER_MAX);
    assert_eq!(value["evidence"]["verified"], serde_json::json!([0, 2]));
    assert_eq!(
        value["omitted"]["last"], "1970-01-01T00:00:02.000000000Z",
        "{value}"
    );
    assert_eq!(value["sdp_sha256"], hex(&Sha256::digest(b"v=0")));
    assert_eq!(value["message_sha256"], "ab".repeat(32));
    assert_eq!(value.as_object().map(serde_json::Map::len), Some(34));
}

#[test]
fn sdp_is_cut_first_and_its_hash_stays_that_of_the_whole() {
    for (unit, len) in [("a=x\r\n", 4_000), ("\u{20ac}", 6_000), ("\u{1}", 20_000)] {
        let sdp = unit.repeat(len);
        let entry = full(b"sip:a@b.example", sdp.as_bytes());
        let mut out = Vec::new();
        let done = encode(&entry, &mut out).expect("encodes");
        assert!(done.sdp_truncated && !done.fields_truncated);
        let (bytes, value) = encoded(&entry);
        assert!(
            bytes.len() <= ENTRY_SIZE_MAX && bytes.len() > ENTRY_SIZE_MAX - 8,
            "{}",
            bytes.len()
        );
        assert!(sdp.starts_with(value["sdp"].as_str().expect("text")));
        assert_eq!(value["sdp_truncated"], true);
        assert_eq!(value["sdp_sha256"], hex(&Sha256::digest(&sdp)));
        assert_eq!(value["from"], "sip:a@b.example");
    }
}

#[test]
fn the_largest_sdp_that_fits_is_whole() {
    let sdp_len = |sdp: &str| encoded(&full(b"x", sdp.as_bytes())).0.len();
    let fits = ENTRY_SIZE_MAX - sdp_len("");
    assert_eq!(sdp_len(&"s".repeat(fits)), ENTRY_SIZE_MAX);
    let (bytes, value) = encoded(&full(b"x", "s".repeat(fits + 1).as_bytes()));
    assert!(bytes.len() <= ENTRY_SIZE_MAX);
    assert_eq!(value["sdp_truncated"], true);
}

#[test]
fn any_input_gives_an_entry_that_fits() {
    for byte in [b'a', 0x01, 0xff, b'"'] {
        let text = vec![byte; 70_000];
        let (text, sdp) = (text.as_slice(), text.as_slice());
        let wide = String::from_utf8_lossy(text);
        let ids = [u32::MAX; 1_000];
        let evidence = Evidence {
            session: Some(&wide),
            peer: Some(NUMBER_MAX),
            binding: Some(&wide),
            key: Some(&wide),
            manifest: Some(&wide),
            files: Some(u32::MAX),
            bytes: Some(NUMBER_MAX),
            file: Some(u32::MAX),
            name: Some(&wide),
            size: Some(NUMBER_MAX),
            sha256: Some(&wide),
            verified: Some(&ids),
            failed: Some(&ids),
            receipt: Some(&wide),
            error: Some(&wide),
        };
        let (bytes, value) = encoded(&Entry {
            evidence: Some(&evidence),
            choice: Some(text),
            text_sha256: Some([0; 32]),
            ..full(text, sdp)
        });
        assert!(bytes.len() <= ENTRY_SIZE_MAX, "{}", bytes.len());
        assert_eq!(value["fields_truncated"], true);
        assert_eq!(value["event"], "APPROVED");
    }
}

#[test]
fn numbers_that_json_would_round_are_refused() {
    let entry = Entry::new(0, "n", "p", NUMBER_MAX + 1, 0, Event::Start);
    let error = encode(&entry, &mut Vec::new()).expect_err("too large");
    assert_eq!(
        error,
        EntryError::NumberTooLarge {
            field: "epoch",
            value: NUMBER_MAX + 1
        }
    );
}

#[test]
fn leaf_hash_is_that_of_rfc_6962() {
    // RFC 6962 2.1; the hash of the empty leaf is the one in certificate-transparency-go's tests.
    assert_eq!(
        hex(&leaf_hash(b"")),
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
