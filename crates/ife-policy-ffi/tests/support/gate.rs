//! The C ABI as a C caller uses it: an open handle, an attached process, the end of its ring.
#![allow(unsafe_code)]

use std::ffi::c_char;
use std::path::{Path, PathBuf};
use std::ptr;
use std::time::Instant;

use ::ife_policy::abi::*;
use ife_witness::ring::Consumer;

use super::{CALLER, SignedCall, TempDir, registry_yaml};

/// A string as C passes it. Borrowed: keep `text` alive.
pub fn text(text: &str) -> ife_str {
    ife_str {
        ptr: text.as_ptr().cast::<c_char>(),
        len: text.len(),
    }
}

/// A header that occurs once.
pub fn header(value: &str) -> ife_header {
    ife_header {
        value: text(value),
        count: 1,
    }
}

/// Returns the message of `invite`, made by `call`.
pub fn message(call: &SignedCall, invite: &str) -> ife_message {
    let body = invite.find("\r\n\r\n").map_or(invite.len(), |at| at + 4);
    ife_message {
        struct_size: size_of::<ife_message>() as u32,
        transport: IFE_TRANSPORT_UDP,
        peer_ip: text("127.0.0.1"),
        peer_port: 5062,
        method: text("INVITE"),
        ruri: text(&call.callee),
        from_uri: text(CALLER),
        from_tag: text(&call.from_tag),
        to_uri: text(&call.callee),
        call_id: text(&call.call_id),
        cseq: 1,
        trace_id: header(&call.trace_id),
        hazard: header(call.hazard),
        signature: header(&call.signature),
        content_type: text("application/sdp"),
        body: text(&invite[body..]),
        raw: text(invite),
        ..Default::default()
    }
}

/// Text of a fixed buffer.
pub fn of_buffer(buffer: &[c_char]) -> String {
    let bytes: Vec<u8> = buffer
        .iter()
        .take_while(|&&c| c != 0)
        .map(|&c| c as u8)
        .collect();
    String::from_utf8(bytes).expect("the header promises UTF-8")
}

/// Locks a file as another process would: the lock belongs to the open file.
pub fn lock_as_another_process(path: &std::path::Path) -> std::fs::File {
    use std::os::fd::AsRawFd;
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(path)
        .expect("there");
    // SAFETY: flock is plain old data, all zero is a valid value of it: the whole file.
    let mut request: libc::flock = unsafe { std::mem::zeroed() };
    request.l_type = libc::F_WRLCK as libc::c_short;
    // SAFETY: `request` is valid for the call.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const request) };
    assert_eq!(result, 0);
    file
}

/// Options of a gate.
#[derive(Clone)]
pub struct Setup {
    pub state_dir: PathBuf,
    pub registry: PathBuf,
    pub required: bool,
    pub shadow: bool,
    pub registry_only: bool,
    pub wait_ms: u32,
    pub replay_slots: u32,
    pub refusals_per_s: u32,
}

impl Setup {
    /// Options in `dir`, with the test registry.
    pub fn new(dir: &TempDir) -> Self {
        let registry = dir.0.join("registry.yaml");
        std::fs::write(&registry, registry_yaml(0)).expect("writable");
        Self {
            state_dir: dir.0.join("state"),
            registry,
            required: true,
            shadow: false,
            registry_only: false,
            wait_ms: 0,
            replay_slots: 1024,
            refusals_per_s: 0,
        }
    }
}

/// Returns true for 198.51.100.1, the only address of the tests' server.
unsafe extern "C" fn is_own(
    _ctx: *mut std::ffi::c_void,
    host: ife_str,
    _port: u32,
    _transport: u32,
) -> i32 {
    // SAFETY: the library passes a live string.
    let host = unsafe { std::slice::from_raw_parts(host.ptr.cast::<u8>(), host.len) };
    i32::from(host == b"198.51.100.1")
}

/// An open handle, closed when dropped.
pub struct Gate {
    pub handle: *mut ife_policy,
    state_dir: PathBuf,
}

