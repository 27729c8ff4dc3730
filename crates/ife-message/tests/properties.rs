//! Parsers accept any bytes without a panic, and every value that they return is written in a form
//! that parses to the same value.

use ife_message::{
    AnySignature, Aor, Covered, Hazard, Kid, LegacySignature, PrivateKey, PublicKey, Received,
    SignatureHeader, SignedFields, TraceId, WitnessHash, json, sign,
};
use proptest::{collection::vec, prelude::*, sample::select};

/// Returns any bytes, and bytes like headers: fragments of the grammars in any order.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let fragments: Vec<&[u8]> = vec![
        b"v=1;",
        b"kid=",
        b"iat=",
        b"c=base",
        b",cid",
        b",sdp",
        b";sig=",
        b"ed25519:",
        b"sha256:",
        b"sip:",
        b"SIPS:",
        b"@",
        b"[::1]",
        b"%41",
        b"%",
        b";",
        b":5060",
        b"<",
        b">",
        b"\"",
        b"\\",
        b"\r\n ",
        b" ",
        b"\t",
        b"\0",
        b"\xff",
        b"example.com",
        b"1767225600",
        b"AAAA",
        b"ab01",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"id\":",
        b"1e999",
        b"IFE-PRIVATE-KEY-1 ",
        b"2026-01-01T00:00:00Z",
    ];
    prop_oneof![
        vec(any::<u8>(), 0..400),
        vec(select(fragments), 0..40).prop_map(|fragments| fragments.concat()),
    ]
}

fn covered() -> impl Strategy<Value = Covered> {
    select(vec![
        "base",
        "base,cid",
        "base,sdp",
        "base,cid,sdp",
        "base,sdp,cid",
    ])
    .prop_map(|text| text.parse().expect("a covered list"))
}

fn sixty_four() -> impl Strategy<Value = [u8; 64]> {
    vec(any::<u8>(), 64).prop_map(|bytes| bytes.try_into().expect("64 bytes"))
}

