//! Prints, as JSON lines, the cost of loading and deciding with few and with many experts.
//!
//! `cargo bench -p ife-guard --bench decide [-- EXPERTS... CASE]` (10 and 100000 by default; of
//! decide() only the cases whose name begins with CASE). Times are processor time, the best of
//! several rounds; experts are drawn at random, so that with many of them the processor's caches do
//! not help. One line per measurement:
//! `{"name":"decide","case":"approved_to_expert","experts":10,"value":41000.0,"unit":"ns"}`.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::fmt::Write;
use std::hint::black_box;
use std::net::IpAddr;

use ife_guard::scope::concerns;
use ife_guard::{
    Begin, CallKey, CallLimits, HeaderValue, Image, KeyCache, Now, Policy, Request, Sight, State,
    Token, Transport, decide, image, registry,
};
use ife_message::sign::{self, SignedFields};
use ife_message::{Aor, Covered, Hazard, PrivateKey, TraceId};

const NOW: Now = Now {
    unix_ms: 1_790_000_000_000,
    mono_ms: 1_000_000,
};
const CALLS: usize = 2_000;
/// Experts called where the caches are to hold them all.
const FEW: usize = 10;
const ROUNDS: usize = 7;

/// State without cost, so that the policy alone is measured.
struct NoState;

impl State for NoState {
    fn take_token(&mut self, _: IpAddr, _: u32, _: u32, _: Now) -> Token {
        Token::Taken
    }

    fn first_sight(&mut self, _: &[u8; 32], _: u64, _: u64, _: u64, _: Now) -> Sight {
        Sight::Fresh
    }

    fn legacy_first_sight(&mut self, _: &[u8; 32], _: u64, _: Now) -> Sight {
        Sight::Fresh
    }

    fn begin_call(&mut self, _: u64, _: &CallKey, _: CallLimits, _: Now) -> Begin {
        Begin::Started
    }

    fn abort_call(&mut self, _: &CallKey) {}
}

struct Call {
    from: String,
    ruri: String,
    trace_id: String,
    call_id: String,
    signature: String,
    transport: Transport,
}

impl Call {
    fn request(&self, signed: bool) -> Request<'_> {
        Request {
            method: b"INVITE",
            transport: self.transport,
            peer: ([127, 0, 0, 1], 5070).into(),
            ruri: self.ruri.as_bytes(),
            from: self.from.as_bytes(),
            from_tag: b"tag-of-the-caller",
            to_tag: b"",
            call_id: self.call_id.as_bytes(),
            cseq: 1,
            trace_id: HeaderValue::One(self.trace_id.as_bytes()),
            hazard: HeaderValue::One(b"safety"),
            signature: if signed {
                HeaderValue::One(self.signature.as_bytes())
            } else {
                HeaderValue::Absent
            },
            body: b"v=0\r\n",
        }
    }
}

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let counts: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let wanted = words
        .into_iter()
        .find(|word| word.parse::<usize>().is_err())
        .unwrap_or_default();
    let counts = if counts.is_empty() {
        vec![10, 100_000]
    } else {
        counts
    };
    let message = [7; 200];
    let key = key("council", 0);
    let (public, sig) = (key.public_key(), key.sign(&message));
    let verify = best(|| {
        (0..500).for_each(|_| assert!(public.verify_strict(black_box(&message), &sig).is_ok()))
    }) / 500.0;
    report("verify_strict", "alone", 0, verify, "ns");
    let registries: Vec<_> = counts
        .into_iter()
        .map(|experts| (experts, prepare(experts)))
        .collect();
    strangers(&registries);
    for (to_expert, side) in [(true, "to_expert"), (false, "to_council")] {
        for (signed, what) in [(true, "approved"), (false, "refused_before_crypto")] {
            let case = format!("{what}_{side}");
            if !case.starts_with(&wanted) {
                continue;
            }
            for (experts, ns) in compare(&registries, to_expert, signed, usize::MAX) {
                report("decide", &case, experts, ns, "ns");
            }
            // What is left of the difference when the caches hold all that the calls touch.
            for (experts, ns) in compare(&registries, to_expert, signed, FEW) {
                report("decide", &format!("{case}_few_called"), experts, ns, "ns");
            }
        }
    }
}

