//! The side that is called: it rings, answers, and waits for the hang-up.

use std::io;
use std::mem;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::message::Message;
use crate::timers::{FIRST, GIVE_UP, LONGEST, Timers};

const SDP: &str = "v=0\r\n\
    o=expert 1 1 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    c=IN IP4 127.0.0.1\r\n\
    t=0 0\r\n\
    m=audio 40002 RTP/AVP 0 8 101\r\n\
    a=rtpmap:101 telephone-event/8000\r\n";

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Unknown,
    Ringing,
    /// The 200 has no ACK.
    Answered,
    /// The call stands, or is over.
    Acknowledged,
}

#[derive(Clone, Default)]
struct Call {
    state: State,
    since: Option<Instant>,
    interval: Duration,
    /// The reply to the INVITE that was sent last.
    reply: String,
    /// The 200, while its time has not come.
    answer: String,
}

pub(crate) struct Expert {
    socket: UdpSocket,
    local: String,
    ring: Duration,
    calls: Vec<Call>,
    timers: Timers,
    buffer: Vec<u8>,
    /// Replies sent again.
    pub(crate) resent: usize,
    /// INVITEs without the hash of their entry in the log.
    pub(crate) without_hash: usize,
}

impl Expert {
    pub(crate) fn new(socket: UdpSocket, calls: usize, ring: Duration) -> io::Result<Self> {
        Ok(Self {
            local: socket.local_addr()?.to_string(),
            socket,
            ring,
            calls: vec![Call::default(); calls],
            timers: Timers::default(),
            buffer: vec![0; 65536],
            resent: 0,
            without_hash: 0,
        })
    }

    /// Reads at most `most` datagrams; returns how many there were.
    pub(crate) fn receive(&mut self, now: Instant, most: usize) -> usize {
        let mut buffer = mem::take(&mut self.buffer);
        let mut count = 0;
        while count < most {
            let Ok(length) = self.socket.recv(&mut buffer) else {
                break;
            };
            if let Some(message) = buffer.get(..length).and_then(Message::parse) {
                self.on_request(now, &message);
            }
            count += 1;
        }
        self.buffer = buffer;
        count
    }

    fn on_request(&mut self, now: Instant, request: &Message<'_>) -> Option<()> {
        if request.code().is_some() {
            return None;
        }
        let number = request.number()?;
        let state = self.calls.get(number)?.state;
        match (request.method()?, state) {
            ("INVITE", State::Unknown) => self.ring(now, number, request)?,
            ("INVITE", State::Ringing | State::Answered) => self.again(number),
            ("ACK", State::Answered) => self.calls.get_mut(number)?.state = State::Acknowledged,
            // Behind a busy proxy the BYE may overtake the ACK. It is answered when it comes again:
            // without its ACK no call ends well.
            ("BYE", State::Acknowledged) => {
                let reply = self.reply(number, "200 OK", request, "Content-Length: 0\r\n\r\n");
                self.send(&reply);
            }
            _ => {}
        }
        Some(())
    }

    fn ring(&mut self, now: Instant, number: usize, invite: &Message<'_>) -> Option<()> {
        if invite.header("X-IF-Witness-Hash").is_none() {
            self.without_hash += 1;
        }
        let length = SDP.len();
        let local = &self.local;
        let contact = format!("Contact: <sip:expert@{local};transport=UDP>\r\n");
        let empty = format!("{contact}Content-Length: 0\r\n\r\n");
        let body = format!(
            "{contact}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{SDP}"
        );
        let reply = self.reply(number, "180 Ringing", invite, &empty);
        let answer = self.reply(number, "200 OK", invite, &body);
        self.send(&reply);
        *self.calls.get_mut(number)? = Call {
            state: State::Ringing,
            since: Some(now),
            interval: FIRST,
            reply,
            answer,
        };
        if self.ring.is_zero() {
            self.answer(now, number);
        } else {
            self.timers.set(now + self.ring, number);
        }
        Some(())
    }

    fn answer(&mut self, now: Instant, number: usize) {
        if let Some(call) = self.calls.get_mut(number) {
            call.state = State::Answered;
            call.since = Some(now);
            call.reply = mem::take(&mut call.answer);
            self.timers.set(now + FIRST, number);
            if let Some(call) = self.calls.get(number) {
                self.send(&call.reply);
            }
        }
    }

    fn again(&mut self, number: usize) {
        if let Some(call) = self.calls.get(number) {
            self.send(&call.reply);
            self.resent += 1;
        }
    }

    /// A reply with the header fields that it has from its request.
    fn reply(&self, number: usize, status: &str, request: &Message<'_>, rest: &str) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
            for value in request.headers(name) {
                text.push_str(name);
                text.push_str(": ");
                text.push_str(value);
                if name == "To" && !value.contains(";tag=") {
                    text.push_str(&format!(";tag=e{number}"));
                }
                text.push_str("\r\n");
            }
        }
        text.push_str(rest);
        text
    }

    /// Answers calls that have rung long enough, and repeats answers that have no ACK.
    pub(crate) fn on_time(&mut self, now: Instant) {
        while let Some(number) = self.timers.due(now) {
            let Some(call) = self.calls.get_mut(number) else {
                continue;
            };
            match call.state {
                State::Ringing => self.answer(now, number),
                State::Answered if call.since.is_some_and(|since| now < since + GIVE_UP) => {
                    call.interval = (call.interval * 2).min(LONGEST);
                    self.timers.set(now + call.interval, number);
                    self.again(number);
                }
                State::Unknown | State::Answered | State::Acknowledged => {}
            }
        }
    }

    fn send(&self, message: &str) {
        _ = self.socket.send(message.as_bytes());
    }
}
