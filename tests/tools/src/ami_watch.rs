//! Prints every change of Asterisk's channels and rooms. Shows how a session is driven.
//!
//! `AMI_SECRET=... cargo run -p ife-tools --bin ami_watch -- 127.0.0.1:5038 ACCOUNT`

// A tool for a terminal, and a few cases of many.
#![allow(clippy::print_stdout, clippy::wildcard_enum_match_arm)]

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ife_ami::session::Output;
use ife_ami::value::{DialToken, Secret};
use ife_ami::{Config, Jitter, Model, Session};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let address = args.next().ok_or("an address is needed")?;
    let account = DialToken::parse(args.next().ok_or("an account is needed")?)?;
    let secret = Secret::parse(&std::env::var("AMI_SECRET")?)?;
    let mut session = Session::new(Config::new(account, secret), Instant::now());
    let mut model = Model::new();
    let mut transport: Option<TcpStream> = None;
    loop {
        if let Some(bytes) = session.poll_transmit()
            && let Some(stream) = &mut transport
        {
            stream.write_all(&bytes)?;
        }
        while let Some(output) = session.poll_output() {
            match output {
                Output::Connect => transport = connect(&mut session, &address),
                Output::Close => close(&mut session, &mut transport),
                _ => print_changes(&mut model, &output),
            }
        }
        wait(&mut session, &mut transport);
    }
}

fn connect(session: &mut Session, address: &str) -> Option<TcpStream> {
    let stream = TcpStream::connect(address).ok();
    match &stream {
        Some(_) => session.handle_connected(Instant::now()),
        None => session.handle_closed(Instant::now(), jitter()),
    }
    stream
}

fn close(session: &mut Session, transport: &mut Option<TcpStream>) {
    *transport = None;
    session.handle_closed(Instant::now(), jitter());
}

/// Waits for bytes or for the session's next deadline.
fn wait(session: &mut Session, transport: &mut Option<TcpStream>) {
    let now = Instant::now();
    let left = session.poll_timeout().map_or(Duration::from_secs(1), |at| {
        at.saturating_duration_since(now)
    });
    let left = left.max(Duration::from_millis(1));
    let Some(stream) = transport else {
        std::thread::sleep(left);
        return session.handle_timeout(Instant::now());
    };
    let mut buffer = [0; 16 * 1024];
    let read = stream
        .set_read_timeout(Some(left))
        .and_then(|()| stream.read(&mut buffer));
    match read {
        Ok(0) => close(session, transport),
        Ok(count) => session.handle_bytes(Instant::now(), &buffer[..count]),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
        Err(_) => close(session, transport),
    }
    session.handle_timeout(Instant::now());
}

fn print_changes(model: &mut Model, output: &Output) {
    let mut changes = Vec::new();
    model.apply(output, &mut changes);
    if !matches!(output, Output::Event(_) | Output::Snapshot(_)) {
        println!("-- {output:?}");
    }
    for change in changes {
        println!("{change:?}");
    }
}

/// Sufficient for a terminal; a daemon needs a random one.
fn jitter() -> Jitter {
    Jitter(std::process::id() as u16)
}
