//! The gate before a call.

use std::time::Instant;

use ife_ami::value::SipUser;
use ife_engine::{
    gate::{Gate, GateError, Pass, Question, Refused},
    time::Now,
};
use ife_guard::CallKey;
use ife_message::{Hazard, PrivateKey, TraceId};

const SAFETY: &str = "expert-safety@external.advisor";

fn registry(council_key: &PrivateKey, covers: &str) -> String {
    let key = |seed| {
        PrivateKey::from_seed("k", &[seed; 32])
            .expect("a name")
            .public_key()
    };
    let expert = |id: &str, aor: &str, hazards: &str, status: &str, seed| {
        let public = key(seed);
        format!(
            "  - {{id: {id}, aors: [\"{aor}\"], contact: \"sip:x@127.0.0.1\", \
             hazards: [{hazards}], status: {status}, sources: [127.0.0.0/8], \
             transports: [udp],\n     quota: {{per_minute: 10, concurrent: 2}}, \
             signers: [{{kid: k{seed}, public_key: \"{public}\", covers: [base]}}]}}\n"
        )
    };
    format!(
        "version: 1\nfreshness_s: 60\nflood: {{rate_per_s: 10, burst: 10}}\n\
         default_expert: {SAFETY}\n\
         hazards: [{{name: safety}}, {{name: ethics}}, {{name: legal}}]\n\
         councils:\n  - domain: council.example\n    aors: [\"sip:council@council.example\"]\n    \
         sources: [127.0.0.0/8]\n    transports: [udp]\n    \
         signers: [{{kid: {}, public_key: \"{}\", covers: [{covers}]}}]\nexperts:\n{}{}{}",
        council_key.name(),
        council_key.public_key(),
        expert(
            "expert-gone@external.advisor",
            "sip:gone@external.advisor",
            "safety",
            "suspended",
            11
        ),
        expert(
            SAFETY,
            "sip:expert-safety@external.advisor",
            "safety",
            "active",
            12
        ),
        expert(
            "expert-second@external.advisor",
            "sip:second@external.advisor",
            "safety, ethics",
            "active",
            13
        ),
    )
}

struct Files {
    registry: String,
    key: PrivateKey,
}

fn now() -> Now {
    Now {
        at: Instant::now(),
        unix_ms: 1_790_000_000_000,
    }
}

impl Files {
    fn new(covers: &str) -> Files {
        let key = PrivateKey::from_seed("bridge-2026a", &[7; 32]).expect("a name");
        Files {
            registry: registry(&key, covers),
            key,
        }
    }

    fn gate(&self) -> Result<Gate, GateError> {
        let key = PrivateKey::parse_file(self.key.to_file().as_bytes()).expect("a key");
        let path = "registry.yaml".into();
        let aor = "sip:council@council.example";
        Gate::new(path, &self.registry, aor, key, Instant::now())
    }
}

fn ask(gate: &Gate, expert: &str, hazard: &str, signature: Option<&str>) -> Result<Pass, Refused> {
    let question = Question {
        expert,
        hazard: &Hazard::parse(hazard.as_bytes()).expect("a hazard"),
        trace_id: &TraceId::parse(b"trace-0001").expect("a trace id"),
        iat_min: 0,
        signature,
    };
    gate.ask(&question, now())
}

#[test]
fn experts_are_chosen_in_registry_order() {
    let gate = Files::new("base").gate().expect("it loads");
    assert_eq!(
        gate.experts_for("safety", 9),
        [SAFETY, "expert-second@external.advisor"]
    );
    assert_eq!(gate.experts_for("safety", 1), [SAFETY]);
    assert_eq!(gate.experts_for("legal", 9), [SAFETY]);
    assert!(gate.experts_for("unheard", 9).is_empty());
}

#[test]
fn a_call_that_passes_is_signed_for_the_address_that_is_called() {
    let gate = Files::new("base").gate().expect("it loads");
    let pass = ask(&gate, SAFETY, "safety", None).expect("it passes");
    assert_eq!(pass.callee.as_str(), "sip:expert-safety@external.advisor");
    assert_eq!(pass.kid, "bridge-2026a");
    // The same signature, given from outside, is as good.
    ask(&gate, SAFETY, "safety", Some(&pass.signature)).expect("it passes");
}