impl Gate {
    /// Opens without attaching.
    pub fn open(setup: &Setup) -> Result<Self, (u32, String)> {
        let options = ife_options {
            abi_version: IFE_ABI_VERSION,
            struct_size: size_of::<ife_options>() as u32,
            registry_path: text(setup.registry.to_str().expect("UTF-8")),
            state_dir: text(setup.state_dir.to_str().expect("UTF-8")),
            node: text("node1"),
            producer: text("test"),
            mode: if setup.shadow {
                IFE_MODE_SHADOW
            } else {
                IFE_MODE_ENFORCE
            },
            witness_mode: if setup.required {
                IFE_WITNESS_REQUIRED
            } else {
                IFE_WITNESS_BEST_EFFORT
            },
            witness_wait_ms: setup.wait_ms,
            replay_slots: setup.replay_slots,
            max_processes: 16,
            refusals_per_s: setup.refusals_per_s,
            is_own: Some(is_own),
            scope: if setup.registry_only {
                IFE_SCOPE_REGISTRY
            } else {
                IFE_SCOPE_ALL
            },
            ..Default::default()
        };
        let mut handle = ptr::null_mut();
        let mut err = ife_error { text: [0; 1024] };
        // SAFETY: all pointers are to live locals.
        match unsafe { ::ife_policy::ife_policy_open(&options, &mut handle, &mut err) } {
            IFE_OK => Ok(Self {
                handle,
                state_dir: setup.state_dir.clone(),
            }),
            code => Err((code, of_buffer(&err.text))),
        }
    }

    /// Opens and attaches as process 0.
    pub fn attached(setup: &Setup) -> Self {
        let gate = Self::open(setup).unwrap_or_else(|(code, text)| panic!("{code}: {text}"));
        assert_eq!(gate.attach(0), IFE_OK);
        gate
    }

    pub fn attach(&self, process_no: u32) -> u32 {
        // SAFETY: the error pointer is NULL.
        unsafe { ::ife_policy::ife_policy_attach(self.handle, process_no, ptr::null_mut()) }
    }

    /// Returns the verdict and the time that it took, in ns.
    pub fn timed_check(&self, msg: &ife_message) -> (u64, ife_verdict) {
        let mut verdict = ife_verdict::default();
        let mut err = ife_error { text: [0; 1024] };
        let start = Instant::now();
        // SAFETY: all pointers are to live locals.
        let result =
            unsafe { ::ife_policy::ife_policy_check(self.handle, msg, &mut verdict, &mut err) };
        let ns = start.elapsed().as_nanos() as u64;
        assert_eq!(result, IFE_OK, "{}", of_buffer(&err.text));
        (ns, verdict)
    }

    /// Returns whether the gate answers that the message is not for it.
    pub fn is_not_for_gate(&self, msg: &ife_message) -> bool {
        let mut verdict = ife_verdict::default();
        // SAFETY: all pointers are to live locals; the error pointer is NULL.
        let result = unsafe {
            ::ife_policy::ife_policy_check(self.handle, msg, &mut verdict, ptr::null_mut())
        };
        assert!([IFE_OK, IFE_NOT_FOR_GATE].contains(&result), "{result}");
        result == IFE_NOT_FOR_GATE
    }

    pub fn check(&self, msg: &ife_message) -> ife_verdict {
        self.timed_check(msg).1
    }

    /// Asks without waiting for the disk.
    pub fn begin(&self, msg: &ife_message) -> (ife_verdict, ife_ticket) {
        let (mut verdict, mut ticket) = (ife_verdict::default(), ife_ticket::default());
        // SAFETY: all pointers are to live locals; the error pointer is NULL.
        let result = unsafe {
            ::ife_policy::ife_policy_begin(
                self.handle,
                msg,
                &mut verdict,
                &mut ticket,
                ptr::null_mut(),
            )
        };
        assert_eq!(result, IFE_OK);
        (verdict, ticket)
    }

    pub fn wait(&self, ticket: &ife_ticket, timeout_ms: u32) -> u32 {
        // SAFETY: `ticket` is live; the error pointer is NULL.
        unsafe { ::ife_policy::ife_ticket_wait(self.handle, ticket, timeout_ms, ptr::null_mut()) }
    }

    /// Settles a decision that waited.
    pub fn settle(
        &self,
        msg: &ife_message,
        (begun, ticket): &(ife_verdict, ife_ticket),
        give_up: bool,
    ) -> ife_verdict {
        let mut verdict = ife_verdict::default();
        // SAFETY: all pointers are to live values; the error pointer is NULL.
        let result = unsafe {
            ::ife_policy::ife_ticket_settle(
                self.handle,
                ticket,
                msg,
                begun,
                u32::from(give_up),
                &mut verdict,
                ptr::null_mut(),
            )
        };
        assert_eq!(result, IFE_OK);
        verdict
    }

