//! Arbitrary bytes as members of messages: outputs are in bounds, only a signed call is approved.
//!
//! Shared by the fuzz target `abi` and the replay of its corpus.

#![allow(unsafe_code)]

use std::ptr;

use ::ife_policy::abi::*;

use super::gate::{Gate, Ring, Setup, message, of_buffer};
use super::{EXPERT, SignedCall, TempDir};

/// Events that a message is logged as.
const EVENTS: [&str; 12] = [
    "INVITE",
    "TRYING",
    "RINGING",
    "CONNECTED",
    "ACK",
    "REINVITE",
    "CANCEL",
    "BYE",
    "FAILED",
    "TERMINATED",
    "REJECTED",
    "no event",
];
/// Most Route headers of a message made here: one more than the library accepts.
const ROUTES_MAX: usize = IFE_ROUTES_MAX as usize + 1;

/// A gate that checks message after message, as a worker does.
pub struct Subject {
    gate: Gate,
    ring: Ring,
    number: usize,
    _dir: TempDir,
}

impl Subject {
    /// Opens a gate with the test registry.
    pub fn new(name: &str) -> Self {
        let dir = TempDir::new(name);
        let gate = Gate::attached(&Setup::new(&dir));
        let ring = gate.ring(0);
        Self {
            gate,
            ring,
            number: 0,
            _dir: dir,
        }
    }

    /// Checks up to eight messages of one signed call, with some members replaced by `data`.
    pub fn check(&mut self, data: &[u8]) {
        self.number += 1;
        let call = SignedCall::new(self.number, EXPERT, 0);
        let invite = call.invite();
        let mut bytes = Bytes(data);
        for _ in 0..8 {
            let Some(operation) = bytes.next() else { break };
            self.step(&call, &message(&call, &invite), operation, &mut bytes);
        }
        self.ring.discard();
        assert_eq!(self.gate.stats().errors, 0, "a panic was contained");
    }

    fn step(&self, call: &SignedCall, whole: &ife_message, operation: u8, bytes: &mut Bytes<'_>) {
        let mut routes = [ife_str::default(); ROUTES_MAX];
        let mut msg = *whole;
        bytes.change(&mut msg, &mut routes);
        let mut err = ife_error { text: [0; 1024] };
        match operation % 4 {
            0 | 1 => {
                let mut verdict = ife_verdict::default();
                // SAFETY: all pointers are to live locals.
                let result = unsafe {
                    ::ife_policy::ife_policy_check(self.gate.handle, &msg, &mut verdict, &mut err)
                };
                known(result);
                if result == IFE_OK {
                    judge(call, &msg, &verdict);
                }
            }
            2 => {
                let event = EVENTS[usize::from(operation >> 2) % EVENTS.len()];
                known(self.gate.log(&msg, event));
            }
            _ => {
                let mut out = vec![0u8; 8192];
                let mut len = 0;
                // SAFETY: `out` has room for 8192 bytes and the other pointers are live.
                let result = unsafe {
                    ::ife_policy::ife_policy_explain(
                        self.gate.handle,
                        &msg,
                        out.as_mut_ptr().cast(),
                        out.len(),
                        &mut len,
                        &mut err,
                    )
                };
                known(result);
                if result == IFE_OK {
                    let _: serde_json::Value = serde_json::from_slice(&out[..len]).expect("JSON");
                }
                // SAFETY: the message is live; the error pointer is NULL.
                known(unsafe {
                    ::ife_policy::ife_reply_check(
                        self.gate.handle,
                        &msg,
                        msg.peer_ip,
                        ptr::null_mut(),
                    )
                });
            }
        }
    }
}

/// Asserts that `result` is a code of the header and not a contained bug.
fn known(result: u32) {
    assert!((IFE_OK..IFE_PANIC).contains(&result), "{result}");
}

fn judge(call: &SignedCall, msg: &ife_message, verdict: &ife_verdict) {
    assert!(verdict.gate < IFE_GATE_COUNT);
    assert_ne!(verdict.gate, IFE_GATE_INTERNAL);
    let reason = of_buffer(&verdict.reason);
    assert!(
        reason.bytes().all(|b| (b' '..=b'~').contains(&b)),
        "{reason}"
    );
    assert!(of_buffer(&verdict.detail).chars().all(|c| !c.is_control()));
    if verdict.approved == 0 {
        assert!((400..700).contains(&verdict.code), "{}", verdict.code);
    } else if verdict.gate == IFE_GATE_NONE {
        // The verdict holds the signed kid, iat, hazard and parties.
        assert_eq!(of_buffer(&verdict.trace_id), call.trace_id);
        assert_eq!(of_buffer(&verdict.hazard), call.hazard);
        assert_eq!(of_buffer(&verdict.expert), EXPERT);
        assert_eq!(slice(msg.call_id), call.call_id.as_bytes());
        assert_eq!(verdict.code, 200);
    }
}

fn slice<'a>(text: ife_str) -> &'a [u8] {
    if text.ptr.is_null() {
        return &[];
    }
    // SAFETY: every string of a message made here is a live slice of its length.
    unsafe { std::slice::from_raw_parts(text.ptr.cast(), text.len) }
}

/// The unused rest of the input.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Returns a string whose first byte is its length.
    fn text(&mut self) -> ife_str {
        let len = usize::from(self.next().unwrap_or(0)).min(self.0.len());
        let (text, rest) = self.0.split_at(len);
        self.0 = rest;
        ife_str {
            ptr: text.as_ptr().cast(),
            len,
        }
    }

    /// Replaces the members that two bytes select.
    fn change(&mut self, msg: &mut ife_message, routes: &mut [ife_str; ROUTES_MAX]) {
        let mask = u32::from(self.next().unwrap_or(0)) | u32::from(self.next().unwrap_or(0)) << 8;
        let is_set = |bit: u32| mask >> bit & 1 == 1;
        let members: [(u32, &mut ife_str); 11] = [
            (0, &mut msg.method),
            (1, &mut msg.ruri),
            (2, &mut msg.from_uri),
            (3, &mut msg.from_tag),
            (4, &mut msg.to_tag),
            (5, &mut msg.call_id),
            (6, &mut msg.contact),
            (7, &mut msg.body),
            (8, &mut msg.content_type),
            (9, &mut msg.peer_ip),
            (10, &mut msg.to_uri),
        ];
        for (bit, member) in members {
            if is_set(bit) {
                *member = self.text();
            }
        }
        for (bit, header) in [
            (11, &mut msg.trace_id),
            (12, &mut msg.hazard),
            (13, &mut msg.signature),
        ] {
            if is_set(bit) {
                header.count = u32::from(self.next().unwrap_or(0) % 3);
                header.value = self.text();
            }
        }
        if is_set(14) {
            msg.status_code = u32::from(self.next().unwrap_or(0)) * 3;
            msg.cseq = u32::from(self.next().unwrap_or(0));
            msg.transport = u32::from(self.next().unwrap_or(0) % 8);
            msg.peer_port = u32::from(self.next().unwrap_or(0)) * 300;
        }
        if is_set(15) {
            let count = usize::from(self.next().unwrap_or(0)) % (ROUTES_MAX + 1);
            for route in &mut routes[..count] {
                *route = self.text();
            }
            msg.routes = routes.as_ptr();
            msg.record_routes = routes.as_ptr();
            msg.route_count = count as u32;
            msg.record_route_count = count as u32;
        }
    }
}
