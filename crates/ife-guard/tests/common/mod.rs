//! A small registry, its keys, and requests signed by them.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use ife_guard::{
    HeaderValue, Image, KeyCache, MemoryState, Now, Policy, Request, State, Transport, Verdict,
    decide, image, registry,
};
use ife_message::sign::{self, SignedFields};
use ife_message::{Aor, Covered, Hazard, PrivateKey, TraceId};
use sha2::{Digest, Sha256};

pub const NOW_S: u64 = 1_790_000_000;
pub const NOW: Now = at(0);
pub const SDP: &[u8] = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\n";
pub const COUNCIL: &str = "sip:council@council.example";
pub const SAFETY: &str = "sip:expert-safety@external.advisor";

/// Returns the instant `seconds` after [`NOW`].
pub const fn at(seconds: u64) -> Now {
    Now {
        unix_ms: (NOW_S + seconds) * 1000,
        mono_ms: 5_000_000 + seconds * 1000,
    }
}

pub fn private(name: &str) -> PrivateKey {
    let seed: [u8; 32] = Sha256::digest(name.as_bytes()).into();
    PrivateKey::from_seed(name, &seed).expect("a kid is a key's name")
}

pub fn public(name: &str) -> String {
    private(name).public_key().to_string()
}

/// The registry of the tests.
pub fn yaml() -> String {
    let key = public;
    format!(
        r#"version: 1
legacy_store: /var/lib/if-escalate/legacy.store
flood: {{rate_per_s: 2, burst: 20}}
hazards: [{{name: safety}}, {{name: alignment}}, {{name: ethics}}, {{name: privacy}}, {{name: legal}}]
councils:
  - domain: council.example
    aors: ["sip:council@council.example", "sip:room-*@council.example"]
    signers:
      - {{kid: council-1, public_key: "{c1}", covers: [base, cid]}}
      - {{kid: council-base, public_key: "{c2}", covers: [base]}}
      - {{kid: council-old, public_key: "{c3}", covers: [base], not_after: 2026-01-01}}
      - {{kid: council-next, public_key: "{c4}", covers: [base], not_before: 2030-01-01}}
      - {{kid: council-gone, public_key: "{c5}", covers: [base], status: revoked}}
      - {{kid: council-legacy, public_key: "{c6}", covers: [base], legacy_signature: true}}
    sources: [127.0.0.0/8, "::1/128"]
    transports: [udp, tls]
experts:
  - id: expert-safety@external.advisor
    name: Dr. Safety
    aors: ["sip:expert-safety@external.advisor"]
    contact: "sip:expert-safety@192.0.2.10:5061;transport=tls"
    hazards: [safety, alignment]
    signers: [{{kid: safety-1, public_key: "{e1}"}}]
    sources: [192.0.2.0/24]
    transports: [tls]
    quota: {{per_minute: 3, concurrent: 2, max_call_s: 600}}
  - id: expert-pool
    aors: ["sip:expert-*@external.advisor", "sip:ethics@external.advisor"]
    hazards: [ethics]
    signers: [{{kid: pool-1, public_key: "{e2}", covers: [base, sdp]}}]
    sources: [198.51.100.0/24]
    transports: [udp]
  - id: expert-away
    aors: ["sip:away@external.advisor"]
    hazards: [privacy]
    status: suspended
    signers: [{{kid: away-1, public_key: "{e3}"}}]
    sources: [0.0.0.0/0]
    transports: [udp]
  - id: expert-past
    aors: ["sip:past@external.advisor"]
    hazards: [privacy]
    not_after: 2026-01-01T00:00:00Z
    signers: [{{kid: past-1, public_key: "{e4}"}}]
    sources: [0.0.0.0/0]
    transports: [udp]
default_expert: expert-pool
"#,
        c1 = key("council-1"),
        c2 = key("council-base"),
        c3 = key("council-old"),
        c4 = key("council-next"),
        c5 = key("council-gone"),
        c6 = key("council-legacy"),
        e1 = key("safety-1"),
        e2 = key("pool-1"),
        e3 = key("away-1"),
        e4 = key("past-1"),
    )
}

pub fn compile(yaml: &str) -> Vec<u8> {
    let registry = registry::load(yaml, "registry.yaml").unwrap_or_else(|e| panic!("{e}"));
    image::compile(&registry).expect("a small registry fits")
}

