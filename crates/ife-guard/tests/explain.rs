//! Explaining gives the answers of deciding, without spending anything.

mod common;

use common::{Call, NOW, NOW_S, compile, yaml};
use ife_guard::{Gate, GateReport, Image, KeyCache, MemoryState, Outcome, Policy, decide, explain};

fn reports(call: &Call) -> Vec<GateReport> {
    let bytes = compile(&yaml());
    let image = Image::open(&bytes).expect("just compiled");
    explain(&Policy::new(&image), &call.request(), NOW)
}

fn refusing(reports: &[GateReport]) -> Vec<Gate> {
    reports
        .iter()
        .filter(|r| matches!(r.outcome, Outcome::Refuse { .. }))
        .map(|r| r.gate)
        .collect()
}

#[test]
fn every_gate_answers_once_in_order() {
    for call in [Call::to_expert(), Call::to_council()] {
        let reports = reports(&call);
        assert_eq!(
            reports.iter().map(|r| r.gate).collect::<Vec<_>>(),
            Gate::DECIDED
        );
        assert_eq!(refusing(&reports), []);
        let depends: Vec<_> = reports
            .iter()
            .filter(|r| r.outcome == Outcome::Depends)
            .map(|r| r.gate)
            .collect();
        assert_eq!(depends, [Gate::Flood, Gate::Replay, Gate::Quota]);
    }
}

#[test]
fn later_gates_are_asked_in_spite_of_a_refusal() {
    let mut call = Call::to_expert();
    call.peer = "203.0.113.1:5070";
    call.hazard = Some(b"privacy".to_vec());
    call.sign("council-gone", NOW_S - 100, "base,cid");
    assert_eq!(
        refusing(&reports(&call)),
        [Gate::Standing, Gate::Hazard, Gate::Source, Gate::Freshness]
    );
}

#[test]
fn what_cannot_be_asked_is_left_unasked() {
    let mut call = Call::to_expert();
    call.from = b"nonsense".to_vec();
    let reports = reports(&call);
    assert_eq!(refusing(&reports), [Gate::Headers]);
    assert!(reports[1..].iter().all(|r| r.outcome == Outcome::Unasked));
    call = Call::to_expert();
    call.trace_id = None;
    let unasked: Vec<_> = self::reports(&call)
        .into_iter()
        .filter(|r| r.outcome == Outcome::Unasked)
        .map(|r| r.gate)
        .collect();
    assert_eq!(unasked, [Gate::Signature]);
}

#[test]
fn a_request_within_a_dialog_is_no_matter_of_the_gates() {
    let mut call = Call::to_expert();
    call.to_tag = b"t".to_vec();
    assert_eq!(refusing(&reports(&call)), [Gate::Dialog]);
}

#[test]
fn the_first_refusal_is_the_one_of_decide() {
    let changes: &[fn(&mut Call)] = &[
        |c| c.trace_id = None,
        |c| c.from = b"sip:stranger@elsewhere.example".to_vec(),
        |c| c.sign("council-old", NOW_S, "base,cid"),
        |c| c.hazard = Some(b"weather".to_vec()),
        |c| c.peer = "203.0.113.1:5070",
        |c| c.signature = None,
        |c| c.sign("nobody", NOW_S, "base,cid"),
        |c| c.call_id = b"changed".to_vec(),
        |c| c.sign("council-1", NOW_S + 100, "base,cid"),
        |c| c.sign_legacy("council-legacy", "expert-pool"),
    ];
    let bytes = compile(&yaml());
    let image = Image::open(&bytes).expect("just compiled");
    let policy = Policy::new(&image);
    for change in changes {
        let mut call = Call::to_expert();
        change(&mut call);
        let verdict = decide(
            &policy,
            &call.request(),
            &mut MemoryState::new(),
            &mut KeyCache::new(),
            NOW,
        );
        let reports = explain(&policy, &call.request(), NOW);
        let first = reports
            .iter()
            .find(|r| matches!(r.outcome, Outcome::Refuse { .. }))
            .expect("refused");
        assert_eq!(first.gate, verdict.gate);
        assert_eq!(
            first.outcome,
            Outcome::Refuse {
                code: verdict.code,
                reason: verdict.reason
            }
        );
        assert_eq!(first.detail, verdict.detail.as_str());
    }
}
