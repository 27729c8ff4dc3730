//! Shadow mode: targets and entries of calls that enforcement would refuse.

use super::*;

#[test]
fn shadow_mode_says_where_a_refused_call_would_have_gone() {
    let mut b = bench("shadow", |setup| setup.shadow = true);
    let ((refused, invite), (approved, another)) = (call(1), call(2));
    let verdict = b.gate.check(&ife_message {
        hazard: header("ethics"),
        ..message(&refused, &invite)
    });
    assert_eq!((verdict.approved, verdict.gate), (0, IFE_GATE_HAZARD));
    assert_eq!(
        of_buffer(&verdict.expert_contact),
        "sip:phone@127.0.0.1:5070"
    );
    let entries = b.ring.calls();
    assert_eq!(entries[0].json["shadow"], true);
    let verdict = b.gate.check(&message(&approved, &another));
    assert_eq!(verdict.approved, 1);
    assert!(
        b.ring
            .calls()
            .last()
            .expect("an entry")
            .json
            .get("shadow")
            .is_none()
    );
}

/// Returns a script's data to relay a call that only shadow mode lets pass.
fn target(verdict: &ife_verdict) -> (u32, String, String) {
    let contact = of_buffer(&verdict.expert_contact);
    (verdict.direction, of_buffer(&verdict.expert), contact)
}

fn to_expert() -> (u32, String, String) {
    let contact = "sip:phone@127.0.0.1:5070".to_owned();
    (IFE_DIRECTION_TO_EXPERT, EXPERT.to_owned(), contact)
}

#[test]
fn a_late_call_that_shadow_mode_lets_pass_keeps_its_target() {
    let b = bench("shadow-late", |setup| {
        setup.shadow = true;
        setup.wait_ms = 30;
    });
    // The first one is late; the second one meets a writer that stalls.
    for n in [1, 2] {
        let (call, invite) = call(n);
        let verdict = b.gate.check(&message(&call, &invite));
        assert_eq!((verdict.approved, verdict.gate), (0, IFE_GATE_WITNESS));
        assert_eq!(target(&verdict), to_expert(), "call {n}");
        assert_eq!(of_buffer(&verdict.hazard), "safety");
        assert_eq!(of_buffer(&verdict.trace_id), call.trace_id);
    }
}

#[test]
fn shadow_mode_names_the_target_of_every_refusal() {
    let b = bench("shadow-targets", |setup| setup.shadow = true);
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    let none = ife_header::default();
    let refusals = [
        (
            IFE_GATE_HEADERS,
            ife_message {
                trace_id: none,
                ..msg
            },
        ),
        (
            IFE_GATE_HEADERS,
            ife_message {
                hazard: header("?"),
                ..msg
            },
        ),
        (
            IFE_GATE_REGISTRY,
            ife_message {
                from_uri: text("sip:else@elsewhere.example"),
                ..msg
            },
        ),
        (
            IFE_GATE_SOURCE,
            ife_message {
                peer_ip: text("192.0.2.1"),
                ..msg
            },
        ),
        (
            IFE_GATE_SIGNATURE,
            ife_message {
                signature: none,
                ..msg
            },
        ),
    ];
    for (gate, msg) in &refusals {
        let verdict = b.gate.check(msg);
        assert_eq!((verdict.approved, verdict.gate), (0, *gate));
        assert_eq!(target(&verdict), to_expert(), "gate {gate}");
    }
}

#[test]
fn shadow_mode_names_the_target_as_far_as_it_is_known() {
    let b = bench("shadow-known", |setup| setup.shadow = true);
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    // Another INVITE of a call under way.
    assert_eq!(b.gate.check(&msg).approved, 1);
    let second = b.gate.check(&ife_message {
        cseq: msg.cseq + 1,
        ..msg
    });
    assert_eq!((second.gate, second.code), (IFE_GATE_QUOTA, 486));
    assert_eq!(target(&second), to_expert());
    let unknown = b.gate.check(&ife_message {
        ruri: text("sip:nobody@external.advisor"),
        ..msg
    });
    assert_eq!(unknown.gate, IFE_GATE_REGISTRY);
    assert_eq!(
        target(&unknown),
        (IFE_DIRECTION_UNKNOWN, String::new(), String::new())
    );
    let from = text("sip:expert-safety@external.advisor");
    let to_council = b.gate.check(&ife_message {
        from_uri: from,
        ruri: text(support::CALLER),
        hazard: ife_header::default(),
        ..msg
    });
    assert_eq!(to_council.gate, IFE_GATE_HEADERS);
    assert_eq!(
        target(&to_council),
        (IFE_DIRECTION_TO_COUNCIL, EXPERT.to_owned(), String::new())
    );
}

#[test]
fn a_refusal_that_is_carried_out_has_no_contact() {
    let b = bench("no-contact", |setup| setup.wait_ms = 30);
    let (call, invite) = call(1);
    let verdict = b.gate.check(&message(&call, &invite));
    assert_eq!(verdict.gate, IFE_GATE_WITNESS);
    assert_eq!(of_buffer(&verdict.expert), EXPERT);
    assert_eq!(of_buffer(&verdict.expert_contact), "");
}