    pub fn log(&self, msg: &ife_message, event: &str) -> u32 {
        let mut receipt = ife_receipt::default();
        // SAFETY: all pointers are to live locals; the error pointer is NULL.
        unsafe {
            ::ife_policy::ife_witness_log(
                self.handle,
                msg,
                text(event),
                text(""),
                &mut receipt,
                ptr::null_mut(),
            )
        }
    }

    /// Returns whether this stray reply may go to the address of its second Via.
    pub fn may_reply(&self, msg: &ife_message, via: &str) -> bool {
        // SAFETY: `msg` is live; the error pointer is NULL.
        let result =
            unsafe { ::ife_policy::ife_reply_check(self.handle, msg, text(via), ptr::null_mut()) };
        assert!([IFE_OK, IFE_NOT_FOUND].contains(&result), "{result}");
        result == IFE_OK
    }

    /// Returns the answer about a stray reply.
    pub fn reply_result(&self, msg: &ife_message, via: &str) -> u32 {
        // SAFETY: `msg` is live; the error pointer is NULL.
        unsafe { ::ife_policy::ife_reply_check(self.handle, msg, text(via), ptr::null_mut()) }
    }

    /// Returns whether this reply, from another address than its request was sent to, is accepted.
    pub fn may_answer(&self, msg: &ife_message) -> bool {
        let via = ife_str {
            ptr: ptr::null(),
            len: 0,
        };
        // SAFETY: `msg` is live; the error pointer is NULL.
        let result =
            unsafe { ::ife_policy::ife_reply_check(self.handle, msg, via, ptr::null_mut()) };
        assert!([IFE_OK, IFE_NOT_FOUND].contains(&result), "{result}");
        result == IFE_OK
    }

    /// Returns whether the source address is a party's.
    pub fn knows_source(&self, ip: &str) -> bool {
        // SAFETY: the error pointer is NULL.
        let result =
            unsafe { ::ife_policy::ife_source_check(self.handle, text(ip), ptr::null_mut()) };
        assert!([IFE_OK, IFE_NOT_FOUND].contains(&result), "{result}");
        result == IFE_OK
    }

    /// Returns the reply that ends a datagram's handling, or `None`: the server must handle it.
    pub fn overload_reply(&self, datagram: &str, ip: &str, port: u32) -> Option<String> {
        let mut buf = vec![0_u8; IFE_OVERLOAD_REPLY_SIZE as usize];
        let mut len = 0;
        // SAFETY: `buf` has room for its length, `len` is a live local, the error pointer is NULL.
        let result = unsafe {
            ::ife_policy::ife_overload_reply(
                self.handle,
                text(datagram),
                text(ip),
                port,
                buf.as_mut_ptr().cast(),
                buf.len(),
                &mut len,
                ptr::null_mut(),
            )
        };
        assert!([IFE_OK, IFE_NOT_FOUND].contains(&result), "{result}");
        buf.truncate(len);
        (result == IFE_OK).then(|| String::from_utf8(buf).expect("UTF-8"))
    }

    pub fn tend(&self) -> u32 {
        // SAFETY: the error pointer is NULL.
        unsafe { ::ife_policy::ife_policy_tend(self.handle, ptr::null_mut()) }
    }

    pub fn stats(&self) -> ife_stats {
        let mut stats = ife_stats::default();
        // SAFETY: `stats` is a live local.
        let result = unsafe { ::ife_policy::ife_policy_stats(self.handle, &mut stats) };
        assert_eq!(result, IFE_OK);
        stats
    }

    pub fn reset_stats(&self) {
        // SAFETY: any handle may be asked.
        let result = unsafe { ::ife_policy::ife_policy_stats_reset(self.handle) };
        assert_eq!(result, IFE_OK);
    }

    /// Returns the new generation, or the error.
    pub fn reload(&self) -> Result<u64, (u32, String)> {
        let mut generation = 0;
        let mut err = ife_error { text: [0; 1024] };
        // SAFETY: all pointers are to live locals.
        match unsafe { ::ife_policy::ife_policy_reload(self.handle, &mut generation, &mut err) } {
            IFE_OK => Ok(generation),
            code => Err((code, of_buffer(&err.text))),
        }
    }