/// Measures the cost of a request that concerns no party: what an ordinary call pays.
fn strangers(registries: &[(usize, Vec<u8>)]) {
    for (experts, bytes) in registries {
        let image = Image::open_trusted(bytes).unwrap_or_else(|e| panic!("{e}"));
        let (from, ruri): (&[u8], &[u8]) = (b"sip:alice@192.0.2.1", b"sip:bob@192.0.2.1:5060");
        let ns = best(|| {
            (0..CALLS).for_each(|_| {
                assert!(!concerns(&image, false, black_box(from), [ruri], |_| false));
            });
        }) / CALLS as f64;
        report("scope", "stranger", *experts, ns, "ns");
    }
}

/// Loads and compiles a registry of `experts` experts.
fn prepare(experts: usize) -> Vec<u8> {
    let yaml = yaml(experts);
    let mut bytes = Vec::new();
    let (mut load, mut compile, mut reload) = (f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..3 {
        let start = Clock::start();
        let registry = registry::load(&yaml, "bench.yaml").unwrap_or_else(|e| panic!("{e}"));
        load = load.min(start.elapsed_ns() / 1e6);
        let start = Clock::start();
        bytes = image::compile(&registry).unwrap_or_else(|e| panic!("{e}"));
        compile = compile.min(start.elapsed_ns() / 1e6);
        let image = Image::open(&bytes).unwrap_or_else(|e| panic!("{e}"));
        let start = Clock::start();
        assert!(registry::reload(&yaml, "bench.yaml", &image.public_keys()).is_ok());
        reload = reload.min(start.elapsed_ns() / 1e6);
    }
    report("registry", "load", experts, load, "ms");
    report("registry", "reload", experts, reload, "ms");
    report("registry", "compile", experts, compile, "ms");
    report("registry", "yaml", experts, yaml.len() as f64, "bytes");
    report("registry", "image", experts, bytes.len() as f64, "bytes");
    report(
        "registry",
        "open",
        experts,
        best(|| assert!(Image::open(&bytes).is_ok())) / 1e6,
        "ms",
    );
    bytes
}

/// Returns the mean time of one decision by each registry, taken in turns against a noisy machine.
/// The calls are of `called` of the experts, or of all.
fn compare(
    registries: &[(usize, Vec<u8>)],
    to_expert: bool,
    signed: bool,
    called: usize,
) -> Vec<(usize, f64)> {
    let mut runs: Vec<_> = registries
        .iter()
        .map(|(experts, bytes)| {
            (
                *experts,
                bytes,
                calls((*experts).min(called), to_expert),
                KeyCache::new(),
                f64::MAX,
            )
        })
        .collect();
    for _ in 0..ROUNDS {
        for (_, bytes, calls, keys, quickest) in &mut runs {
            let image = Image::open_trusted(bytes).unwrap_or_else(|e| panic!("{e}"));
            let policy = Policy::new(&image);
            let start = Clock::start();
            for call in calls.iter() {
                let verdict = decide(
                    &policy,
                    &black_box(call).request(signed),
                    &mut NoState,
                    keys,
                    NOW,
                );
                assert_eq!(verdict.approved, signed, "{verdict:?}");
            }
            *quickest = quickest.min(start.elapsed_ns() / calls.len() as f64);
        }
    }
    runs.into_iter()
        .map(|(experts, .., quickest)| (experts, quickest))
        .collect()
}

/// Nanoseconds of the quickest of several rounds.
fn best(mut round: impl FnMut()) -> f64 {
    (0..ROUNDS)
        .map(|_| {
            let start = Clock::start();
            round();
            start.elapsed_ns()
        })
        .fold(f64::MAX, f64::min)
}

/// Processor time, so that other work on the machine counts less.
struct Clock(f64);

impl Clock {
    fn start() -> Self {
        Self(cpu_ns())
    }

    fn elapsed_ns(&self) -> f64 {
        cpu_ns() - self.0
    }
}

/// Nanoseconds that this process has run.
fn cpu_ns() -> f64 {
    let run = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    run.tv_sec as f64 * 1e9 + run.tv_nsec as f64
}

fn report(name: &str, case: &str, experts: usize, value: f64, unit: &str) {
    println!(
        "{{\"name\":\"{name}\",\"case\":\"{case}\",\"experts\":{experts},\
         \"value\":{value:.1},\"unit\":\"{unit}\"}}"
    );
}

fn key(side: &str, number: usize) -> PrivateKey {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&(number as u64).to_le_bytes());
    seed[8] = side.len() as u8;
    PrivateKey::from_seed(&format!("{side}-{number}"), &seed).unwrap_or_else(|e| panic!("{e}"))
}

