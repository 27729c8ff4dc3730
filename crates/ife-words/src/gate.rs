//! The gates, by name and number.

crate::words! {
    /// One check of the policy. The numbers are those of `ife_gate` in `if_policy.h`; a rejection's
    /// script code is their negative.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    #[repr(u8)]
    pub enum Gate {
        /// No gate: the call is approved.
        None(0) = "none",
        /// Headers present, once each, well-formed.
        Headers(1) = "headers",
        /// One side is a known expert, the other a council AOR.
        Registry(2) = "registry",
        /// Expert and key are active and within their time.
        Standing(3) = "standing",
        /// The hazard is known and one of the expert's.
        Hazard(4) = "hazard",
        /// Peer address and transport are those of the signer.
        Source(5) = "source",
        /// The source's token bucket.
        Flood(6) = "flood",
        /// The signature is present, by a key of the caller, valid, and covers enough.
        Signature(7) = "signature",
        /// The signature was made within the window.
        Freshness(8) = "freshness",
        /// The signature was not seen before, or this is the same attempt again.
        Replay(9) = "replay",
        /// The expert's calls per minute and at once.
        Quota(10) = "quota",
        /// The decision is witnessed as configured. Set by the shell.
        Witness(11) = "witness",
        /// An internal error, contained. Set by the shell.
        Internal(12) = "internal",
        /// A request within a dialog that was not approved here.
        Dialog(13) = "dialog",
    }
}

impl Gate {
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

    /// Returns the number of the gate.
    pub const fn number(self) -> u8 {
        self as u8
    }
}
