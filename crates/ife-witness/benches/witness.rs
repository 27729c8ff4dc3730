//! Measures the witness: ring push, throughput, latency from ring to disk, and the influence of the
//! log's size. Measures the disk's own fdatasync too, for comparison.
//!
//! ```text
//! cargo bench -p ife-witness --bench witness -- \
//!     --dir DIR_ON_DISK [--seconds 5] [--big-log 10000000]
//! ```
//!
//! Prints one JSON object on each line: name, value, unit, target, pass, compared_with.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use clap::Parser;
use ife_witness::checkpoint::Checkpoint;
use ife_witness::daemon::load_keys;
use ife_witness::entry::{Entry, Event, encode, leaf_hash};
use ife_witness::places;
use ife_witness::reader::LogDir;
use ife_witness::recovery::log_id;
use ife_witness::ring::{Producer, PushError, RingConfig, RingSet};
use ife_witness::store::{RealDisk, Store};
use ife_witness::tile::TreeBuilder;
use ife_witness::wal::{Producers, Spare, Wal};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ORIGIN: &str = "bench.example/witness";
const ENTRY_BYTES: usize = 500;
const RATE_PER_S: u64 = 5_000;
const LATENCY_PRODUCERS: u64 = 4;
const LOAD_PRODUCERS: usize = 2;
const LOAD_TURNS: u32 = 3;

#[derive(Parser)]
struct Args {
    /// Directory on the disk to measure; a directory is created in it and removed.
    #[arg(long)]
    dir: PathBuf,
    /// Directory on tmpfs for the rings.
    #[arg(long, default_value = "/dev/shm")]
    memory: PathBuf,
    /// Duration of each load.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Entries in the log at the start of the second round.
    #[arg(long, default_value_t = 10_000_000)]
    big_log: u64,
    /// Entries in the log in which a trace is looked up.
    #[arg(long, default_value_t = 1_000_000)]
    lookup_log: u64,
    /// Only this measurement.
    #[arg(long)]
    only_lookup: bool,
    /// Path of the writer.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_ife-witnessd"))]
    witnessd: PathBuf,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let bench = Bench::new(&args)?;
    let result = bench.run(&args);
    fs::remove_dir_all(&bench.disk)?;
    fs::remove_dir_all(&bench.memory)?;
    result
}

struct Bench {
    disk: PathBuf,
    memory: PathBuf,
    witnessd: PathBuf,
    load_for: Duration,
}

/// Results for one log size.
struct Round {
    writer: Child,
    state_dir: PathBuf,
    ready: Duration,
    latency_us: Vec<u64>,
    per_s: f64,
    per_cpu_s: f64,
}

impl Bench {
    fn new(args: &Args) -> Result<Self> {
        let name = format!("witness-bench-{}", std::process::id());
        let (disk, memory) = (args.dir.join(&name), args.memory.join(&name));
        fs::create_dir_all(&disk)?;
        fs::create_dir_all(&memory)?;
        Ok(Self {
            disk,
            memory,
            witnessd: args.witnessd.clone(),
            load_for: Duration::from_secs(args.seconds),
        })
    }

    fn run(&self, args: &Args) -> Result<()> {
        if args.only_lookup {
            return self.look_up(args);
        }
        let push_ns = self.push_ns()?;
        report(
            "witness_ring_push",
            push_ns,
            "ns",
            Some((500.0, false)),
            "500-byte entry, reader awake",
        )?;
        let encode_ns = encode_ns();
        report(
            "witness_entry_encode",
            encode_ns,
            "ns",
            None,
            "500-byte entry with SDP",
        )?;
        let disk_us = self.disk_us()?;
        report(
            "disk_fdatasync_p50",
            at(&disk_us, 50.0),
            "us",
            None,
            "1 KiB appended to a zero-filled file",
        )?;
        report(
            "disk_fdatasync_p99",
            at(&disk_us, 99.0),
            "us",
            None,
            "the same",
        )?;
        let mut empty = self.start_round("empty", 0)?;
        let mut big = self.start_round("big", args.big_log)?;
        // In turns, the best of each: other load on the machine affects both alike.
        for _ in 0..LOAD_TURNS {
            for round in [&mut empty, &mut big] {
                round.load(self.load_for / LOAD_TURNS)?;
            }
        }
        let (empty, big) = (empty.stop()?, big.stop()?);
        self.report_round(&empty, "log of 0 entries", true)?;
        self.report_round(&big, &format!("log of {} entries", args.big_log), false)?;
        let ratio = empty.per_cpu_s / big.per_cpu_s;
        report(
            "witness_cost_big_to_empty",
            ratio,
            "ratio",
            Some((1.2, false)),
            "CPU per entry, big log over empty log",
        )?;
        self.look_up(args)
    }

