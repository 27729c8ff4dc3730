//! Each gate refuses with its code and in its turn.

mod common;

use common::{Call, NOW_S, at, compile, decide_fresh, decide_with, yaml};
use ife_guard::{Direction, Gate, Image, KeyCache, MemoryState, Policy, Transport, decide};

type Change = fn(&mut Call);

/// Applies `change`, signs again with the key and parts, and decides.
fn resigned(kid: &str, covered: &str, change: Change) -> ife_guard::Verdict {
    let mut call = Call::to_expert();
    change(&mut call);
    call.sign(kid, NOW_S, covered);
    decide_fresh(&call)
}

#[test]
fn approves_the_council_calling_an_expert() {
    let verdict = decide_fresh(&Call::to_expert());
    assert!(verdict.approved, "{verdict:?}");
    assert_eq!(
        (verdict.gate, verdict.code, verdict.reason),
        (Gate::None, 200, "OK")
    );
    assert_eq!(verdict.direction, Some(Direction::ToExpert));
    assert_eq!(verdict.expert.as_str(), "expert-safety@external.advisor");
    assert_eq!(
        verdict.expert_contact.as_str(),
        "sip:expert-safety@192.0.2.10:5061;transport=tls"
    );
    assert_eq!(
        verdict.expert_number,
        ife_guard::expert_number("expert-safety@external.advisor")
    );
    assert_eq!(
        (
            verdict.hazard.as_str(),
            verdict.trace_id.as_str(),
            verdict.kid.as_str()
        ),
        ("safety", "trace-0001", "council-1")
    );
    assert_eq!(
        verdict.call_key,
        ife_guard::CallKey::new(b"call-1@127.0.0.1", b"tag-1")
    );
    assert!(verdict.call_started);
    assert_eq!(verdict.max_call_s, 600);
}

#[test]
fn approves_an_expert_calling_the_council() {
    let verdict = decide_fresh(&Call::to_council());
    assert!(verdict.approved, "{verdict:?}");
    assert_eq!(verdict.direction, Some(Direction::ToCouncil));
    assert_eq!(verdict.expert.as_str(), "expert-safety@external.advisor");
    assert_eq!(verdict.expert_contact.as_str(), "");
}

#[test]
fn a_glob_expert_without_contact_is_sent_to_the_address_called() {
    let verdict = resigned("council-base", "base", |call| {
        call.ruri =
            b"sips:expert-%65thics@External.Advisor:5099;maddr=203.0.113.1;transport=tcp".to_vec();
        call.hazard = Some(b"ethics".to_vec());
    });
    assert!(verdict.approved, "{verdict:?}");
    assert_eq!(verdict.expert.as_str(), "expert-pool");
    assert_eq!(
        verdict.expert_contact.as_str(),
        "sip:expert-ethics@external.advisor"
    );
}

#[test]
fn a_hazard_that_nobody_lists_goes_to_the_default_expert() {
    let to = |user: &str| {
        let mut call = Call::to_expert();
        call.ruri = format!("sip:{user}@external.advisor").into_bytes();
        call.hazard = Some(b"legal".to_vec());
        call.sign("council-base", NOW_S, "base");
        decide_fresh(&call)
    };
    assert!(to("ethics").approved);
    assert_eq!(to("expert-safety").gate, Gate::Hazard);
}

