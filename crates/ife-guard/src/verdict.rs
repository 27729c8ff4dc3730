//! The gate's verdict.

use crate::state::CallKey;
use crate::text::Text;

/// One check of the policy. The numbers are those of `ife_gate` in `if_policy.h`; a rejection's
/// script code is their negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Gate {
    /// No gate: the call is approved.
    None = 0,
    /// Headers present, once each, well-formed.
    Headers = 1,
    /// One side is a known expert, the other a council AOR.
    Registry = 2,
    /// Expert and key are active and within their time.
    Standing = 3,
    /// The hazard is known and one of the expert's.
    Hazard = 4,
    /// Peer address and transport are those of the signer.
    Source = 5,
    /// The source's token bucket.
    Flood = 6,
    /// The signature is present, by a key of the caller, valid, and covers enough.
    Signature = 7,
    /// The signature was made within the window.
    Freshness = 8,
    /// The signature was not seen before, or this is the same attempt again.
    Replay = 9,
    /// The expert's calls per minute and at once.
    Quota = 10,
    /// The decision is witnessed as configured. Set by the shell.
    Witness = 11,
    /// An internal error, contained. Set by the shell.
    Internal = 12,
    /// A request within a dialog that was not approved here.
    Dialog = 13,
}

impl Gate {
    /// All gates by number, `None` included.
    pub const ALL: [Self; 14] = [
        Self::None,
        Self::Headers,
        Self::Registry,
        Self::Standing,
        Self::Hazard,
        Self::Source,
        Self::Flood,
        Self::Signature,
        Self::Freshness,
        Self::Replay,
        Self::Quota,
        Self::Witness,
        Self::Internal,
        Self::Dialog,
    ];

    /// The ten gates that [`crate::decide`] runs, in order.
    pub const DECIDED: [Self; 10] = [
        Self::Headers,
        Self::Registry,
        Self::Standing,
        Self::Hazard,
        Self::Source,
        Self::Flood,
        Self::Signature,
        Self::Freshness,
        Self::Replay,
        Self::Quota,
    ];

    /// Returns the lower-case name: `headers`, `registry`, ...
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Headers => "headers",
            Self::Registry => "registry",
            Self::Standing => "standing",
            Self::Hazard => "hazard",
            Self::Source => "source",
            Self::Flood => "flood",
            Self::Signature => "signature",
            Self::Freshness => "freshness",
            Self::Replay => "replay",
            Self::Quota => "quota",
            Self::Witness => "witness",
            Self::Internal => "internal",
            Self::Dialog => "dialog",
        }
    }

    /// Returns the number of the gate.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Returns the script's result: 1 when approved, otherwise the gate's number, negative.
    #[must_use]
    pub const fn script_code(self) -> i32 {
        match self as i32 {
            0 => 1,
            number => -number,
        }
    }
}

/// The direction of an escalation's call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// Unknown: the parties were not both found.
    #[default]
    Unknown = 0,
    /// The council calls an expert.
    ToExpert = 1,
    /// An expert calls the council.
    ToCouncil = 2,
}

impl Direction {
    /// Returns the name in the witness log and in `$ife(direction)`; empty when unknown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::ToExpert => "to_expert",
            Self::ToCouncil => "to_council",
        }
    }
}

/// Answer of [`crate::decide`]. Owned, without heap; about 1 KiB. Unknown text is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the call may pass.
    pub approved: bool,
    /// The gate that rejected, [`Gate::None`] when approved.
    pub gate: Gate,
    /// SIP status: 200 when approved.
    pub code: u16,
    /// Public reason, fit for a SIP reason phrase; reveals no key, path or internal.
    pub reason: &'static str,
    /// Private detail for the log, without control characters.
    pub detail: Text<255>,
    /// Value of Retry-After, seconds; 0 for none.
    pub retry_after_s: u32,
    /// Direction of the call.
    pub direction: Direction,
    /// Id of the expert on either side.
    pub expert: Text<128>,
    /// Number of the expert for [`crate::State::begin_call`]; 0 when unknown.
    pub expert_number: u64,
    /// SIP URI of the call to the expert. Empty when the expert calls.
    pub expert_contact: Text<256>,
    /// Hazard named by the request, once well-formed.
    pub hazard: Text<32>,
    /// Trace id of the request, once well-formed.
    pub trace_id: Text<128>,
    /// Key id that a well-formed signature names; for a legacy signature that of the key that
    /// verified.
    pub kid: Text<64>,
    /// Identity of the call; all zero before the quota gate.
    pub call_key: CallKey,
    /// True when this decision took the call's slot, so that a failure after it must free the slot.
    pub call_started: bool,
    /// Lease of the slot from the answer on, seconds.
    pub max_call_s: u32,
}

impl Verdict {
    /// Returns an approval without any facts.
    #[must_use]
    pub fn approved() -> Self {
        Self {
            approved: true,
            gate: Gate::None,
            code: 200,
            reason: "OK",
            detail: Text::new(),
            retry_after_s: 0,
            direction: Direction::Unknown,
            expert: Text::new(),
            expert_number: 0,
            expert_contact: Text::new(),
            hazard: Text::new(),
            trace_id: Text::new(),
            kid: Text::new(),
            call_key: CallKey::default(),
            call_started: false,
            max_call_s: 0,
        }
    }

    /// Turns this verdict into a rejection and keeps the facts of the call.
    pub fn reject(&mut self, gate: Gate, code: u16, reason: &'static str, detail: &str) {
        self.approved = false;
        self.gate = gate;
        self.code = code;
        self.reason = reason;
        self.detail = Text::of(detail);
        self.retry_after_s = 0;
        self.expert_contact = Text::new();
    }

    /// Returns a rejection without other facts.
    #[must_use]
    pub fn rejected(gate: Gate, code: u16, reason: &'static str, detail: &str) -> Self {
        let mut verdict = Self::approved();
        verdict.reject(gate, code, reason, detail);
        verdict
    }
}