    pub fn find(&self, call_id: &str) -> Option<ife_call> {
        let mut call = ife_call::default();
        // SAFETY: `call` is a live local.
        match unsafe { ::ife_policy::ife_call_find(self.handle, text(call_id), &mut call) } {
            IFE_OK => Some(call),
            code => {
                assert_eq!(code, IFE_NOT_FOUND);
                None
            }
        }
    }

    pub fn release(&self, call_id: &str) -> u32 {
        // SAFETY: the error pointer is NULL.
        unsafe { ::ife_policy::ife_call_release(self.handle, text(call_id), ptr::null_mut()) }
    }

    /// Experts as JSON.
    pub fn experts(&self) -> serde_json::Value {
        self.json(|buf, len, out| {
            // SAFETY: `buf` has room for `len` bytes and `out` is live.
            unsafe {
                ::ife_policy::ife_policy_experts(
                    self.handle,
                    0,
                    100,
                    buf,
                    len,
                    out,
                    ptr::null_mut(),
                )
            }
        })
    }

    /// The gates' answers as JSON.
    pub fn explain(&self, msg: &ife_message) -> serde_json::Value {
        self.json(|buf, len, out| {
            // SAFETY: `buf` has room for `len` bytes and the other pointers are live.
            unsafe {
                ::ife_policy::ife_policy_explain(self.handle, msg, buf, len, out, ptr::null_mut())
            }
        })
    }

    /// Returns the result of explaining, without the answers.
    pub fn explain_result(&self, msg: &ife_message) -> u32 {
        let mut buffer = vec![0u8; 8192];
        let mut len = 0;
        // SAFETY: `buffer` has room for its length; the other pointers are live or NULL.
        unsafe {
            ::ife_policy::ife_policy_explain(
                self.handle,
                msg,
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &mut len,
                ptr::null_mut(),
            )
        }
    }

    fn json(&self, call: impl FnOnce(*mut c_char, usize, *mut usize) -> u32) -> serde_json::Value {
        let mut buffer = vec![0u8; 64 * 1024];
        let mut len = 0;
        assert_eq!(
            call(buffer.as_mut_ptr().cast(), buffer.len(), &mut len),
            IFE_OK
        );
        serde_json::from_slice(&buffer[..len]).expect("JSON")
    }

    /// Opens the reading end of this process's ring.
    pub fn ring(&self, process_no: u32) -> Ring {
        Ring::open(&self.state_dir, process_no)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // SAFETY: any handle may be closed.
        unsafe { ::ife_policy::ife_policy_close(self.handle) };
    }
}

/// The witness daemon's end of a ring.
pub struct Ring(Consumer);

/// One entry, as logged and parsed.
#[derive(Debug)]
pub struct Logged {
    pub seq: u64,
    pub bytes: Vec<u8>,
    pub json: serde_json::Value,
}

impl Logged {
    /// Returns a text member; empty when absent.
    pub fn text(&self, member: &str) -> &str {
        self.json
            .get(member)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
    }
}

impl Ring {
    /// Opens the reading end of a process's ring.
    pub fn open(state_dir: &Path, process_no: u32) -> Self {
        let producer = format!("test-{process_no}");
        Self(Consumer::open(&state_dir.join("rings"), &producer).expect("the ring exists"))
    }

    /// Returns all new entries and acknowledges them as on disk.
    pub fn drain(&mut self) -> Vec<Logged> {
        let mut entries = Vec::new();
        let mut bytes = Vec::new();
        while let Some(record) = self.0.read(&mut bytes).expect("an undamaged ring") {
            let json = serde_json::from_slice(&bytes).expect("JSON");
            entries.push(Logged {
                seq: record.seq,
                bytes: std::mem::take(&mut bytes),
                json,
            });
        }
        self.0.acknowledge(self.0.next_seq());
        entries
    }

    /// Returns all new entries about calls, without those about processes.
    pub fn calls(&mut self) -> Vec<Logged> {
        let mut entries = self.drain();
        entries.retain(|entry| !["START", "STOP", "RELOAD"].contains(&entry.text("event")));
        entries
    }

    /// Acknowledges all new entries without reading them.
    pub fn discard(&mut self) {
        let mut bytes = Vec::new();
        while self
            .0
            .read(&mut bytes)
            .expect("an undamaged ring")
            .is_some()
        {
            bytes.clear();
        }
        self.0.acknowledge(self.0.next_seq());
    }
}
