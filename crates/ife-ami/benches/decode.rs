//! Events per second of one core for a recording of a real Asterisk: bytes to messages, to typed
//! events of a session, to changes of a model. Prints one JSON list.
//!
//! `cargo bench -p ife-ami --bench decode [-- FILE [SECONDS]]`

#![allow(clippy::print_stdout)] // The result goes to standard output.

use std::error::Error;
use std::time::{Duration, Instant};

use ife_ami::session::Auth;
use ife_ami::value::{DialToken, Secret};
use ife_ami::wire::{Decoder, Frame, Kind, Limits};
use ife_ami::{Config, Model, Session};
use serde_json::{Value, json};

const TARGET_PER_SECOND: f64 = 200_000.0;
/// Typical size of a socket read.
const PIECE_BYTES: usize = 16 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo itself adds --bench.
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let default = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/asterisk-22.10.1.ami"
    );
    let stream = std::fs::read(args.next().unwrap_or_else(|| default.to_owned()))?;
    let wanted = Duration::from_secs(args.next().map_or(Ok(2), |seconds| seconds.parse())?);
    let (login, body) = split_login(&stream).ok_or("no login in the recording")?;
    let per_round = count_events(body);

    let decode = measure(wanted, per_round, |round| {
        let mut decoder = Decoder::after_banner(Limits::default());
        round.drive(body, |piece| {
            decoder.push(piece);
            while matches!(decoder.next_frame(), Ok(Some(_))) {}
        });
    });
    let mut session = logged_in(login)?;
    let queue = measure(wanted, per_round, |round| {
        round.drive(body, |piece| {
            session.handle_bytes(Instant::now(), piece);
            while session.poll_output().is_some() {}
        });
    });
    let mut session = logged_in(login)?;
    let mut model = Model::new();
    let mut changes = Vec::new();
    let follow = measure(wanted, per_round, |round| {
        round.drive(body, |piece| {
            session.handle_bytes(Instant::now(), piece);
            while let Some(output) = session.poll_output() {
                model.apply(&output, &mut changes);
            }
            changes.clear();
        });
    });
    let results = [
        line("ami_decode", decode),
        line("ami_session", queue),
        line("ami_session_and_model", follow),
        json!({ "name": "ami_bytes_per_event", "value": body.len() / per_round, "unit": "bytes" }),
        json!({ "name": "ami_lost_events", "value": session.stats().dropped, "unit": "events",
            "target": 0,
            "pass": session.stats().dropped == 0 }),
    ];
    println!(
        "{}",
        serde_json::to_string_pretty(&Value::from(results.to_vec()))?
    );
    Ok(())
}

fn line(name: &str, per_second: f64) -> Value {
    json!({ "name": name, "value": per_second.round(), "unit": "events/s",
        "target": TARGET_PER_SECOND,
        "pass": per_second >= TARGET_PER_SECOND })
}

/// One pass over the recording.
struct Round;

impl Round {
    fn drive(&self, body: &[u8], mut give: impl FnMut(&[u8])) {
        body.chunks(PIECE_BYTES).for_each(&mut give);
    }
}

fn measure(wanted: Duration, per_round: usize, mut run: impl FnMut(&Round)) -> f64 {
    run(&Round);
    let begun = Instant::now();
    let mut rounds = 0u32;
    while begun.elapsed() < wanted {
        run(&Round);
        rounds += 1;
    }
    f64::from(rounds) * per_round as f64 / begun.elapsed().as_secs_f64()
}

fn count_events(body: &[u8]) -> usize {
    let mut decoder = Decoder::after_banner(Limits::default());
    let mut count = 0;
    for piece in body.chunks(PIECE_BYTES) {
        decoder.push(piece);
        while let Ok(Some(frame)) = decoder.next_frame() {
            count += usize::from(matches!(frame, Frame::Message(message)
                    if matches!(message.kind(), Kind::Event(_))));
        }
    }
    count
}

/// Splits off banner, login answer and `FullyBooted`.
fn split_login(stream: &[u8]) -> Option<(&[u8], &[u8])> {
    let mark = b"Status: Fully Booted\r\n\r\n";
    let at = stream
        .windows(mark.len())
        .position(|window| window == mark)?;
    Some(stream.split_at(at + mark.len()))
}

fn logged_in(login: &[u8]) -> Result<Session, Box<dyn Error>> {
    let mut config = Config::new(DialToken::parse("ife")?, Secret::parse("x")?);
    config.auth = Auth::Plain;
    let now = Instant::now();
    let mut session = Session::new(config, now);
    session.handle_connected(now);
    session.handle_bytes(now, login);
    if session.is_up() {
        Ok(session)
    } else {
        Err("the recording's login was not understood".into())
    }
}
