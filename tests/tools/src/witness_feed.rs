//! A producer for external tests: pushes entries and prints `EPOCH SEQ` of each that is on disk.
//!
//! ```text
//! witness_feed --state-dir DIR --producer NAME [--count N] [--seconds S] [--bytes B] [--each]
//! ```

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use ife_witness::entry::{Entry, Event, encode};
use ife_witness::ring::{Producer, PushError, RingConfig};

#[derive(Parser)]
struct Args {
    /// Directory of the rings.
    #[arg(long)]
    state_dir: PathBuf,
    /// Name of the producer.
    #[arg(long)]
    producer: String,
    /// Largest number of entries.
    #[arg(long, default_value_t = u64::MAX)]
    count: u64,
    /// Duration in seconds.
    #[arg(long, default_value_t = 3600.0)]
    seconds: f64,
    /// Length of an entry's detail.
    #[arg(long, default_value_t = 200)]
    bytes: usize,
    /// Wait for each entry to be on disk; otherwise only for the last.
    #[arg(long)]
    each: bool,
    /// Longest wait for an entry, and for space in the ring.
    #[arg(long, default_value_t = 5000)]
    wait_ms: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let wait = Duration::from_millis(args.wait_ms);
    let mut ring = Producer::attach(&RingConfig {
        state_dir: &args.state_dir,
        producer: &args.producer,
        capacity: 1 << 20,
    })?;
    let detail = vec![b'x'; args.bytes];
    let (begun, mut buffer) = (Instant::now(), Vec::new());
    let mut pushed = Vec::new();
    for _ in 0..args.count {
        if begun.elapsed().as_secs_f64() >= args.seconds {
            break;
        }
        let mut entry = Entry::new(
            1,
            "feed",
            &args.producer,
            ring.epoch(),
            ring.next_seq(),
            Event::Invite,
        );
        entry.detail = Some(&detail);
        encode(&entry, &mut buffer)?;
        pushed.push(push(&mut ring, &buffer, wait)?);
        if args.each {
            report(&ring, &mut pushed, wait)?;
        }
    }
    report(&ring, &mut pushed, wait)
}

/// Waits while the ring is full.
fn push(ring: &mut Producer, entry: &[u8], wait: Duration) -> Result<u64, PushError> {
    let begun = Instant::now();
    loop {
        match ring.push(entry) {
            Err(PushError::Full) if begun.elapsed() < wait => {
                std::thread::sleep(Duration::from_millis(1));
            }
            outcome => return outcome,
        }
    }
}

/// Prints the entries once the last of them is on disk.
fn report(ring: &Producer, pushed: &mut Vec<u64>, wait: Duration) -> Result<(), Box<dyn Error>> {
    let Some(last) = pushed.last() else {
        return Ok(());
    };
    ring.wait_durable(*last, wait)?;
    let mut out = std::io::stdout().lock();
    for seq in pushed.drain(..) {
        writeln!(out, "{} {seq}", ring.epoch())?;
    }
    Ok(out.flush()?)
}
