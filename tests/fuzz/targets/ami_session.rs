//! Any bytes of a peer to a session that is logged in: no panic in session or model, and only
//! whole actions out.

#![no_main]

use std::time::{Duration, Instant};

use ife_ami::session::Auth;
use ife_ami::value::{DialToken, Secret};
use ife_ami::{Action, Config, Jitter, Model, Session};
use libfuzzer_sys::fuzz_target;

const LOGIN: &[u8] = b"Asterisk Call Manager/11.0.0\r\n\
    Response: Success\r\nActionID: ife-1\r\n\r\nEvent: FullyBooted\r\nUptime: 9\r\n\r\n";

fuzz_target!(|data: &[u8]| {
    let Some((size, stream)) = data.split_first() else {
        return;
    };
    let (Ok(username), Ok(secret)) = (DialToken::parse("ife"), Secret::parse("x")) else {
        return;
    };
    let mut now = Instant::now();
    let config = Config {
        auth: Auth::Plain,
        queue_events_max: 64,
        ..Config::new(username, secret)
    };
    let mut session = Session::new(config, now);
    let mut model = Model::new();
    let mut changes = Vec::new();
    session.handle_connected(now);
    session.handle_bytes(now, LOGIN);
    assert!(session.is_up());
    for piece in stream.chunks(usize::from(*size).max(1)) {
        now += Duration::from_millis(50);
        session.handle_bytes(now, piece);
        session.handle_timeout(now);
        // Refused once the peer has spoilt the session.
        let _ = session.submit(now, &Action::CoreShowChannels);
        if let Some(bytes) = session.poll_transmit() {
            assert!(bytes.starts_with(b"Action: ") && bytes.ends_with(b"\r\n\r\n"));
        }
        while let Some(output) = session.poll_output() {
            model.apply(&output, &mut changes);
        }
        changes.clear();
    }
    session.handle_closed(now, Jitter(0));
    assert!(session.poll_timeout().is_some());
});
