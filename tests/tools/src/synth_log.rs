//! Writes a log of N synthetic entries, fast and without a daemon, for benchmarks and other
//! verifiers. Refuses an existing directory.
//!
//! ```text
//! synth_log DIR N [--entry-bytes 500] [--producers 8] [--publish-every 100000] [--verify THREADS]
//! ```
//!
//! `DIR/vkeys` holds the verifier keys. `--verify` prints the throughput of `verify_log` as JSON.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ife_witness::checkpoint::Checkpoint;
use ife_witness::entry::{self, Entry, Event};
use ife_witness::merkle::leaf_hash;
use ife_witness::note::{KeyKind, SigningKey};
use ife_witness::tile::{Tile, TreeBuilder};
use ife_witness::verify::{Options, verify_log};

const ORIGIN: &str = "synthetic.example/witness";

struct Args {
    dir: PathBuf,
    entries: u64,
    entry_bytes: usize,
    producers: u64,
    publish_every: u64,
    verify: Option<usize>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = parse(std::env::args().skip(1))?;
    let (log, keys) = (args.dir.join("log"), signing_keys()?);
    fs::create_dir(&args.dir)?;
    let start = Instant::now();
    write_log(&args, &log, &keys)?;
    let vkeys = format!("{}\n{}\n", keys.0.verifier(), keys.1.verifier());
    fs::write(args.dir.join("vkeys"), vkeys)?;
    let mut out = std::io::stdout().lock();
    let (entries, seconds) = (args.entries, start.elapsed().as_secs_f64());
    writeln!(
        out,
        r#"{{"name":"synth_log","entries":{entries},"seconds":{seconds:.3}}}"#
    )?;
    match args.verify {
        Some(threads) => time_verification(&log, &keys, threads, &mut out),
        None => Ok(()),
    }
}

/// Measures wall time and, for one core of a shared machine, processor time.
fn time_verification(
    log: &Path,
    keys: &(SigningKey, SigningKey),
    threads: usize,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let options = Options {
        threads,
        ..Options::default()
    };
    let vkeys = [keys.0.verifier().clone(), keys.1.verifier().clone()];
    let (start, cpu_start) = (Instant::now(), cpu_seconds()?);
    let report = verify_log(log, &vkeys, &options, |_| {})?;
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds()? - cpu_start);
    let (entries, bytes) = (report.size, report.entry_bytes / report.size.max(1));
    // The kernel counts processor time in steps of 10 ms.
    let (rate, cpu_rate) = (entries as f64 / seconds, entries as f64 / cpu.max(0.01));
    writeln!(
        out,
        concat!(
            r#"{{"name":"verify_log","entries":{entries},"entry_bytes":{bytes},"#,
            r#""threads":{threads},"seconds":{seconds:.3},"entries_per_s":{rate:.0},"#,
            r#""cpu_seconds":{cpu:.2},"entries_per_cpu_s":{cpu_rate:.0}}}"#
        ),
        entries = entries,
        bytes = bytes,
        threads = threads,
        seconds = seconds,
        rate = rate,
        cpu = cpu,
        cpu_rate = cpu_rate
    )?;
    Ok(())
}

/// Returns user and system time of this process (proc_pid_stat(5), fields 14 and 15, in 10 ms).
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat
        .rsplit_once(')')
        .ok_or("no process name in /proc/self/stat")?
        .1;
    let ticks = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Args, Box<dyn Error>> {
    let usage = "usage: synth_log DIR N [--entry-bytes B] [--producers P] [--publish-every E] \
                 [--verify THREADS]";
    let (Some(dir), Some(entries)) = (args.next(), args.next()) else {
        return Err(usage.into());
    };
    let (dir, entries) = (PathBuf::from(dir), entries.parse()?);
    let mut parsed = Args {
        dir,
        entries,
        entry_bytes: 500,
        producers: 8,
        publish_every: 100_000,
        verify: None,
    };
    while let Some(option) = args.next() {
        let value = args.next().ok_or(usage)?;
        match option.as_str() {
            "--entry-bytes" => parsed.entry_bytes = value.parse()?,
            "--producers" => parsed.producers = value.parse::<u64>()?.max(1),
            "--publish-every" => parsed.publish_every = value.parse::<u64>()?.max(1),
            "--verify" => parsed.verify = Some(value.parse()?),
            _ => return Err(usage.into()),
        }
    }
    Ok(parsed)
}

/// Fixed keys: the log proves nothing.
fn signing_keys() -> Result<(SigningKey, SigningKey), Box<dyn Error>> {
    let log = SigningKey::from_seed(ORIGIN, KeyKind::Log, &[1; 32])?;
    let cosigner =
        SigningKey::from_seed("synthetic.example/cosigner", KeyKind::Cosigner, &[2; 32])?;
    Ok((log, cosigner))
}

fn write_log(
    args: &Args,
    log: &Path,
    keys: &(SigningKey, SigningKey),
) -> Result<(), Box<dyn Error>> {
    let (mut builder, mut full, mut bytes) = (TreeBuilder::new(), Vec::new(), Vec::new());
    for index in 0..args.entries {
        encode(args, index, &mut bytes)?;
        builder.append(&bytes, leaf_hash(&bytes), &mut full)?;
        for file in full.drain(..) {
            write_tile(log, file.tile, &file.bytes)?;
        }
        if (index + 1).is_multiple_of(args.publish_every) {
            publish(log, &builder, keys, index)?;
        }
    }
    publish(log, &builder, keys, args.entries)
}

fn encode(args: &Args, index: u64, out: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
    let producer = format!("kamailio-{}", index % args.producers);
    let trace = format!("5ecf1d9a-4c2b-4e0e-9a51-{:012x}", index / 6);
    let call = format!("{index:016x}@192.0.2.10");
    let time = 1_760_000_000_000_000_000 + index * 100_000;
    let mut entry = Entry::new(
        time,
        "node-a",
        &producer,
        1,
        index / args.producers,
        Event::Approved,
    );
    entry.trace_id = Some(trace.as_bytes());
    entry.call_id = Some(call.as_bytes());
    entry.from = Some(b"sip:council@council.example");
    entry.to = Some(b"sip:expert-safety@external.advisor");
    entry.hazard = Some(b"safety");
    entry.message_sha256 = Some(leaf_hash(call.as_bytes()));
    entry.approved = Some(true);
    entry.code = Some(200);
    entry.detail = Some(b"");
    entry::encode(&entry, out)?;
    let filler = "x".repeat(args.entry_bytes.saturating_sub(out.len()));
    entry.detail = Some(filler.as_bytes());
    entry::encode(&entry, out)?;
    Ok(())
}

fn publish(
    log: &Path,
    builder: &TreeBuilder,
    keys: &(SigningKey, SigningKey),
    time: u64,
) -> Result<(), Box<dyn Error>> {
    for (tile, bytes) in builder.partials() {
        write_tile(log, tile, bytes)?;
    }
    let head = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: builder.size(),
        root: builder.root(),
    };
    fs::create_dir_all(log)?;
    fs::write(
        log.join("checkpoint"),
        head.sign(&keys.0, Some((&keys.1, 1_760_000_000 + time / 10_000)))?,
    )?;
    Ok(())
}

fn write_tile(log: &Path, tile: Tile, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let path = log.join(tile.path());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, bytes)?;
    Ok(())
}
