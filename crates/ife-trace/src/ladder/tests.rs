use serde_json::json;

use super::*;

const COUNCIL: &str = "sip:council@council.example";
const EXPERT: &str = "sip:expert-safety@external.advisor";

fn with(mut entry: Value, more: &Value) -> Value {
    for (member, value) in more.as_object().into_iter().flatten() {
        entry[member] = value.clone();
    }
    entry
}

fn gate(event: &str, more: Value) -> Value {
    let entry = json!({"producer": "kamailio-1", "event": event, "call_id": "c-1",
        "direction": "to_expert", "from": COUNCIL});
    with(entry, &more)
}

fn bridge(event: &str, more: Value) -> Value {
    let entry = json!({"producer": "bridge-node1", "event": event, "call_id": "sip-call-1",
        "direction": "to_expert", "room": "council"});
    with(entry, &more)
}

fn told(entries: &[Value]) -> Vec<Row> {
    let entries: Vec<&Value> = entries.iter().collect();
    rows(&entries).into_iter().flatten().collect()
}

fn arrows(entries: &[Value]) -> Vec<String> {
    let arrow = |row: Row| {
        let via = row.via.map_or(String::new(), |via| format!(" via {via:?}"));
        format!("{:?}>{:?}{via}: {}", row.from, row.to, row.label)
    };
    told(entries).into_iter().map(arrow).collect()
}

#[test]
fn a_call_through_the_gate_goes_from_the_gateway_to_the_expert_and_back() {
    let entries = [
        gate(
            "APPROVED",
            json!({"code": 200, "reason": "OK", "kid": "council-2026a"}),
        ),
        gate("RINGING", json!({"code": 180, "reason": "Ringing"})),
        gate("CONNECTED", json!({"code": 200, "reason": "OK"})),
        gate("ACK", json!({"detail": "ACK"})),
        gate("BYE", json!({"from": format!("<{EXPERT}>;tag=x")})),
    ];
    assert_eq!(
        arrows(&entries),
        [
            "Gateway>Expert via Kamailio: INVITE",
            "Expert>Gateway via Kamailio: 180 Ringing",
            "Expert>Gateway via Kamailio: 200 OK",
            "Gateway>Expert via Kamailio: ACK",
            "Expert>Gateway via Kamailio: BYE",
        ]
    );
    let rows = told(&entries);
    assert_eq!(
        (rows[0].verdict, rows[0].tone),
        (Some(Verdict::Approved), Tone::Good)
    );
    assert_eq!(rows[0].remark, "approved, signed by council-2026a");
    assert_eq!(rows[3].remark, "");
}

#[test]
fn a_refusal_is_the_invite_and_its_answer() {
    let refusal = json!({"code": 403, "reason": "Forbidden", "gate": "hazard",
        "peer": "udp:127.0.0.1:5070", "detail": "not the expert's"});
    let refusal = gate("REJECTED", refusal);
    assert_eq!(
        arrows(std::slice::from_ref(&refusal)),
        [
            "Gateway>Kamailio: INVITE",
            "Kamailio>Gateway: 403 Forbidden"
        ]
    );
    let rows = told(std::slice::from_ref(&refusal));
    assert_eq!(rows[0].remark, "udp:127.0.0.1:5070");
    assert_eq!(rows[1].remark, "rejected at gate hazard, not the expert's");
    assert_eq!(rows[1].verdict, Some(Verdict::Rejected));
    let invite = gate("INVITE", json!({}));
    assert_eq!(told(&[invite, refusal]).len(), 2);
    let many = gate("REJECTED", json!({"omitted": {"count": 700}}));
    assert_eq!(arrows(&[many]), ["Kamailio>Kamailio: 700 more refused"]);
}

#[test]
fn a_refusal_of_shadow_mode_is_no_answer() {
    let refusal = gate(
        "REJECTED",
        json!({"code": 403, "reason": "Forbidden", "gate": "hazard", "shadow": true,
            "peer": "udp:127.0.0.1:5070", "detail": "not the expert's"}),
    );
    let rows = told(std::slice::from_ref(&refusal));
    assert_eq!(
        arrows(std::slice::from_ref(&refusal)),
        [
            "Gateway>Kamailio: INVITE",
            "Kamailio>Kamailio: let pass (shadow)"
        ]
    );
    assert_eq!((rows[0].shadow, rows[0].tone), (false, Tone::Plain));
    assert_eq!(
        rows[1].remark,
        "would be rejected at gate hazard with 403 Forbidden, not the expert's"
    );
    assert_eq!(
        (rows[1].verdict, rows[1].shadow, rows[1].tone),
        (Some(Verdict::Rejected), true, Tone::Plain)
    );
    let many = gate(
        "REJECTED",
        json!({"omitted": {"count": 700}, "shadow": true}),
    );
    assert_eq!(
        arrows(&[many]),
        ["Kamailio>Kamailio: 700 more let pass (shadow)"]
    );
    // A member of the wrong kind counts as absent.
    for other in [json!("true"), json!(1), json!(null)] {
        let refusal = with(refusal.clone(), &json!({"shadow": other}));
        assert_eq!(told(&[refusal])[1].tone, Tone::Bad);
    }
}