    /// Times `ifectl witness show --trace` as a process, by the index and without it.
    fn look_up(&self, args: &Args) -> Result<()> {
        let home = self.disk.join("lookup");
        let begun = Instant::now();
        synthesise_traces(&home, args.lookup_log)?;
        eprintln!(
            "a log of {} entries after {:?}",
            args.lookup_log,
            begun.elapsed()
        );
        let ifectl = self.witnessd.with_file_name("ifectl");
        if !ifectl.is_file() {
            return Err(format!("{}: build ife-cli first", ifectl.display()).into());
        }
        let show = |number: u64| -> Result<f64> {
            let mut command = Command::new(&ifectl);
            command
                .args(["witness", "show", "--log"])
                .arg(home.join("log"));
            command.arg("--vkey").arg(home.join("vkey"));
            command.args(["--trace", &trace(number)]);
            let begun = Instant::now();
            let shown = command.output()?;
            let ms = begun.elapsed().as_secs_f64() * 1e3;
            if !shown.status.success() {
                return Err(String::from_utf8_lossy(&shown.stderr).into());
            }
            Ok(ms)
        };
        let what = format!("ifectl as a process, log of {} entries", args.lookup_log);
        let traces = args.lookup_log / TRACE_ENTRIES;
        report("trace_without_index", show(traces / 2)?, "ms", None, &what)?;
        let (dir, mut from) = (LogDir::new(home.join("log")), 0);
        let begun = Instant::now();
        while places::make_next(&dir, args.lookup_log, &mut from)?.is_some() {}
        let per_entry = begun.elapsed().as_nanos() as f64 / args.lookup_log as f64;
        report(
            "index_per_entry",
            per_entry,
            "ns",
            None,
            "made from the log",
        )?;
        report(
            "trace_first",
            show(traces / 3)?,
            "ms",
            Some((50.0, false)),
            &what,
        )?;
        let mut samples = Vec::new();
        for n in 0..LOOKUPS {
            samples.push(show(traces * n / LOOKUPS)?);
        }
        samples.sort_by(f64::total_cmp);
        let median = samples[samples.len() / 2];
        report("trace_median", median, "ms", Some((50.0, false)), &what)?;
        report(
            "trace_slowest",
            samples[samples.len() - 1],
            "ms",
            None,
            &what,
        )
    }

    fn report_round(&self, round: &Round, what: &str, is_first: bool) -> Result<()> {
        let name = |name: &str| {
            if is_first {
                name.to_owned()
            } else {
                format!("{name}_big")
            }
        };
        report(
            &name("witness_start"),
            round.ready.as_secs_f64() * 1e3,
            "ms",
            None,
            what,
        )?;
        for (percent, target) in [
            (50.0, None),
            (99.0, Some((5_000.0, false))),
            (99.9, None),
            (100.0, None),
        ] {
            let label = format!("witness_ring_to_disk_p{percent}");
            report(
                &name(&label),
                at(&round.latency_us, percent),
                "us",
                target,
                &format!("{RATE_PER_S} entries/s, {what}"),
            )?;
        }
        report(
            &name("witness_durable_per_s"),
            round.per_s,
            "entries/s",
            None,
            "wall clock, producers on the same cores",
        )?;
        let target = Some((100_000.0, true));
        report(
            &name("witness_durable_per_cpu_s"),
            round.per_cpu_s,
            "entries/s",
            target,
            "per second of witnessd's CPU time, all threads",
        )
    }

