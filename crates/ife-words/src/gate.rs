//! The gates, by name and number.

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

    /// The ten gates that a decision runs, in order.
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
