//! A worker killed at each step of a call. After the restart the same message comes again.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use super::support::gate::{Gate, Logged, Ring, Setup, message, text};
use super::support::{EXPERT, SignedCall, TempDir};
use crate::abi::{IFE_GATE_REPLAY, IFE_OK, IFE_WITNESS_OMITTED, ife_message};
use crate::shared::testing::with_hook;
use crate::shared::tests::processes::{Child, Stepped};

/// A process that attaches and is killed at step `n` of `operation`. Returns true if it was
/// killed, false if the operation has fewer steps.
fn killed_at(n: usize, setup: &Setup, operation: impl FnOnce(&Gate)) -> bool {
    let child = Child::run(|| {
        let gate = Gate::attached(setup);
        let mut step = 0;
        let hook = move || {
            step += 1;
            if step == n {
                // SAFETY: ends this process.
                unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
            }
        };
        with_hook(hook, || operation(&gate));
        0
    });
    match child.wait() {
        Stepped::Ended(0) => false,
        Stepped::Ended(-1) => true,
        end @ (Stepped::Ended(_) | Stepped::Stopped) => panic!("step {n}: {end:?}"),
    }
}

fn decisions<'a>(entries: &'a [Logged], call: &SignedCall) -> Vec<&'a Logged> {
    let is_decision = |e: &&Logged| ["APPROVED", "REJECTED"].contains(&e.text("event"));
    let of_call = |e: &&Logged| e.text("call_id") == call.call_id;
    entries.iter().filter(is_decision).filter(of_call).collect()
}

/// Kills a worker at each step of a decision and repeats the INVITE after a restart. `expected` is
/// the progress of the entry that the second verdict reports.
fn decided_once(setup: &Setup, expected: u32) {
    drop(Gate::attached(setup));
    let (mut kills, mut refusals) = (0, 0);
    for n in 1.. {
        let call = SignedCall::new(n, EXPERT, 5);
        let invite = call.invite();
        let msg = message(&call, &invite);
        let was_killed = killed_at(n, setup, |gate| {
            gate.check(&msg);
        });
        let gate = Gate::attached(setup);
        let verdict = gate.check(&msg);
        if setup.wait_ms == 0 {
            let entries = gate.ring(0).drain();
            let found = decisions(&entries, &call);
            assert_eq!(found.len(), 1, "killed at step {n}: {found:?}");
            assert_eq!(found[0].seq, verdict.seq, "killed at step {n}");
        }
        if verdict.approved == 0 {
            // Killed between claim and commit of the signature, see `shared/replay.rs`.
            assert_eq!(verdict.gate, IFE_GATE_REPLAY, "killed at step {n}");
            refusals += 1;
            continue;
        }
        assert_eq!(verdict.witnessed, expected, "killed at step {n}");
        assert_eq!(gate.stats().active_calls, 1, "killed at step {n}");
        assert_eq!(gate.release(&call.call_id), IFE_OK);
        if !was_killed {
            break;
        }
        kills += 1;
    }
    assert!(kills > 100 && refusals * 10 < kills, "{kills}, {refusals}");
}

#[test]
fn a_worker_killed_anywhere_in_a_check_leaves_one_decision() {
    let dir = TempDir::new("killed-check");
    decided_once(&Setup::new(&dir), 1);
}

#[test]
fn a_worker_killed_while_it_waits_for_the_disk_leaves_one_decision() {
    let dir = TempDir::new("killed-wait");
    let setup = Setup {
        wait_ms: 5_000,
        ..Setup::new(&dir)
    };
    drop(Gate::attached(&setup));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut ring = Ring::open(&setup.state_dir, 0);
        let is_over = &is_over;
        let writer = scope.spawn(move || {
            let mut entries = Vec::new();
            while !is_over.load(SeqCst) {
                entries.extend(ring.drain());
                thread::sleep(Duration::from_millis(1));
            }
            entries
        });
        let end = SetAtEnd(is_over);
        decided_once(&setup, 2);
        drop(end);
        let entries = writer.join().expect("no panic");
        let mut calls = BTreeMap::new();
        for entry in entries {
            if ["APPROVED", "REJECTED"].contains(&entry.text("event")) {
                *calls.entry(entry.text("call_id").to_owned()).or_insert(0) += 1;
            }
        }
        assert!(
            calls.len() > 20 && calls.values().all(|n| *n == 1),
            "{calls:?}"
        );
    });
}

/// Ends the other thread, also when a check fails.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Returns a final reply to the call's INVITE.
fn reply(call: &SignedCall, invite: &str, code: u32) -> ife_message {
    ife_message {
        status_code: code,
        to_tag: text("callee"),
        ..message(call, invite)
    }
}

#[test]
fn a_worker_killed_anywhere_in_an_event_leaves_its_entry_to_the_repetition() {
    let dir = TempDir::new("killed-event");
    let setup = Setup::new(&dir);
    let mut number = 0;
    for (code, event) in [(200, "CONNECTED"), (486, "FAILED")] {
        let mut kills = 0;
        for n in 1.. {
            number += 1;
            let call = SignedCall::new(number, EXPERT, 5);
            let invite = call.invite();
            let gate = Gate::attached(&setup);
            assert_eq!(gate.check(&message(&call, &invite)).approved, 1);
            gate.ring(0).discard();
            drop(gate);
            let msg = reply(&call, &invite, code);
            let was_killed = killed_at(n, &setup, |gate| {
                gate.log(&msg, event);
            });
            let gate = Gate::attached(&setup);
            let repeated = gate.log(&msg, event);
            assert_eq!(
                gate.log(&msg, event),
                IFE_WITNESS_OMITTED,
                "{event}, step {n}"
            );
            let entries = gate.ring(0).calls();
            let found = entries.iter().filter(|e| e.text("event") == event).count();
            if !was_killed {
                assert_eq!((repeated, found), (IFE_WITNESS_OMITTED, 1), "{event}");
                break;
            }
            // Killed between the entry and its mark: the repetition has an entry as well.
            assert!(
                (1..=2).contains(&found),
                "{event}, step {n}: {found} entries"
            );
            kills += 1;
            gate.release(&call.call_id);
        }
        assert!(kills > 3, "{event}: {kills}");
    }
}