#[test]
fn each_gate_refuses_with_its_number() {
    let gate = Files::new("base").gate().expect("it loads");
    let for_another = ask(&gate, SAFETY, "safety", None)
        .expect("it passes")
        .signature;
    let cases = [
        (
            "nobody@external.advisor",
            "safety",
            None,
            ife_guard::Gate::Registry,
        ),
        (
            "expert-gone@external.advisor",
            "safety",
            None,
            ife_guard::Gate::Standing,
        ),
        (SAFETY, "ethics", None, ife_guard::Gate::Hazard),
        (SAFETY, "unheard", None, ife_guard::Gate::Hazard),
        (SAFETY, "safety", Some("nonsense"), ife_guard::Gate::Headers),
        (
            "expert-second@external.advisor",
            "safety",
            Some(for_another.as_str()),
            ife_guard::Gate::Signature,
        ),
    ];
    for (expert, hazard, signature, number) in cases {
        let refused = ask(&gate, expert, hazard, signature).expect_err("it is refused");
        assert_eq!(refused.gate, number, "{expert} {hazard} {refused:?}");
    }
}

#[test]
fn a_second_signature_of_one_trace_is_of_another_second() {
    let gate = Files::new("base").gate().expect("it loads");
    let first = ask(&gate, SAFETY, "safety", None).expect("it passes");
    let question = Question {
        expert: SAFETY,
        hazard: &Hazard::parse(b"safety").expect("a hazard"),
        trace_id: &TraceId::parse(b"trace-0001").expect("a trace id"),
        iat_min: first.iat + 1,
        signature: None,
    };
    let second = gate.ask(&question, now()).expect("it passes");
    assert!(second.iat > first.iat);
}

#[test]
fn the_quota_counts_calls_and_gives_slots_back() {
    let mut gate = Files::new("base").gate().expect("it loads");
    let key = |n: u8| CallKey::new(&[n], b"0");
    gate.charge(SAFETY, &key(1), now())
        .expect("within the quota");
    gate.charge(SAFETY, &key(2), now())
        .expect("within the quota");
    assert!(!gate.has_room(SAFETY, now()));
    let refused = gate
        .charge(SAFETY, &key(3), now())
        .expect_err("two at once");
    assert_eq!((refused.gate, refused.code), (ife_guard::Gate::Quota, 486));
    gate.release(&key(1));
    gate.charge(SAFETY, &key(3), now()).expect("a slot is free");
}

#[test]
fn a_registry_that_does_not_let_the_bridge_sign_is_refused() {
    let error = Files::new("base, cid")
        .gate()
        .expect_err("it cannot cover the Call-ID");
    assert!(error.to_string().contains("covers: [base]"), "{error}");
    let mut files = Files::new("base");
    files.key = PrivateKey::from_seed("bridge-2026a", &[8; 32]).expect("a name");
    let error = files.gate().expect_err("it is another key");
    assert!(
        error.to_string().contains("no signer bridge-2026a"),
        "{error}"
    );
}

#[test]
fn a_bad_registry_leaves_the_old_one_in_force() {
    let mut gate = Files::new("base").gate().expect("it loads");
    gate.reload("version: 1\nexperts: {")
        .expect_err("it is no registry");
    ask(&gate, SAFETY, "safety", None).expect("the old one is in force");
}

#[test]
fn every_address_that_the_registry_takes_can_be_dialled() {
    let mut files = Files::new("base");
    let text = files.registry.clone();
    let mut taken = String::new();
    for c in (0x21..0x7f).map(char::from) {
        let aor = format!("sip:a{c}b@external.advisor");
        files.registry = text.replace("sip:second@external.advisor", &aor);
        if let Ok(gate) = files.gate() {
            taken.push(c);
            let callee = ask(&gate, "expert-second@external.advisor", "ethics", None);
            let callee = callee.map(|pass| pass.callee.user().to_owned());
            assert!(
                c == '*' || SipUser::parse(callee.expect("it passes")).is_ok(),
                "{c}"
            );
        }
    }
    assert_eq!(
        taken,
        "*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
    );
}

#[test]
fn an_expert_is_called_by_an_e164_number_and_at_an_ipv6_address() {
    let mut files = Files::new("base");
    let text = files.registry.clone();
    for aor in ["sip:+4930123456@external.advisor", "sip:+49@[2001:db8::1]"] {
        files.registry = text.replace("sip:second@external.advisor", aor);
        let gate = files.gate().expect("it loads");
        let pass = ask(&gate, "expert-second@external.advisor", "ethics", None);
        assert_eq!(pass.expect("it passes").callee.as_str(), aor);
    }
}