#[test]
fn an_expert_who_calls_in_comes_from_the_other_side() {
    let more = json!({"direction": "to_council", "from": EXPERT});
    assert_eq!(
        arrows(&[gate("APPROVED", more.clone()), gate("CONNECTED", more)]),
        [
            "Expert>Gateway via Kamailio: INVITE",
            "Gateway>Expert via Kamailio: connected",
        ]
    );
}

#[test]
fn the_bridges_way_goes_from_the_agent_to_the_council() {
    let entries = [
        bridge("ESCALATE", json!({"attempt": 0})),
        bridge("APPROVED", json!({})),
        bridge("INVITE", json!({})),
        bridge("CONNECTED", json!({})),
        bridge("COUNCIL_JOIN", json!({})),
        bridge("H323_SETUP", json!({"guardian": "g-1"})),
        bridge(
            "H323_RELEASED",
            json!({"guardian": "g-1", "cause": 16, "room": "b"}),
        ),
        bridge(
            "FAILED",
            json!({"reason": "expert_busy", "cause": 17, "attempt": 1}),
        ),
    ];
    assert_eq!(
        arrows(&entries),
        [
            "Agent>Bridge: escalate",
            "Bridge>Bridge: gate asked",
            "Bridge>Gateway: call the expert",
            "Gateway>Bridge: answered",
            "Expert>Council: joins the room",
            "Gateway>Council: H.323 setup",
            "Gateway>Council: H.323 released",
            "Bridge>Agent: failed",
        ]
    );
    let remarks: Vec<String> = told(&entries).into_iter().map(|row| row.remark).collect();
    assert_eq!(
        remarks[5..],
        [
            "guardian g-1",
            "guardian g-1, cause 16, room b",
            "expert busy, cause 17, attempt 1",
        ]
    );
}

#[test]
fn evidence_goes_between_expert_and_bridge() {
    let sent = json!({"producer": "evidence-node1", "event": "EVIDENCE_SENT", "evidence":
        {"session": "abc", "file": 0, "size": 23, "sha256": "0123456789abcdef".repeat(4)}});
    let receipt = json!({"producer": "evidence-node1", "event": "EVIDENCE_VERIFIED",
        "evidence": {"verified": [0, 2], "failed": []}});
    let strange = json!({"producer": "evidence-node1", "event": "EVIDENCE_SENT",
        "evidence": {"file": "0", "sha256": "é", "verified": 7}});
    let rows = told(&[sent, receipt, strange]);
    assert_eq!(
        (rows[0].from, rows[0].to, rows[1].from),
        (Lane::Bridge, Lane::Expert, Lane::Expert)
    );
    assert_eq!(rows[0].remark, "file 0, size 23, sha256 0123456789ab…");
    assert_eq!(rows[1].remark, "verified 0 2");
    assert_eq!(rows[2].remark, "");
}

#[test]
fn evidence_of_a_guardian_goes_to_the_council_by_name() {
    let sent = json!({"producer": "evidence-node1", "event": "EVIDENCE_SENT", "guardian": "g-1",
        "evidence": {"session": "abc", "file": 0}});
    let receipt = json!({"producer": "evidence-node1", "event": "EVIDENCE_VERIFIED",
        "guardian": "g-1", "evidence": {"verified": [0], "failed": []}});
    let rows = told(&[sent, receipt]);
    assert_eq!(
        (rows[0].from, rows[0].to, rows[1].from),
        (Lane::Bridge, Lane::Council, Lane::Council)
    );
    assert_eq!(rows[0].remark, "guardian g-1, file 0");
    assert_eq!(rows[1].remark, "guardian g-1, verified 0");
}

#[test]
fn facts_are_those_of_the_first_entry_that_has_them() {
    let entries = [
        gate(
            "APPROVED",
            json!({"trace_id": "t", "ruri": EXPERT, "time": "then"}),
        ),
        bridge("TRYING", json!({"trace_id": "u", "hazard": "safety"})),
    ];
    let entries: Vec<&Value> = entries.iter().collect();
    let some = |text: &str| Some(text.to_owned());
    let expected = Facts {
        trace_id: some("t"),
        call: some("sip-call-1"),
        hazard: some("safety"),
        caller: some(COUNCIL),
        callee: some(EXPERT),
        expert: None,
        room: some("council"),
        began: some("then"),
    };
    assert_eq!(facts(&entries), expected);
}

#[test]
fn entries_of_any_kind_have_a_row() {
    for strange in [
        json!(null),
        json!([]),
        json!({"event": 5}),
        json!({"event": "NEW", "producer": ["bridge-x"]}),
        json!({"event": "REJECTED", "code": "403", "gate": {}, "detail": 7}),
        json!({"event": "INVITE", "from": {}, "call_id": [], "producer": "bridge-x"}),
    ] {
        assert!(
            !told(std::slice::from_ref(&strange)).is_empty(),
            "{strange}"
        );
    }
    let gap = json!({"event": "GAP", "producer": "witnessd", "detail": "3 of kamailio-1"});
    assert_eq!(told(&[gap])[0].remark, "3 of kamailio-1");
}
