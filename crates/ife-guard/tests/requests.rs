//! Any request gets an answer without a panic, and a log safe for terminals and log parsers.

mod common;

use common::{Call, NOW, compile, yaml};
use ife_guard::{
    Gate, HeaderValue, Image, KeyCache, MemoryState, Policy, Request, Transport, decide, explain,
};
use proptest::prelude::*;

fn header(bytes: &Option<Vec<u8>>) -> HeaderValue<'_> {
    bytes
        .as_deref()
        .map_or(HeaderValue::Absent, HeaderValue::One)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_request_gets_a_clean_answer(
        fields in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 6),
        headers in prop::collection::vec(
            prop::option::of(prop::collection::vec(any::<u8>(), 0..80)), 3,
        ),
    ) {
        let bytes = compile(&yaml());
        let image = Image::open(&bytes).expect("just compiled");
        let request = Request {
            method: b"INVITE",
            transport: Transport::Udp,
            peer: ([127, 0, 0, 1], 5070).into(),
            ruri: &fields[0],
            from: &fields[1],
            from_tag: &fields[2],
            to_tag: b"",
            call_id: &fields[4],
            cseq: 1,
            trace_id: header(&headers[0]),
            hazard: header(&headers[1]),
            signature: header(&headers[2]),
            body: &fields[5],
        };
        let policy = Policy::new(&image);
        let verdict = decide(&policy, &request, &mut MemoryState::new(), &mut KeyCache::new(), NOW);
        prop_assert!(!verdict.approved);
        prop_assert!(verdict.detail.chars().all(|c| !c.is_control()));
        let reports = explain(&policy, &request, NOW);
        prop_assert!(reports.iter().all(|r| r.detail.chars().all(|c| !c.is_control())));
    }

    #[test]
    fn a_changed_byte_is_refused_or_makes_no_difference(
        place in 0_usize..7, at in any::<prop::sample::Index>(), value in any::<u8>(),
    ) {
        let mut call = Call::to_council();
        let field = match place {
            0 => &mut call.ruri,
            1 => &mut call.from,
            2 => &mut call.call_id,
            3 => call.trace_id.as_mut().expect("there"),
            4 => call.hazard.as_mut().expect("there"),
            5 => call.signature.as_mut().expect("there"),
            _ => &mut call.body,
        };
        let index = at.index(field.len());
        let before = std::mem::replace(&mut field[index], value);
        let bytes = compile(&yaml());
        let image = Image::open(&bytes).expect("just compiled");
        let (mut state, mut keys) = (MemoryState::new(), KeyCache::new());
        let verdict = decide(&Policy::new(&image), &call.request(), &mut state, &mut keys, NOW);
        // Only in the host, the scheme and a port can another byte have the same meaning.
        let same = before == value || (place < 2 && before.eq_ignore_ascii_case(&value));
        prop_assert_eq!(verdict.approved, same && verdict.gate == Gate::None, "{:?}", verdict);
    }
}

#[test]
fn public_reasons_name_nothing_private() {
    let mut call = Call::to_expert();
    let changes: &[fn(&mut Call)] = &[
        |c| c.signature = None,
        |c| c.hazard = Some(b"privacy".to_vec()),
        |c| c.peer = "203.0.113.1:5070",
        |c| c.from = b"sip:stranger@elsewhere.example".to_vec(),
        |c| c.trace_id = None,
    ];
    let bytes = compile(&yaml());
    let image = Image::open(&bytes).expect("just compiled");
    for change in changes {
        change(&mut call);
        let verdict = decide(
            &Policy::new(&image),
            &call.request(),
            &mut MemoryState::new(),
            &mut KeyCache::new(),
            NOW,
        );
        let private = ["council-", "expert-", "sip:", "127.", "203.", "/"];
        assert!(
            private.iter().all(|p| !verdict.reason.contains(p)),
            "{}",
            verdict.reason
        );
        assert!(
            verdict.reason.len() < 64
                && verdict
                    .reason
                    .bytes()
                    .all(|b| b.is_ascii_graphic() || b == b' ')
        );
    }
}