fn yaml(experts: usize) -> String {
    let mut text = format!(
        "version: 1\nhazards: [{{name: safety}}, {{name: alignment}}]\n\
         councils:\n  - domain: council.example\n    \
         aors: [\"sip:council@council.example\"]\n    signers: [{{kid: council-0, \
         public_key: \"{}\", covers: [base, cid]}}]\n    \
         sources: [127.0.0.0/8]\n    transports: [udp]\nexperts:\n",
        key("council", 0).public_key()
    );
    for number in 0..experts {
        // Writing to a String cannot fail.
        _ = write!(
            text,
            "  - id: expert-{number}@external.advisor\n    name: Expert {number}\n    \
             aors: [\"sip:expert-{number}@external.advisor\"]\n    \
             contact: \"sip:expert-{number}@192.0.2.10:5061\"\n    \
             hazards: [safety, alignment]\n    status: active\n    signers:\n      \
             - kid: expert-{number}\n        public_key: \"{}\"\n        covers: [base, cid]\n    \
             sources: [127.0.0.0/8]\n    \
             transports: [udp, tls]\n    quota: {{per_minute: 10, concurrent: 2}}\n",
            key("expert", number).public_key()
        );
    }
    text
}

fn calls(experts: usize, to_expert: bool) -> Vec<Call> {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    (0..CALLS)
        .map(|number| {
            // xorshift64
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let expert = (random % experts as u64) as usize;
            let (council, expert_aor) = (
                "sip:council@council.example".to_owned(),
                format!("sip:expert-{expert}@external.advisor"),
            );
            let (from, ruri) = if to_expert {
                (council, expert_aor)
            } else {
                (expert_aor, council)
            };
            let signer = if to_expert {
                key("council", 0)
            } else {
                key("expert", expert)
            };
            let mut call = Call {
                from,
                ruri,
                trace_id: format!("7d1f4c3e-{number:012}"),
                call_id: format!("{number:016}@127.0.0.1"),
                signature: String::new(),
                transport: Transport::Udp,
            };
            call.signature = signature(&call, &signer);
            call
        })
        .collect()
}

fn signature(call: &Call, signer: &PrivateKey) -> String {
    let parsed = || -> Result<_, Box<dyn std::error::Error>> {
        let fields = SignedFields {
            iat: NOW.unix_ms / 1000,
            trace_id: &call.trace_id.parse::<TraceId>()?,
            hazard: &"safety".parse::<Hazard>()?,
            caller: &call.from.parse::<Aor>()?,
            callee: &call.ruri.parse::<Aor>()?,
            covered: Covered::BASE_CID,
            call_id: call.call_id.as_bytes(),
            body_sha256: None,
        };
        Ok(sign::sign(signer, &fields)?.to_string())
    };
    parsed().unwrap_or_else(|e| panic!("{e}"))
}
