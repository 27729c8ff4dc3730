//! The side that calls, and hangs up as soon as it is answered.

use std::collections::BTreeMap;
use std::mem;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::message::Message;
use crate::plan::Plan;
use crate::timers::{FIRST, GIVE_UP, LONGEST, Timers};

/// What became of calls.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    pub(crate) begun: usize,
    /// Calls that were answered and hung up.
    pub(crate) done: usize,
    /// Calls that ended otherwise, by the status of the reply.
    pub(crate) refused: BTreeMap<u16, usize>,
    /// Calls neither answered nor hung up in time.
    pub(crate) given_up: usize,
    /// Requests sent again.
    pub(crate) resent: usize,
}

impl Counts {
    /// Refused calls that `before` has not.
    pub(crate) fn refused_since(&self, before: &Self) -> BTreeMap<u16, usize> {
        let new = |(code, count): (&u16, &usize)| {
            let count = count - before.refused.get(code).copied().unwrap_or_default();
            (count > 0).then_some((*code, count))
        };
        self.refused.iter().filter_map(new).collect()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The INVITE has no reply.
    Calling,
    /// The INVITE has a provisional reply.
    Ringing,
    /// The BYE has no reply.
    HangingUp,
    Over,
}

struct Call {
    state: State,
    since: Instant,
    interval: Duration,
    /// The request that has no final reply.
    request: String,
    /// The ACK of its 2xx.
    ack: String,
}

pub(crate) struct Caller {
    socket: UdpSocket,
    plan: Plan,
    calls: Vec<Call>,
    timers: Timers,
    buffer: Vec<u8>,
    pub(crate) counts: Counts,
}

impl Caller {
    pub(crate) fn new(socket: UdpSocket, plan: Plan) -> Self {
        Self {
            socket,
            calls: Vec::with_capacity(plan.len()),
            plan,
            timers: Timers::default(),
            buffer: vec![0; 65536],
            counts: Counts::default(),
        }
    }

    /// Calls that have not begun.
    pub(crate) fn unsent(&self) -> usize {
        self.plan.len() - self.calls.len()
    }

    pub(crate) fn under_way(&self) -> usize {
        let Counts {
            begun,
            done,
            refused,
            given_up,
            ..
        } = &self.counts;
        begun - done - refused.values().sum::<usize>() - given_up
    }

    pub(crate) fn begin(&mut self, now: Instant) {
        if self.unsent() == 0 {
            return;
        }
        let number = self.calls.len();
        let request = self.plan.invite(number);
        self.send(&request);
        self.timers.set(now + FIRST, number);
        self.calls.push(Call {
            state: State::Calling,
            since: now,
            interval: FIRST,
            request,
            ack: String::new(),
        });
        self.counts.begun += 1;
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
                self.on_reply(now, &message);
            }
            count += 1;
        }
        self.buffer = buffer;
        count
    }

    fn on_reply(&mut self, now: Instant, reply: &Message<'_>) -> Option<()> {
        let (number, code) = (reply.number()?, reply.code()?);
        let call = self.calls.get_mut(number)?;
        match (call.state, reply.method()?, code) {
            (State::Calling, "INVITE", 100..200) => call.state = State::Ringing,
            (State::Calling | State::Ringing, "INVITE", 200..300) => {
                self.hang_up(now, number, reply)?;
            }
            (State::HangingUp | State::Over, "INVITE", 200..300) => {
                let ack = call.ack.clone();
                self.send(&ack);
            }
            (state, "INVITE", 300..) => {
                let (uri, to) = (self.plan.uri(), reply.header("To")?);
                let mut ack = self.plan.head(number, "ACK", "INVITE", &uri, to);
                ack.push_str("Content-Length: 0\r\n\r\n");
                self.send(&ack);
                match state {
                    State::Calling | State::Ringing => self.refused(number, code),
                    State::HangingUp | State::Over => {}
                }
            }
            (State::HangingUp, "BYE", 200..300) => {
                call.state = State::Over;
                self.counts.done += 1;
            }
            (State::HangingUp, "BYE", 300..) => self.refused(number, code),
            _ => {}
        }
        Some(())
    }

    fn hang_up(&mut self, now: Instant, number: usize, reply: &Message<'_>) -> Option<()> {
        let (target, to) = (reply.uri("Contact")?, reply.header("To")?);
        let mut rest = String::new();
        for hop in reply.headers("Record-Route").rev() {
            rest.push_str("Route: ");
            rest.push_str(hop);
            rest.push_str("\r\n");
        }
        rest.push_str("Content-Length: 0\r\n\r\n");
        let [ack, bye] =
            ["ACK", "BYE"].map(|method| self.plan.head(number, method, method, target, to) + &rest);
        self.send(&ack);
        self.send(&bye);
        self.timers.set(now + FIRST, number);
        *self.calls.get_mut(number)? = Call {
            state: State::HangingUp,
            since: now,
            interval: FIRST,
            request: bye,
            ack,
        };
        Some(())
    }

    fn refused(&mut self, number: usize, code: u16) {
        if let Some(call) = self.calls.get_mut(number) {
            call.state = State::Over;
            *self.counts.refused.entry(code).or_default() += 1;
        }
    }

    /// Repeats requests that have no reply.
    pub(crate) fn on_time(&mut self, now: Instant) {
        while let Some(number) = self.timers.due(now) {
            let Some(call) = self.calls.get_mut(number) else {
                continue;
            };
            if call.state == State::Over {
                continue;
            }
            if now >= call.since + GIVE_UP {
                call.state = State::Over;
                self.counts.given_up += 1;
                continue;
            }
            if call.state == State::Ringing {
                self.timers.set(call.since + GIVE_UP, number);
                continue;
            }
            // The timer of an INVITE that was answered: the BYE has its own.
            if now < call.since + call.interval {
                continue;
            }
            let longest = if call.state == State::HangingUp {
                LONGEST
            } else {
                GIVE_UP
            };
            call.interval = (call.interval * 2).min(longest);
            self.timers.set(now + call.interval, number);
            let request = call.request.clone();
            self.send(&request);
            self.counts.resent += 1;
        }
    }

    /// A datagram that cannot be sent is like one that is lost.
    fn send(&self, message: &str) {
        _ = self.socket.send(message.as_bytes());
    }
}