#[test]
fn headers() {
    let cases: &[(&str, Change, u16, &str)] = &[
        (
            "no trace id",
            |c| c.trace_id = None,
            400,
            "X-IF-Trace-ID is missing",
        ),
        (
            "two trace ids",
            |c| c.repeated[0] = 2,
            400,
            "X-IF-Trace-ID is there 2 times",
        ),
        (
            "short trace id",
            |c| c.trace_id = Some(b"1234567".to_vec()),
            400,
            "X-IF-Trace-ID: is shorter than 8 characters",
        ),
        (
            "folded trace id",
            |c| c.trace_id = Some(b"trace\r\n -0001".to_vec()),
            400,
            "X-IF-Trace-ID: holds a line break at offset 5",
        ),
        (
            "no hazard",
            |c| c.hazard = None,
            400,
            "X-IF-Hazard is missing",
        ),
        (
            "three hazards",
            |c| c.repeated[1] = 3,
            400,
            "X-IF-Hazard is there 3 times",
        ),
        (
            "hazard of two words",
            |c| c.hazard = Some(b"safety first".to_vec()),
            400,
            "X-IF-Hazard: holds a character that is not allowed at offset 6",
        ),
        (
            "hazard that is no UTF-8",
            |c| c.hazard = Some(b"\xff\xfe".to_vec()),
            400,
            "X-IF-Hazard: holds a character that is not allowed at offset 0",
        ),
        (
            "two signatures",
            |c| c.repeated[2] = 2,
            400,
            "X-IF-Signature is there 2 times",
        ),
        (
            "signature of nothing",
            |c| c.signature = Some(b"v=1;kid=a".to_vec()),
            400,
            "X-IF-Signature",
        ),
        (
            "empty signature",
            |c| c.signature = Some(b" ".to_vec()),
            400,
            "X-IF-Signature: is empty",
        ),
        (
            "caller that is no SIP URI",
            |c| c.from = b"tel:+123".to_vec(),
            400,
            "From: ",
        ),
        (
            "caller with a line break",
            |c| c.from = b"sip:a@b.example\r\nX: y".to_vec(),
            400,
            "From: ",
        ),
        (
            "callee without user",
            |c| c.ruri = b"sip:council.example".to_vec(),
            400,
            "Request-URI: ",
        ),
        ("no Call-ID", |c| c.call_id.clear(), 400, "Call-ID"),
        (
            "Call-ID with a line feed",
            |c| c.call_id = b"a\nb".to_vec(),
            400,
            "Call-ID",
        ),
        (
            "no From tag",
            |c| c.from_tag.clear(),
            400,
            "From has no usable tag",
        ),
        (
            "long From tag",
            |c| c.from_tag = vec![b'x'; 257],
            400,
            "From has no usable tag",
        ),
        (
            "another method",
            |c| c.method = b"MESSAGE".to_vec(),
            405,
            "not an INVITE",
        ),
    ];
    for (name, change, code, detail) in cases {
        let mut call = Call::to_expert();
        change(&mut call);
        let verdict = decide_fresh(&call);
        assert_eq!(
            (verdict.approved, verdict.gate, verdict.code),
            (false, Gate::Headers, *code),
            "{name}: {verdict:?}"
        );
        assert!(
            verdict.detail.starts_with(detail),
            "{name}: {}",
            verdict.detail
        );
    }
}

#[test]
fn a_to_tag_opens_no_way_around() {
    let mut call = Call::to_expert();
    call.to_tag = b"tag-2".to_vec();
    let verdict = decide_fresh(&call);
    assert_eq!(
        (verdict.approved, verdict.gate, verdict.code),
        (false, Gate::Dialog, 481)
    );
}

#[test]
fn registry() {
    for (from, ruri, code) in [
        (
            "sip:council@council.example",
            "sip:nobody@elsewhere.example",
            403,
        ),
        (
            "sip:council@council.example",
            "sip:nobody@external.advisor",
            403,
        ),
        (
            "sip:council@council.example",
            "sip:nobody@council.example",
            404,
        ),
        (
            "sip:stranger@elsewhere.example",
            "sip:nobody@council.example",
            404,
        ),
        (
            "sip:stranger@elsewhere.example",
            "sip:council@council.example",
            403,
        ),
        (
            "sip:stranger@elsewhere.example",
            "sip:expert-safety@external.advisor",
            403,
        ),
        (
            "sip:council@council.example",
            "sip:room-7@council.example",
            403,
        ),
        (
            "sip:expert-safety@external.advisor",
            "sip:ethics@external.advisor",
            403,
        ),
        (
            "sip:COUNCIL@council.example",
            "sip:expert-safety@external.advisor",
            403,
        ),
    ] {
        let mut call = Call::to_expert();
        (call.from, call.ruri) = (from.into(), ruri.into());
        call.sign("council-1", NOW_S, "base,cid");
        let verdict = decide_fresh(&call);
        assert_eq!(
            (verdict.approved, verdict.gate, verdict.code),
            (false, Gate::Registry, code),
            "{from} {ruri}: {verdict:?}"
        );
        assert_eq!(verdict.expert.as_str(), "");
    }
}

