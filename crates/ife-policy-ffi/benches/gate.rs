//! Nanoseconds of the gate in one process, as JSON lines: `{"name", "value" (median), "unit",
//! "mean", "p99", "samples"}`.
//!
//! `cargo bench -p ife-policy-ffi --bench gate`. Only the call into the library is timed. The ring
//! is emptied between calls, in the same process. With `-- --verify-paced SECONDS`: only
//! `verify_strict`, 2,000 times a second with sleeps in between, as in a SIP worker.

use std::cell::Cell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use ::ife_policy::abi::{IFE_GATE_HAZARD, IFE_GATE_REGISTRY};

#[path = "../tests/support/mod.rs"]
mod support;

use support::gate::{Gate, Ring, Setup, header, message, text};
use support::{EXPERT, SignedCall, TempDir};

const CALLS: usize = 2000;
const REPLAY_SLOTS: u32 = 1 << 15;

/// Time between two verifications of `--verify-paced`.
const PACE: Duration = Duration::from_micros(500);

fn main() {
    if let Some(seconds) = paced_seconds() {
        return verify_paced(seconds);
    }
    let dir = TempDir::new("gate-bench");
    verify_alone();
    let gate = Gate::attached(&Setup {
        replay_slots: REPLAY_SLOTS,
        ..Setup::new(&dir)
    });
    let bench = Bench {
        ring: gate.ring(0).into(),
        gate,
        next: Cell::new(0),
    };
    for fill in [0, 90] {
        bench.fill_replay(fill);
        bench.approved(fill);
        bench.refused(fill);
    }
}

fn report(name: &str, mut ns: Vec<u64>) {
    ns.sort_unstable();
    let (median, p99) = (ns[ns.len() / 2], ns[ns.len() * 99 / 100]);
    let mean = ns.iter().sum::<u64>() / ns.len() as u64;
    let samples = ns.len();
    let line = serde_json::json!({
        "name": name, "value": median, "unit": "ns", "mean": mean, "p99": p99, "samples": samples
    });
    write_line(&line.to_string());
}

#[allow(clippy::print_stdout, reason = "its output is what it is for")]
fn write_line(line: &str) {
    println!("{line}");
}

fn paced_seconds() -> Option<u64> {
    let mut args = std::env::args().skip(1);
    (args.next()? == "--verify-paced").then_some(())?;
    args.next()?.parse().ok()
}

/// Returns a closure that measures one verification, in nanoseconds.
fn verification() -> impl FnMut() -> u64 {
    use ed25519_dalek::{Signer, SigningKey};
    let key = SigningKey::from_bytes(&[7; 32]);
    let message = [b'x'; 220];
    let signature = key.sign(&message);
    let verifier = key.verifying_key();
    move || {
        let start = Instant::now();
        black_box(verifier.verify_strict(black_box(&message), &signature)).expect("valid");
        start.elapsed().as_nanos() as u64
    }
}

fn verify_alone() {
    let (mut verify, mut known) = (verification(), known_verification());
    let (strict, by_table) = ("verify_strict alone", "verify by a key's table");
    report(strict, (0..CALLS).map(|_| verify()).collect());
    report(by_table, (0..CALLS).map(|_| known()).collect());
    report(
        "building a key's table",
        (0..100).map(|_| build()).collect(),
    );
}

fn public_key() -> ife_message::PublicKey {
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    ife_message::PublicKey::from_bytes(key.verifying_key().as_bytes()).expect("a key")
}

/// Returns a closure that measures one verification by a table, in nanoseconds.
fn known_verification() -> impl FnMut() -> u64 {
    use ed25519_dalek::{Signer, SigningKey};
    let message = [b'x'; 220];
    let signature = SigningKey::from_bytes(&[7; 32]).sign(&message).to_bytes();
    let known = ife_message::KnownKey::new(&public_key()).expect("a point");
    move || {
        let start = Instant::now();
        black_box(known.verify_strict(black_box(&message), &signature)).expect("valid");
        start.elapsed().as_nanos() as u64
    }
}

/// Measures how long the table of a key takes to build, in nanoseconds.
fn build() -> u64 {
    let key = public_key();
    let start = Instant::now();
    black_box(ife_message::KnownKey::new(black_box(&key)));
    start.elapsed().as_nanos() as u64
}

fn verify_paced(seconds: u64) {
    let mut verify = verification();
    let (start, mut ns) = (Instant::now(), Vec::new());
    while start.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(PACE);
        ns.push(verify());
    }
    report("verify_strict paced", ns);
}

struct Bench {
    gate: Gate,
    ring: std::cell::RefCell<Ring>,
    next: Cell<usize>,
}

impl Bench {
    fn calls(&self, count: usize) -> Vec<(SignedCall, String)> {
        let start = self.next.replace(self.next.get() + count);
        // Signed before the measurement: signing has caches of its own.
        let call = |n| {
            let call = SignedCall::new(n, EXPERT, 5);
            let invite = call.invite();
            (call, invite)
        };
        (start..start + count).map(call).collect()
    }

    fn approved(&self, fill: u64) {
        let (mut check, mut both) = (Vec::new(), Vec::new());
        for (call, invite) in self.calls(CALLS) {
            let msg = message(&call, &invite);
            let (ns, verdict) = self.gate.timed_check(&msg);
            assert_eq!(
                verdict.approved, 1,
                "gate {} code {}",
                verdict.gate, verdict.code
            );
            check.push(ns);
            let start = Instant::now();
            self.gate.log(&msg, "INVITE");
            both.push(ns + start.elapsed().as_nanos() as u64);
            self.gate.log(&msg, "TERMINATED");
            self.ring.borrow_mut().discard();
        }
        report(
            &format!("check, approved, replay table {fill} % full"),
            check,
        );
        report(
            &format!("check and one witness_log, approved, replay table {fill} % full"),
            both,
        );
    }

    fn refused(&self, fill: u64) {
        let (mut registry, mut hazard) = (Vec::new(), Vec::new());
        for (call, invite) in self.calls(CALLS) {
            let mut msg = message(&call, &invite);
            msg.hazard = header("ethics");
            let (ns, verdict) = self.gate.timed_check(&msg);
            assert_eq!(verdict.gate, IFE_GATE_HAZARD);
            hazard.push(ns);
            msg.ruri = text("sip:nobody@nowhere.example");
            let (ns, verdict) = self.gate.timed_check(&msg);
            assert_eq!(verdict.gate, IFE_GATE_REGISTRY);
            registry.push(ns);
            self.ring.borrow_mut().discard();
        }
        report(
            &format!("check, refused by registry, replay table {fill} % full"),
            registry,
        );
        report(
            &format!("check, refused by hazard, replay table {fill} % full"),
            hazard,
        );
    }

    /// Approves calls until the replay table is `percent` full.
    fn fill_replay(&self, percent: u64) {
        loop {
            let stats = self.gate.stats();
            if stats.replay_used * 100 >= stats.replay_slots * percent {
                return;
            }
            for (call, invite) in self.calls(500) {
                let msg = message(&call, &invite);
                assert_eq!(self.gate.check(&msg).approved, 1);
                self.gate.log(&msg, "TERMINATED");
                self.ring.borrow_mut().discard();
            }
        }
    }
}
