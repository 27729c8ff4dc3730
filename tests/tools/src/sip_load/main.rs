//! Caller and expert of whole calls (INVITE, 180, 200, ACK, BYE, 200) through a proxy, and a count
//! of what became of them.
//!
//! ```text
//! sip_load --proxy ADDRESS --expert ADDRESS --key FILE --prefix TEXT --seconds S
//!          (--at-once N | --rate R)
//! ```
//!
//! With `--at-once` the loop is closed: so many calls are under way, and each that ends makes room
//! for the next. With `--rate` it is open: calls begin at that rate and wait for none. Both
//! sides repeat unanswered messages by the timers of RFC 3261. All calls are signed before the
//! first begins. Prints one JSON object.

mod caller;
mod expert;
mod message;
mod plan;
mod timers;

use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::json;
use socket2::SockRef;

use caller::{Caller, Counts};
use expert::Expert;
use plan::Plan;

/// Receive buffer that is asked for; the kernel gives at most `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 8 << 20;
/// Calls begun, and datagrams read from a socket, before the other work has its turn.
const TURN: usize = 32;
/// Sleep when there is nothing to do.
const IDLE: Duration = Duration::from_micros(100);

#[derive(Parser)]
struct Args {
    /// Address of the proxy.
    #[arg(long)]
    proxy: SocketAddr,
    /// Address of the expert, as the proxy has it.
    #[arg(long)]
    expert: SocketAddr,
    #[command(flatten)]
    plan: plan::Args,
    /// Time during which calls are counted.
    #[arg(long)]
    seconds: f64,
    /// Time before it, in which calls begin and are not counted.
    #[arg(long, default_value_t = 0.0)]
    warm_up: f64,
    /// Longest wait, afterwards, for calls that are under way.
    #[arg(long, default_value_t = 5.0)]
    drain: f64,
    /// Calls under way at a time.
    #[arg(long, required_unless_present = "rate", conflicts_with = "rate")]
    at_once: Option<usize>,
    /// Calls that begin in a second.
    #[arg(long)]
    rate: Option<f64>,
    /// Time from the expert's 180 to its 200.
    #[arg(long, default_value_t = 0)]
    ring_ms: u64,
}

/// Counts at both ends of the time in which calls are counted.
struct Window {
    from: (Instant, Counts),
    to: (Instant, Counts),
    /// Part of the time, from the first call on, that this process was on a CPU.
    busy: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let calling = socket("127.0.0.1:0".parse()?, args.proxy)?;
    let called = socket(args.expert, args.proxy)?;
    let ports = [calling.local_addr()?.port(), called.local_addr()?.port()];
    let plan = Plan::new(&args.plan, calling.local_addr()?.to_string())?;
    let mut caller = Caller::new(calling, plan);
    let ring = Duration::from_millis(args.ring_ms);
    let mut expert = Expert::new(called, args.plan.calls, ring)?;

    let window = run(&args, &mut caller, &mut expert)?;
    let ((from, before), (to, after)) = (window.from, window.to);
    let all = &caller.counts;
    let told = json!({
        "seconds": (to - from).as_secs_f64(),
        "begun": after.begun - before.begun,
        "done": after.done - before.done,
        "refused": after.refused_since(&before),
        "begun_in_all": all.begun,
        "done_in_all": all.done,
        "refused_in_all": all.refused,
        "lost": all.begun - all.done - all.refused.values().sum::<usize>(),
        "resent": all.resent + expert.resent,
        "without_hash": expert.without_hash,
        "overrun": overrun(&ports)?,
        "busy": window.busy,
    });
    Ok(writeln!(io::stdout(), "{told}")?)
}

/// Makes the calls and waits for those that are under way at the end.
fn run(args: &Args, caller: &mut Caller, expert: &mut Expert) -> Result<Window, Box<dyn Error>> {
    let warm_up = Duration::from_secs_f64(args.warm_up);
    let whole = warm_up + Duration::from_secs_f64(args.seconds);
    let drain = Duration::from_secs_f64(args.drain);
    let (begun, cpu) = (Instant::now(), cpu_ns()?);
    let mut from = None;
    let mut to: Option<((Instant, Counts), f64)> = None;
    loop {
        let now = Instant::now();
        let elapsed = now - begun;
        let over = elapsed >= whole || caller.unsent() == 0;
        if from.is_none() && elapsed >= warm_up {
            from = Some((now, caller.counts.clone()));
        }
        if over && from.is_none() {
            return Err("all calls were used up in the warm-up; give more --calls".into());
        }
        if over && to.is_none() {
            let busy = (cpu_ns()? - cpu) as f64 / elapsed.as_nanos() as f64;
            to = Some(((now, caller.counts.clone()), busy));
        }
        if to
            .as_ref()
            .is_some_and(|((ended, _), _)| caller.under_way() == 0 || now - *ended >= drain)
        {
            break;
        }
        let due = if over { 0 } else { args.due(elapsed, caller) };
        for _ in 0..due.min(TURN) {
            caller.begin(now);
        }
        let received = caller.receive(now, TURN) + expert.receive(now, TURN);
        caller.on_time(now);
        expert.on_time(now);
        if received == 0 && due == 0 {
            thread::sleep(IDLE);
        }
    }
    match (from, to) {
        (Some(from), Some((to, busy))) => Ok(Window { from, to, busy }),
        _ => Err("the calls ended before they began".into()),
    }
}

impl Args {
    /// Calls that are to begin at this time.
    fn due(&self, elapsed: Duration, caller: &Caller) -> usize {
        if let Some(rate) = self.rate {
            let all = (elapsed.as_secs_f64() * rate) as usize;
            return all.saturating_sub(caller.counts.begun);
        }
        self.at_once
            .unwrap_or_default()
            .saturating_sub(caller.under_way())
    }
}

/// A socket that neither waits nor hears any but the proxy.
fn socket(local: SocketAddr, proxy: SocketAddr) -> Result<UdpSocket, Box<dyn Error>> {
    let socket = UdpSocket::bind(local)?;
    socket.connect(proxy)?;
    socket.set_nonblocking(true)?;
    SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER)?;
    Ok(socket)
}

/// Datagrams that this program was too slow to read: its report is then no measurement.
fn overrun(ports: &[u16]) -> Result<u64, Box<dyn Error>> {
    let mut sum = 0;
    for line in fs::read_to_string("/proc/net/udp")?.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let local = fields.get(1).and_then(|address| address.rsplit(':').next());
        let port = u16::from_str_radix(local.unwrap_or_default(), 16)?;
        if ports.contains(&port) {
            sum += fields.last().unwrap_or(&"0").parse::<u64>()?;
        }
    }
    Ok(sum)
}

/// Time of this process on a CPU so far.
fn cpu_ns() -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/self/schedstat")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}