#[test]
fn standing() {
    for (kid, ruri, detail) in [
        (
            "council-1",
            "sip:away@external.advisor",
            "the expert is suspended",
        ),
        (
            "council-1",
            "sip:past@external.advisor",
            "the expert is no longer valid",
        ),
        (
            "council-old",
            "sip:expert-safety@external.advisor",
            "the key is no longer valid",
        ),
        (
            "council-next",
            "sip:expert-safety@external.advisor",
            "the key is not valid yet",
        ),
        (
            "council-gone",
            "sip:expert-safety@external.advisor",
            "the key is revoked",
        ),
    ] {
        let mut call = Call::to_expert();
        call.ruri = ruri.into();
        call.sign(kid, NOW_S, "base,cid");
        let verdict = decide_fresh(&call);
        assert_eq!(
            (verdict.approved, verdict.gate, verdict.code),
            (false, Gate::Standing, 403),
            "{kid} {ruri}: {verdict:?}"
        );
        assert_eq!(verdict.detail.as_str(), detail);
    }
}

#[test]
fn validity_includes_both_ends() {
    // council-next begins 2030-01-01T00:00:00Z.
    let begin = 1_893_456_000;
    for (now_s, approved) in [(begin - 1, false), (begin, true)] {
        let mut call = Call::to_expert();
        call.sign("council-next", now_s, "base");
        let verdict = decide_with(&mut MemoryState::new(), &call, at(now_s - NOW_S));
        assert_eq!(verdict.approved, approved, "{now_s}: {verdict:?}");
    }
}

#[test]
fn hazard() {
    for (hazard, detail) in [
        ("privacy", "hazard privacy is not one of the expert's"),
        ("weather", "hazard weather is not in the registry"),
    ] {
        let mut call = Call::to_expert();
        call.hazard = Some(hazard.into());
        call.sign("council-1", NOW_S, "base,cid");
        let verdict = decide_fresh(&call);
        assert_eq!(
            (verdict.approved, verdict.gate, verdict.code),
            (false, Gate::Hazard, 403),
            "{verdict:?}"
        );
        assert_eq!(verdict.detail.as_str(), detail);
    }
}

#[test]
fn source() {
    let cases: &[(&str, Transport, bool)] = &[
        ("127.9.9.9:5070", Transport::Udp, true),
        ("[::ffff:127.0.0.1]:5070", Transport::Udp, true),
        ("[::1]:5070", Transport::Tls, true),
        ("[::2]:5070", Transport::Tls, false),
        ("192.0.2.10:5070", Transport::Udp, false),
        ("127.0.0.1:5070", Transport::Tcp, false),
        ("127.0.0.1:5070", Transport::Wss, false),
    ];
    for (peer, transport, approved) in cases {
        let mut call = Call::to_expert();
        (call.peer, call.transport) = (peer, *transport);
        let verdict = decide_fresh(&call);
        assert_eq!(
            verdict.approved, *approved,
            "{peer} {transport:?}: {verdict:?}"
        );
        if !approved {
            assert_eq!((verdict.gate, verdict.code), (Gate::Source, 403));
        }
    }
}

#[test]
fn signature() {
    let cases: &[(&str, Change, u16)] = &[
        ("absent", |c| c.signature = None, 428),
        (
            "key of nobody",
            |c| c.sign("nobody-1", NOW_S, "base,cid"),
            437,
        ),
        (
            "key of the other side",
            |c| c.sign("safety-1", NOW_S, "base,cid,sdp"),
            437,
        ),
        (
            "covers too little",
            |c| c.sign("council-1", NOW_S, "base"),
            438,
        ),
        (
            "covers something else",
            |c| c.sign("council-1", NOW_S, "base,sdp"),
            438,
        ),
        (
            "another Call-ID",
            |c| c.call_id = b"call-2@127.0.0.1".to_vec(),
            438,
        ),
        (
            "another trace id",
            |c| c.trace_id = Some(b"trace-0002".to_vec()),
            438,
        ),
        (
            "another hazard",
            |c| c.hazard = Some(b"alignment".to_vec()),
            438,
        ),
        (
            "another caller of the same council",
            |c| c.from = b"sip:room-1@council.example".to_vec(),
            438,
        ),
        (
            "legacy form by a key that may not",
            |c| c.sign_legacy("council-1", "expert-safety@external.advisor"),
            438,
        ),
    ];
    for (name, change, code) in cases {
        let mut call = Call::to_expert();
        change(&mut call);
        let verdict = decide_fresh(&call);
        assert_eq!(
            (verdict.approved, verdict.gate, verdict.code),
            (false, Gate::Signature, *code),
            "{name}: {verdict:?}"
        );
    }
}