/// A request that owns its bytes, to be changed by a test.
#[derive(Clone)]
pub struct Call {
    pub method: Vec<u8>,
    pub transport: Transport,
    pub peer: &'static str,
    pub ruri: Vec<u8>,
    pub from: Vec<u8>,
    pub from_tag: Vec<u8>,
    pub to_tag: Vec<u8>,
    pub call_id: Vec<u8>,
    pub cseq: u32,
    pub trace_id: Option<Vec<u8>>,
    pub hazard: Option<Vec<u8>>,
    pub signature: Option<Vec<u8>>,
    pub repeated: [u32; 3],
    pub body: Vec<u8>,
}

impl Call {
    /// Returns a correct call from council to safety expert, signed with `council-1` at [`NOW`].
    pub fn to_expert() -> Self {
        let mut call = Self {
            method: b"INVITE".to_vec(),
            transport: Transport::Udp,
            peer: "127.0.0.1:5070",
            ruri: SAFETY.into(),
            from: COUNCIL.into(),
            from_tag: b"tag-1".to_vec(),
            to_tag: Vec::new(),
            call_id: b"call-1@127.0.0.1".to_vec(),
            cseq: 1,
            trace_id: Some(b"trace-0001".to_vec()),
            hazard: Some(b"safety".to_vec()),
            signature: None,
            repeated: [1; 3],
            body: SDP.to_vec(),
        };
        call.sign("council-1", NOW_S, "base,cid");
        call
    }

    /// Returns a correct call from the safety expert to the council.
    pub fn to_council() -> Self {
        let mut call = Self {
            ruri: COUNCIL.into(),
            from: SAFETY.into(),
            ..Self::to_expert()
        };
        call.peer = "192.0.2.10:5061";
        call.transport = Transport::Tls;
        call.sign("safety-1", NOW_S, "base,cid,sdp");
        call
    }

    pub fn number(number: usize) -> Self {
        let mut call = Self::to_expert();
        call.call_id = format!("call-{number}@127.0.0.1").into_bytes();
        call.trace_id = Some(format!("trace-{number:04}").into_bytes());
        call.sign("council-1", NOW_S, "base,cid");
        call
    }

    /// Signs the call as it is.
    pub fn sign(&mut self, kid: &str, iat: u64, covered: &str) {
        let fields = SignedFields {
            iat,
            trace_id: &TraceId::parse(self.trace_id.as_deref().expect("signed")).expect("trace id"),
            hazard: &Hazard::parse(self.hazard.as_deref().expect("signed")).expect("hazard"),
            caller: &Aor::parse(&self.from).expect("caller"),
            callee: &Aor::parse(&self.ruri).expect("callee"),
            covered: Covered::parse(covered.as_bytes()).expect("covered"),
            call_id: &self.call_id,
            body_sha256: Some(Sha256::digest(&self.body).into()),
        };
        self.signature = Some(
            sign::sign(&private(kid), &fields)
                .expect("signable")
                .to_string()
                .into_bytes(),
        );
    }

    pub fn sign_legacy(&mut self, kid: &str, expert: &str) {
        let text = [
            self.hazard.as_deref().expect("signed"),
            expert.as_bytes(),
            self.trace_id.as_deref().expect("signed"),
        ]
        .concat();
        let hex: String = private(kid)
            .sign(&text)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        self.signature = Some(hex.into_bytes());
    }

    pub fn request(&self) -> Request<'_> {
        let header = |index: usize, value: &'_ Option<Vec<u8>>| match value {
            None => HeaderValue::Absent,
            Some(_) => HeaderValue::new(self.repeated[index], b""),
        };
        let one = |index, value| match (header(index, value), value) {
            (HeaderValue::One(_), Some(body)) => HeaderValue::One(body.as_slice()),
            (HeaderValue::Many(count), _) => HeaderValue::Many(count),
            _ => HeaderValue::Absent,
        };
        Request {
            method: &self.method,
            transport: self.transport,
            peer: self.peer.parse().expect("address and port"),
            ruri: &self.ruri,
            from: &self.from,
            from_tag: &self.from_tag,
            to_tag: &self.to_tag,
            call_id: &self.call_id,
            cseq: self.cseq,
            trace_id: one(0, &self.trace_id),
            hazard: one(1, &self.hazard),
            signature: one(2, &self.signature),
            body: &self.body,
        }
    }
}

/// Decides by the test registry.
pub fn decide_with(state: &mut impl State, call: &Call, now: Now) -> Verdict {
    let bytes = compile(&yaml());
    let image = Image::open(&bytes).expect("just compiled");
    decide(
        &Policy::new(&image),
        &call.request(),
        state,
        &mut KeyCache::new(),
        now,
    )
}

pub fn decide_fresh(call: &Call) -> Verdict {
    decide_with(&mut MemoryState::new(), call, NOW)
}