    /// A ring that this thread drains between measurements.
    fn push_ns(&self) -> Result<f64> {
        let state_dir = self.memory.join("push");
        let config = RingConfig {
            state_dir: &state_dir,
            producer: "bench",
            capacity: 16 << 20,
        };
        let mut ring = Producer::attach(&config)?;
        let mut set = RingSet::open(&state_dir)?;
        set.scan(true);
        let entry = vec![b'x'; ENTRY_BYTES];
        let mut samples = Vec::new();
        let mut sink = Vec::new();
        for _ in 0..20 {
            let begun = Instant::now();
            let mut count = 0u32;
            while ring.push(&entry).is_ok() {
                count += 1;
            }
            samples.push(begun.elapsed().as_nanos() as f64 / f64::from(count));
            while set.rings[0].read(&mut sink)?.is_some() {
                sink.clear();
            }
            set.rings[0].acknowledge(ring.next_seq());
        }
        samples.sort_by(f64::total_cmp);
        Ok(samples[samples.len() / 2])
    }

    fn disk_us(&self) -> Result<Vec<u64>> {
        let path = self.disk.join("fdatasync");
        let file = fs::File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        let block = vec![0u8; 4 << 20];
        file.write_all_at(&block, 0)?;
        file.sync_all()?;
        let mut samples = Vec::new();
        for n in 0..2_000u64 {
            let begun = Instant::now();
            file.write_all_at(&[1; 1024], n * 1024)?;
            file.sync_data()?;
            samples.push(begun.elapsed().as_micros() as u64);
        }
        fs::remove_file(path)?;
        samples.sort_unstable();
        Ok(samples)
    }