proptest! {
    #[test]
    fn no_parser_panics(bytes in hostile()) {
        let _ = TraceId::parse(&bytes);
        let _ = Hazard::parse(&bytes);
        let _ = Kid::parse(&bytes);
        let _ = WitnessHash::parse(&bytes);
        let _ = AnySignature::parse(&bytes);
        let _ = SignatureHeader::parse(&bytes);
        let _ = LegacySignature::parse(&bytes);
        let _ = Covered::parse(&bytes);
        let _ = Aor::parse(&bytes);
        let _ = PrivateKey::parse_file(&bytes);
        let _ = Received::parse(&bytes);
        let _ = sign::is_call_id(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let _ = text.parse::<PublicKey>();
        let _ = ife_words::time::is_rfc3339(&text);
    }

    #[test]
    fn a_signature_header_round_trips(
        kid in "[A-Za-z0-9._-]{1,64}", iat in 0..=sign::IAT_MAX,
        covered in covered(), sig in sixty_four(),
    ) {
        let header = SignatureHeader { kid: kid.parse().expect("kid"), iat, covered, sig };
        prop_assert_eq!(SignatureHeader::parse(header.to_string().as_bytes()), Ok(header));
    }

    #[test]
    fn there_is_one_spelling_of_a_signature_header(
        sig in sixty_four(), covered in covered(), at in 0usize..300, byte in any::<u8>(),
    ) {
        let header = SignatureHeader { kid: "k1".parse().expect("kid"), iat: 1, covered, sig };
        let mut text = header.to_string().into_bytes();
        let at = at % text.len();
        prop_assume!(text[at] != byte && !matches!(byte, b' ' | b'\t'));
        text[at] = byte;
        prop_assert_ne!(SignatureHeader::parse(&text), Ok(header));
    }

    #[test]
    fn an_address_of_record_is_its_own_address_of_record(
        user in "([A-Za-z0-9_.!~*'()&=+$,;?/-]|%[0-9A-Fa-f]{2}){1,40}",
        host in "([A-Za-z]{1,8}(\\.[A-Za-z][A-Za-z0-9]{0,8}){0,3}|\\[::[0-9a-fA-F]{1,4}\\]\
            |10\\.0\\.0\\.[1-9])",
        tail in "(:[1-9][0-9]{0,3})?(;lr)?(;x=y)?",
    ) {
        let aor = Aor::parse(format!("sip:{user}@{host}{tail}").as_bytes())
            .expect("an address of record");
        prop_assert_eq!(Aor::parse(aor.as_bytes()), Ok(aor));
        prop_assert_eq!(format!("sip:{}@{}", aor.user(), aor.host()), aor.as_str());
        let other = format!("\"x\" <SIPS:{user}@{}{tail}>;tag=1", host.to_uppercase());
        prop_assert_eq!(Aor::parse(other.as_bytes()), Ok(aor));
    }

    #[test]
    fn whatever_is_accepted_as_an_address_is_normal(bytes in hostile()) {
        if let Ok(aor) = Aor::parse(&bytes) {
            prop_assert_eq!(Aor::parse(aor.as_bytes()), Ok(aor));
            prop_assert!(aor.as_bytes().iter().all(u8::is_ascii_graphic));
        }
    }

    #[test]
    fn signed_bytes_have_one_line_for_each_field(
        trace in "[A-Za-z0-9._:-]{8,128}", hazard in "[a-z0-9_-]{1,32}",
        call_id in vec(any::<u8>(), 0..40), covered in covered(),
    ) {
        let (kid, caller) = ("k1".parse().expect("kid"), "sip:a@b".parse().expect("aor"));
        let fields = SignedFields {
            iat: 1, trace_id: &trace.parse().expect("trace id"),
            hazard: &hazard.parse().expect("hazard"), caller: &caller, callee: &caller,
            covered, call_id: &call_id, body_sha256: Some([0; 32]),
        };
        let mut bytes = Vec::new();
        if sign::canonical_bytes(&kid, &fields, &mut bytes).is_ok() {
            let lines = bytes.iter().filter(|&&b| b == b'\n').count();
            prop_assert_eq!(lines, 7 + covered.parts().count());
            prop_assert_eq!(bytes.last(), Some(&b'\n'));
        }
    }

    #[test]
    fn a_signature_verifies_and_no_altered_message_does(
        seed in any::<[u8; 32]>(), message in vec(any::<u8>(), 1..200), at in any::<usize>(),
    ) {
        let key = PrivateKey::from_seed("k", &seed).expect("key");
        let sig = key.sign(&message);
        prop_assert!(key.public_key().verify_strict(&message, &sig).is_ok());
        let mut altered = message.clone();
        let at = at % altered.len();
        altered[at] ^= 1;
        prop_assert!(key.public_key().verify_strict(&altered, &sig).is_err());
    }

    #[test]
    fn a_canonical_form_is_its_own_canonical_form(
        text in "\\PC{0,40}", number in any::<f64>(), key in "[a-z\\u{80}-\\u{2000}]{1,8}",
    ) {
        prop_assume!(number.is_finite() && (number.fract() != 0.0 || number.abs() < 9e15));
        let value = serde_json::json!({ key: [text, number], "z": null });
        let canonical = json::canonical(&value).expect("canonical");
        let again = json::parse(&canonical, 1 << 20).expect("reads");
        prop_assert_eq!(json::canonical(&again).expect("canonical"), canonical);
    }
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    let deep = "[".repeat(100_000);
    assert!(json::parse(deep.as_bytes(), 1 << 20).is_err());
}

#[test]
fn a_private_key_does_not_show_itself() {
    let key = PrivateKey::from_seed("council", &[0x5a; 32]).expect("key");
    let shown = format!("{key:?}");
    assert!(
        shown.contains("council") && !shown.contains("90") && !shown.contains("Wlpa"),
        "{shown}"
    );
}
