//! Every changing system call of the writer fails once, in every way, and the power fails before
//! each. Then a new writer recovers, and the log has every acknowledged entry once.
#![cfg(feature = "daemon")]

mod common;
mod host;

use std::sync::Arc;

use common::{Random, TempDir};
use host::disks::{Fault, FaultyDisk, VolatileDisk};
use host::{Client, Engine, Failure, Host};
use ife_witness::store::Disk;

/// Enough for full tiles, several segments and several checkpoints.
const ROUNDS: u64 = 24;
const PER_ROUND: u64 = 14;

/// Runs a writer over `disk` until it fails or all rounds are done.
fn work(host: &Host, disk: Arc<dyn Disk>, client: &mut Client) -> Result<(), Failure> {
    let mut engine: Engine = host.start_on(disk)?;
    for round in 0..ROUNDS {
        client.push_many(PER_ROUND);
        while engine.step()? {}
        if round % 3 == 2 {
            engine.publish()?;
        }
    }
    engine.finish()
}

/// Returns the call numbers to fail: the first ones, then every fifth, which covers all kinds of
/// calls since rounds differ in length.
fn call_numbers() -> impl Iterator<Item = u64> {
    (0..).filter(|n| *n < 60 || n % 5 == 0)
}

fn after_a_failed_call(fault: Fault) {
    let mut failed = 0;
    for at in call_numbers() {
        let host = Host::new();
        let disk = Arc::new(FaultyDisk::new(fault, at));
        let mut client = host.attach("kamailio-0");
        let result = work(&host, disk.clone(), &mut client);
        assert_eq!(result.is_err(), disk.struck(), "call {at}");
        if !disk.struck() {
            break;
        }
        failed += 1;
        let acknowledged = client.acknowledged();
        client.push_many(3);
        let mut engine = host
            .start()
            .unwrap_or_else(|e| panic!("call {at}, {fault:?}: {e}"));
        assert!(
            engine.found.size >= acknowledged,
            "call {at}: {:?} after {acknowledged} acknowledged",
            engine.found
        );
        engine.finish().expect("a good disk");
        assert_eq!(host.verify().gaps, 0, "call {at}");
        assert_eq!(
            host.seqs("kamailio-0"),
            (0..client.ring.next_seq()).collect::<Vec<_>>(),
            "call {at}"
        );
    }
    assert!(failed > 100, "only {failed} calls were made to fail");
}

#[test]
fn a_call_fails() {
    after_a_failed_call(Fault::Fails);
}

#[test]
fn a_call_fails_but_was_done() {
    after_a_failed_call(Fault::FailsButPersisted);
}

#[test]
fn a_write_fails_halfway() {
    after_a_failed_call(Fault::FailsHalfway);
}

#[test]
fn the_power_fails() {
    let mut failed = 0;
    for at in call_numbers() {
        let mut host = Host::new();
        let backup = TempDir::memory();
        let disk = Arc::new(VolatileDisk::new(at, backup.path().to_owned()));
        let mut client = host.attach("kamailio-0");
        let result = work(&host, disk.clone(), &mut client);
        if !disk.struck() {
            result.expect("nothing failed");
            break;
        }
        failed += 1;
        let acknowledged = client.acknowledged();
        drop(client);
        disk.fail_power(&mut Random(at + 1));
        host.lose_memory();
        let mut engine = host.start().unwrap_or_else(|e| panic!("call {at}: {e}"));
        let mut client = host.attach("kamailio-0");
        client.push_many(3);
        engine.finish().expect("a good disk");
        host.verify();
        let seqs = host.seqs("kamailio-0");
        let before = seqs.len() as u64 - 3;
        assert!(
            before >= acknowledged,
            "call {at}: {acknowledged} acknowledged, {before} there"
        );
        assert_eq!(
            seqs[..before as usize],
            (0..before).collect::<Vec<_>>(),
            "call {at}"
        );
    }
    assert!(failed > 100, "the power failed only {failed} times");
}