    fn start_round(&self, name: &str, size: u64) -> Result<Round> {
        let (home, state_dir) = (self.disk.join(name), self.memory.join(name));
        fs::create_dir_all(&home)?;
        fs::create_dir_all(&state_dir)?;
        if size > 0 {
            synthesise(&home, size)?;
        }
        let begun = Instant::now();
        let mut writer = self.start(&home, &state_dir)?;
        while !fs::read_to_string(state_dir.join("witnessd.json"))
            .unwrap_or_default()
            .contains("running")
        {
            if let Some(status) = writer.try_wait()? {
                return Err(format!("ife-witnessd ended: {status}").into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let ready = begun.elapsed();
        let latency_us = self.latency(&state_dir)?;
        Ok(Round {
            writer,
            state_dir,
            ready,
            latency_us,
            per_s: 0.0,
            per_cpu_s: 0.0,
        })
    }

    fn start(&self, home: &Path, state_dir: &Path) -> Result<Child> {
        let mut command = Command::new(&self.witnessd);
        command.arg("--init");
        command
            .arg("--log-dir")
            .arg(home.join("log"))
            .arg("--state-dir")
            .arg(state_dir);
        command
            .arg("--key")
            .arg(home.join("key"))
            .arg("--cosigner-key")
            .arg(home.join("cosigner"));
        command.arg("--vkey-out").arg(home.join("vkey")).args([
            "--origin",
            ORIGIN,
            "--log-level",
            "warn",
        ]);
        Ok(command.stdout(Stdio::null()).spawn()?)
    }

    /// Measures the time from push to durable. Open loop: the producer pushes on schedule and does
    /// not wait for the disk; a second thread waits for each number in turn.
    fn latency(&self, state_dir: &Path) -> Result<Vec<u64>> {
        let total = RATE_PER_S * self.load_for.as_secs();
        let begin = Instant::now() + Duration::from_millis(200);
        let mut threads = Vec::new();
        for n in 0..LATENCY_PRODUCERS {
            let config = RingConfig {
                state_dir,
                producer: &format!("latency-{n}"),
                capacity: 0,
            };
            let ring = Producer::attach(&config)?;
            let waiter = ring.waiter();
            let (pushed, times) = std::sync::mpsc::channel::<(u64, Instant)>();
            let offset = Duration::from_micros(n * 1_000_000 / RATE_PER_S);
            let pusher = std::thread::spawn(move || {
                push_at_rate(ring, begin + offset, total / LATENCY_PRODUCERS, &pushed)
            });
            let recorder = std::thread::spawn(move || {
                let mut samples = Vec::new();
                for (seq, at) in times {
                    waiter
                        .wait_durable(seq, Duration::from_secs(10))
                        .map_err(|e| e.to_string())?;
                    samples.push(at.elapsed().as_micros() as u64);
                }
                Ok::<_, String>(samples)
            });
            threads.push((pusher, recorder));
        }
        let mut samples = Vec::new();
        for (pusher, recorder) in threads {
            pusher.join().map_err(|_| "a producer panicked")??;
            samples.extend(recorder.join().map_err(|_| "a recorder panicked")??);
        }
        samples.sort_unstable();
        Ok(samples)
    }
}

impl Round {
    /// Measures throughput per second of wall time and of the writer's CPU time.
    fn load(&mut self, load_for: Duration) -> Result<()> {
        let pid = self.writer.id();
        let (stop, pushed) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (cpu, begun) = (cpu_s(pid)?, Instant::now());
        let threads: Vec<_> = (0..LOAD_PRODUCERS)
            .map(|n| {
                let name = format!("load-{n}");
                let config = RingConfig {
                    state_dir: &self.state_dir,
                    producer: &name,
                    capacity: 16 << 20,
                };
                let (ring, stop, pushed) = (
                    Producer::attach(&config)?,
                    Arc::clone(&stop),
                    Arc::clone(&pushed),
                );
                Ok(std::thread::spawn(move || {
                    push_all(ring, &name, &stop, &pushed)
                }))
            })
            .collect::<Result<_>>()?;
        std::thread::sleep(load_for);
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().map_err(|_| "a producer panicked")??;
        }
        let (wall, count) = (
            begun.elapsed().as_secs_f64(),
            pushed.load(Ordering::Relaxed) as f64,
        );
        // Includes the last tiles and checkpoints of these entries.
        std::thread::sleep(Duration::from_millis(500));
        self.per_s = self.per_s.max(count / wall);
        self.per_cpu_s = self.per_cpu_s.max(count / (cpu_s(pid)? - cpu));
        Ok(())
    }

    fn stop(mut self) -> Result<Self> {
        Command::new("kill")
            .arg(self.writer.id().to_string())
            .status()?;
        let status = self.writer.wait()?;
        if status.success() {
            Ok(self)
        } else {
            Err(format!("ife-witnessd ended: {status}").into())
        }
    }
}

fn push_at_rate(
    mut ring: Producer,
    begin: Instant,
    count: u64,
    pushed: &Sender<(u64, Instant)>,
) -> std::result::Result<(), String> {
    let entry = vec![b'x'; ENTRY_BYTES];
    let gap = Duration::from_micros(LATENCY_PRODUCERS * 1_000_000 / RATE_PER_S);
    let mut due = begin;
    for _ in 0..count {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let at = Instant::now();
        let seq = ring.push(&entry).map_err(|e| e.to_string())?;
        pushed.send((seq, at)).map_err(|e| e.to_string())?;
        due += gap;
    }
    Ok(())
}

fn push_all(
    mut ring: Producer,
    name: &str,
    stop: &AtomicBool,
    pushed: &AtomicU64,
) -> std::result::Result<(), String> {
    let mut buffer = Vec::new();
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        sample(name, TRACE, ring.epoch(), ring.next_seq(), &mut buffer);
        loop {
            match ring.push(&buffer) {
                Ok(_) => break,
                Err(PushError::Full) => std::thread::sleep(Duration::from_millis(2)),
                Err(e) => return Err(e.to_string()),
            }
        }
        count += 1;
    }
    let last = ring.next_seq() - 1;
    ring.wait_durable(last, Duration::from_secs(60))
        .map_err(|e| e.to_string())?;
    pushed.fetch_add(count, Ordering::Relaxed);
    Ok(())
}

const TRACE: &str = "5f0c3f4e-3f4b-4c57-9a68-0c5b0a2d7f11";

/// An entry of about 500 bytes.
fn sample(producer: &str, trace: &str, epoch: u64, seq: u64, out: &mut Vec<u8>) {
    let mut entry = Entry::new(
        1_800_000_000_000_000_000,
        "bench",
        producer,
        epoch,
        seq,
        Event::Invite,
    );
    entry.call_id = Some(b"a84b4c76e66710@pc33.council.example");
    entry.trace_id = Some(trace.as_bytes());
    entry.from = Some(b"sip:council@council.example");
    entry.to = Some(b"sip:expert-safety@external.advisor");
    entry.sdp = Some(
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
          m=audio 49170 RTP/AVP 0\r\n",
    );
    // Numbers are far below 2^53.
    encode(&entry, out).unwrap_or_else(|e| unreachable!("{e}"));
}

fn encode_ns() -> f64 {
    let mut out = Vec::new();
    let mut samples: Vec<f64> = (0..20)
        .map(|_| {
            let begun = Instant::now();
            for seq in 0..5_000 {
                sample("bench", TRACE, 1_800_000_000_000, seq, &mut out);
                std::hint::black_box(&out);
            }
            begun.elapsed().as_nanos() as f64 / 5_000.0
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// Returns user and system time of a process. /proc counts in ticks of 10 ms on every Linux.
fn cpu_s(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // After the command name, which ends with the last ')', utime and stime are fields 14 and 15.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields.get(11).ok_or("no utime")?.parse::<u64>()?
        + fields.get(12).ok_or("no stime")?.parse::<u64>()?;
    Ok(ticks as f64 / 100.0)
}

/// Writes what resuming a log of `size` equal entries needs: edge tiles, checkpoint, empty WAL.
fn synthesise(home: &Path, size: u64) -> Result<()> {
    let log_dir = home.join("log");
    let keys = load_keys(
        &home.join("key"),
        &home.join("cosigner"),
        ORIGIN,
        &log_dir,
        true,
    )?;
    let store = Store::open(&log_dir, Arc::new(RealDisk))?;
    let mut tree = TreeBuilder::new();
    let mut full = Vec::new();
    let leaf = leaf_hash(b"{}");
    for _ in 0..size {
        tree.append(b"{}", leaf, &mut full)?;
        full.clear();
    }
    store.write_public(tree.partials().map(|(tile, bytes)| (tile.path(), bytes)))?;
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size,
        root: tree.root(),
    };
    let note = checkpoint.sign(&keys.log, Some((&keys.cosigner, 1_800_000_000)))?;
    store.replace(&store.private_checkpoint(), note.as_bytes(), false)?;
    store.replace(&store.public_checkpoint(), note.as_bytes(), true)?;
    let spare = Spare::prepare(&store, 64 << 20, Duration::ZERO)?;
    Wal::create(
        store,
        log_id(&keys),
        64 << 20,
        size,
        &Producers::default(),
        spare,
    )?;
    Ok(())
}

/// Entries of one trace in [`synthesise_traces`]; they come one after the other.
const TRACE_ENTRIES: u64 = 20;
/// Traces that are looked up.
const LOOKUPS: u64 = 40;

fn trace(number: u64) -> String {
    format!("trace-{number:08}")
}

/// Makes a published log with all of its tiles.
fn synthesise_traces(home: &Path, size: u64) -> Result<()> {
    let log_dir = home.join("log");
    fs::create_dir_all(&log_dir)?;
    let (key, cosigner) = (home.join("key"), home.join("cosigner"));
    let keys = load_keys(&key, &cosigner, ORIGIN, &log_dir, true)?;
    let write = |path: String, bytes: &[u8]| -> Result<()> {
        let path = log_dir.join(path);
        fs::create_dir_all(path.parent().ok_or("a tile has a directory")?)?;
        Ok(fs::write(path, bytes)?)
    };
    let mut tree = TreeBuilder::new();
    let (mut full, mut entry) = (Vec::new(), Vec::new());
    for n in 0..size {
        sample("bench", &trace(n / TRACE_ENTRIES), 1, n, &mut entry);
        tree.append(&entry, leaf_hash(&entry), &mut full)?;
        for file in full.drain(..) {
            write(file.tile.path(), &file.bytes)?;
        }
    }
    for (tile, bytes) in tree.partials() {
        write(tile.path(), bytes)?;
    }
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size,
        root: tree.root(),
    };
    let note = checkpoint.sign(&keys.log, Some((&keys.cosigner, 1_800_000_000)))?;
    fs::write(log_dir.join("checkpoint"), note)?;
    let vkeys = format!("{}\n{}\n", keys.log.verifier(), keys.cosigner.verifier());
    Ok(fs::write(home.join("vkey"), vkeys)?)
}

fn at(sorted: &[u64], percent: f64) -> f64 {
    let index = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
    sorted.get(index.saturating_sub(1)).copied().unwrap_or(0) as f64
}

/// `target`: the value and whether more is better.
fn report(
    name: &str,
    value: f64,
    unit: &str,
    target: Option<(f64, bool)>,
    compared_with: &str,
) -> Result<()> {
    let pass = target.map(|(target, more)| {
        if more {
            value >= target
        } else {
            value <= target
        }
    });
    let line: Value = json!({
        "name": name,
        "value": (value * 100.0).round() / 100.0,
        "unit": unit,
        "target": target.map(|(target, _)| target),
        "pass": pass,
        "compared_with": compared_with,
    });
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
