//! A registry, signed calls and a state directory for tests, benches and the C tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ife_message::sign::{SignedFields, sign};
use ife_message::{Aor, Covered, Hazard, PrivateKey, TraceId};

/// Key id of the council's signer.
pub const COUNCIL_KID: &str = "council-test";
/// Id of the expert with room for any number of calls.
pub const EXPERT: &str = "expert-safety@external.advisor";
/// Id of the expert with two calls at once and three a minute.
pub const NARROW_EXPERT: &str = "expert-ethics@external.advisor";
/// The caller's address.
pub const CALLER: &str = "sip:council@council.example";

/// The council's key.
pub fn council_key() -> PrivateKey {
    PrivateKey::from_seed(COUNCIL_KID, &[7; 32]).expect("a valid kid")
}

/// A registry with two experts and `more` further ones.
pub fn registry_yaml(more: usize) -> String {
    let key = council_key().public_key();
    let expert_key = PrivateKey::from_seed("e", &[9; 32])
        .expect("a valid kid")
        .public_key();
    let mut yaml = format!(
        "version: 1\nfreshness_s: 60\nflood: {{rate_per_s: 1000000, burst: 1000000}}\n\
         hazards:\n  - {{name: safety}}\n  - {{name: ethics}}\n\
         councils:\n  - domain: council.example\n    aors: ['sip:council@council.example']\n    \
         sources: [127.0.0.0/8]\n    transports: [udp, tcp]\n    \
         signers:\n      - {{kid: {COUNCIL_KID}, public_key: '{key}', covers: [base, cid]}}\n\
         experts:\n"
    );
    let mut expert = |id: &str, hazard: &str, kid: &str, quota: &str| {
        yaml.push_str(&format!(
            "  - id: {id}\n    aors: ['sip:{id}']\n    contact: 'sip:phone@127.0.0.1:5070'\n    \
             hazards: [{hazard}]\n    sources: [127.0.0.0/8]\n    \
             transports: [udp]\n    quota: {quota}\n    \
             signers: [{{kid: {kid}, public_key: '{expert_key}'}}]\n"
        ));
    };
    expert(
        EXPERT,
        "safety",
        "safety-key",
        "{per_minute: 60000, concurrent: 60000, max_call_s: 600}",
    );
    expert(
        NARROW_EXPERT,
        "ethics",
        "ethics-key",
        "{per_minute: 3, concurrent: 2, max_call_s: 600}",
    );
    for i in 0..more {
        expert(
            &format!("extra-{i}@external.advisor"),
            "safety",
            &format!("extra-{i}"),
            "{per_minute: 10, concurrent: 2}",
        );
    }
    yaml
}

/// One call to an expert, signed.
#[derive(Clone, Debug)]
pub struct SignedCall {
    pub call_id: String,
    pub from_tag: String,
    pub trace_id: String,
    pub signature: String,
    pub callee: String,
    pub hazard: &'static str,
}

impl SignedCall {
    /// Call number `n` to `expert`, signed `iat_offset_s` from now.
    pub fn new(n: usize, expert: &str, iat_offset_s: i64) -> Self {
        let call_id = format!("call-{n}-{}@127.0.0.1", std::process::id());
        let trace_id = format!("6b1b36c4-{n:012}-{}", std::process::id());
        let callee = format!("sip:{expert}");
        let hazard = if expert == NARROW_EXPERT {
            "ethics"
        } else {
            "safety"
        };
        let iat = unix_s()
            .checked_add_signed(iat_offset_s)
            .expect("after 1970");
        let signature = sign(
            &council_key(),
            &SignedFields {
                iat,
                trace_id: &TraceId::parse(trace_id.as_bytes()).expect("well-formed"),
                hazard: &Hazard::parse(hazard.as_bytes()).expect("well-formed"),
                caller: &Aor::parse(CALLER.as_bytes()).expect("well-formed"),
                callee: &Aor::parse(callee.as_bytes()).expect("well-formed"),
                covered: Covered::parse(b"base,cid").expect("well-formed"),
                call_id: call_id.as_bytes(),
                body_sha256: None,
            },
        );
        let signature = signature.expect("signable").to_string();
        Self {
            call_id,
            from_tag: format!("tag{n}"),
            trace_id,
            signature,
            callee,
            hazard,
        }
    }

    /// An INVITE as it would be on the wire.
    pub fn invite(&self) -> String {
        let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                   m=audio 6000 RTP/AVP 0 8 101\r\n\
                   a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
                   a=rtpmap:101 telephone-event/8000\r\n";
        format!(
            "INVITE {} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bK-{}\r\n\
             Max-Forwards: 70\r\nFrom: <{CALLER}>;tag={}\r\n\
             To: <{}>\r\nCall-ID: {}\r\nCSeq: 1 INVITE\r\nContact: <sip:council@127.0.0.1:5062>\r\n\
             X-IF-Trace-ID: {}\r\n\
             X-IF-Hazard: {}\r\nX-IF-Signature: {}\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{sdp}",
            self.callee,
            self.from_tag,
            self.from_tag,
            self.callee,
            self.call_id,
            self.trace_id,
            self.hazard,
            self.signature,
            sdp.len()
        )
    }
}

/// Wall clock, seconds.
pub fn unix_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs()
}

/// A directory on tmpfs, removed when dropped.
pub struct TempDir(pub PathBuf);

impl TempDir {
    pub fn new(name: &str) -> Self {
        let path = Path::new("/dev/shm").join(format!("ife-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("/dev/shm is writable");
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes the files for the C tests to `dir`: a registry, and calls that are fresh for a minute and
/// not older than a state made in the next 45 s.
///
/// `calls.txt` and `narrow.txt`: one call a line, tab-separated: Call-ID, From-tag, trace id,
/// callee, hazard, signature.
pub fn write_c_fixture(dir: &Path) {
    const IAT_OFFSET_S: i64 = 45;
    fs::create_dir_all(dir).expect("the directory can be made");
    fs::write(dir.join("registry.yaml"), registry_yaml(0)).expect("writable");
    for (file, expert, numbers) in [
        ("calls.txt", EXPERT, 0..200),
        ("narrow.txt", NARROW_EXPERT, 1000..1008),
    ] {
        let line = |n| {
            let call = SignedCall::new(n, expert, IAT_OFFSET_S);
            let fields = [
                &call.call_id,
                &call.from_tag,
                &call.trace_id,
                &call.callee,
                call.hazard,
                &call.signature,
            ];
            fields.map(|field: &str| field.to_owned()).join("\t") + "\n"
        };
        fs::write(dir.join(file), numbers.map(line).collect::<String>()).expect("writable");
    }
}
