//! The gate's verdict.

pub use ife_words::{Direction, Gate};

use crate::state::CallKey;
use crate::text::Text;

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
    /// Direction of the call, once both parties were found.
    pub direction: Option<Direction>,
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
            direction: None,
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
