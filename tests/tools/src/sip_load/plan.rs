//! The calls to make, signed ahead of the run so that signing costs nothing in it.

use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use ife_message::signature::{Covered, Part};
use ife_message::{Aor, Hazard, PrivateKey, SignedFields, TraceId, sign};
use sha2::{Digest, Sha256};

/// The body of each INVITE.
const SDP: &str = "v=0\r\n\
    o=council 1 1 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    c=IN IP4 127.0.0.1\r\n\
    t=0 0\r\n\
    m=audio 40000 RTP/AVP 0 8 101\r\n\
    a=rtpmap:101 telephone-event/8000\r\n";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Private key of the caller, whose name is the key id.
    #[arg(long)]
    key: PathBuf,
    /// First part of trace ids, tags and branches, new for each run.
    #[arg(long)]
    prefix: String,
    /// Largest number of calls.
    #[arg(long)]
    pub(crate) calls: usize,
    /// From, as `user@host`.
    #[arg(long)]
    from: String,
    /// Request-URI and To, as `user@host`.
    #[arg(long)]
    to: String,
    /// Hazard of each call.
    #[arg(long)]
    hazard: String,
    /// Value of an Identity header field for each INVITE.
    #[arg(long)]
    identity: Option<String>,
}

pub(crate) struct Plan {
    /// Address of the caller's socket.
    local: String,
    from: String,
    to: String,
    prefix: String,
    /// What all INVITEs end with.
    tail: String,
    hazard: String,
    signatures: Vec<String>,
}

impl Plan {
    pub(crate) fn new(args: &Args, local: String) -> Result<Self, Box<dyn Error>> {
        let key = PrivateKey::parse_file(&fs::read(&args.key)?)?;
        let iat = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let hazard: Hazard = args.hazard.parse()?;
        let caller = Aor::parse(format!("sip:{}", args.from).as_bytes())?;
        let callee = Aor::parse(format!("sip:{}", args.to).as_bytes())?;
        let covered = Covered::BASE
            .with(Part::Sdp)
            .ok_or("sdp is covered twice")?;
        let body_sha256 = Some(Sha256::digest(SDP).into());
        let mut signatures = Vec::with_capacity(args.calls);
        for number in 0..args.calls {
            let trace_id: TraceId = format!("{}-{number:08}", args.prefix).parse()?;
            let fields = SignedFields {
                iat,
                trace_id: &trace_id,
                hazard: &hazard,
                caller: &caller,
                callee: &callee,
                covered,
                call_id: b"",
                body_sha256,
            };
            signatures.push(sign::sign(&key, &fields)?.to_string());
        }
        let identity = args
            .identity
            .as_ref()
            .map_or(String::new(), |value| format!("Identity: {value}\r\n"));
        let length = SDP.len();
        let tail = format!(
            "{identity}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{SDP}"
        );
        Ok(Self {
            local,
            from: args.from.clone(),
            to: args.to.clone(),
            prefix: args.prefix.clone(),
            tail,
            hazard: args.hazard.clone(),
            signatures,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.signatures.len()
    }

    /// A request of a call up to its Max-Forwards. `branch` is of its transaction, `to` the value
    /// of its To.
    pub(crate) fn head(
        &self,
        number: usize,
        method: &str,
        branch: &str,
        uri: &str,
        to: &str,
    ) -> String {
        let cseq = if method == "BYE" { 2 } else { 1 };
        let call_id = self.call_id(number);
        let Self {
            local,
            prefix,
            from,
            ..
        } = self;
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};branch=z9hG4bK{prefix}-{branch}-{number}\r\n\
             From: <sip:{from}>;tag={prefix}c{number}\r\n\
             To: {to}\r\n\
             Call-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\n\
             Max-Forwards: 70\r\n"
        )
    }

    /// As random as those of real callers (RFC 3261 8.1.1.4): by consecutive numbers alone, tm's
    /// table, whose hash adds up words, is searched through chains of 15 calls in place of 1.6.
    fn call_id(&self, number: usize) -> String {
        let mut hasher = DefaultHasher::new();
        (&self.prefix, number).hash(&mut hasher);
        format!("{:016x}-{number:08}", hasher.finish())
    }

    pub(crate) fn uri(&self) -> String {
        format!("sip:{}", self.to)
    }

    pub(crate) fn invite(&self, number: usize) -> String {
        let (uri, local) = (self.uri(), &self.local);
        let (prefix, hazard) = (&self.prefix, &self.hazard);
        let head = self.head(number, "INVITE", "INVITE", &uri, &format!("<{uri}>"));
        let signature = self.signatures.get(number).map_or("", String::as_str);
        format!(
            "{head}Contact: <sip:bench@{local}>\r\n\
             X-IF-Trace-ID: {prefix}-{number:08}\r\n\
             X-IF-Hazard: {hazard}\r\n\
             X-IF-Signature: {signature}\r\n{}",
            self.tail
        )
    }
}