#[test]
fn a_signature_is_bound_to_where_the_call_goes() {
    let mut call = Call::to_expert();
    call.hazard = Some(b"ethics".to_vec());
    call.ruri = b"sip:ethics@external.advisor".to_vec();
    call.sign("council-1", NOW_S, "base,cid");
    assert!(decide_fresh(&call).approved);
    call.ruri = b"sip:expert-1@external.advisor".to_vec();
    let verdict = decide_fresh(&call);
    assert_eq!((verdict.gate, verdict.code), (Gate::Signature, 438));
}

#[test]
fn a_covered_body_is_bound() {
    let mut call = Call::to_council();
    call.body.push(b'x');
    let verdict = decide_fresh(&call);
    assert_eq!((verdict.gate, verdict.code), (Gate::Signature, 438));
    let mut call = Call::to_expert();
    call.body.push(b'x');
    assert!(
        decide_fresh(&call).approved,
        "a body that is not covered may change"
    );
}

#[test]
fn any_bit_of_a_signature_matters() {
    let good = Call::to_expert();
    let text = String::from_utf8(good.signature.clone().expect("signed")).expect("ASCII");
    let start = text.find("sig=").expect("sig") + 4;
    for offset in (start..text.len()).step_by(7) {
        let mut call = good.clone();
        let signature = call.signature.as_mut().expect("signed");
        signature[offset] = if signature[offset] == b'A' {
            b'B'
        } else {
            b'A'
        };
        let verdict = decide_fresh(&call);
        assert!(!verdict.approved, "{offset}");
        assert!(matches!(verdict.code, 400 | 438), "{offset}: {verdict:?}");
    }
}

#[test]
fn freshness() {
    for (age, approved) in [
        (-61_i64, false),
        (-60, true),
        (0, true),
        (60, true),
        (61, false),
    ] {
        let mut call = Call::to_expert();
        call.sign(
            "council-1",
            NOW_S.checked_add_signed(-age).expect("in range"),
            "base,cid",
        );
        let verdict = decide_fresh(&call);
        assert_eq!(verdict.approved, approved, "{age}: {verdict:?}");
        if !approved {
            assert_eq!(
                (verdict.gate, verdict.code, verdict.reason),
                (Gate::Freshness, 403, "Stale Date")
            );
        }
    }
}

#[test]
fn reasons_are_public_and_details_are_private() {
    let mut call = Call::to_expert();
    call.peer = "203.0.113.77:5070";
    let verdict = decide_fresh(&call);
    assert_eq!(verdict.reason, "Source Not Allowed");
    assert_eq!(
        verdict.detail.as_str(),
        "203.0.113.77 is in none of the caller's sources"
    );
}

#[test]
fn the_window_can_be_overridden_and_has_a_floor() {
    let bytes = compile(&yaml());
    let image = Image::open(&bytes).expect("just compiled");
    let ask = |freshness_s, iat_floor_s, age_s| {
        let mut call = Call::to_expert();
        call.sign("council-1", NOW_S - age_s, "base,cid");
        let policy = Policy {
            image: &image,
            freshness_s,
            iat_floor_s,
        };
        decide(
            &policy,
            &call.request(),
            &mut MemoryState::new(),
            &mut KeyCache::new(),
            at(0),
        )
        .gate
    };
    assert_eq!(ask(Some(10), 0, 11), Gate::Freshness);
    assert_eq!(ask(Some(300), 0, 299), Gate::None);
    assert_eq!(ask(Some(300), NOW_S - 60, 61), Gate::Freshness);
    assert_eq!(ask(Some(300), NOW_S - 60, 60), Gate::None);
}
