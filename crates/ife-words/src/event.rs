//! The closed list of events.

use std::fmt;

/// The event that an entry reports. [`Event::name`] is its spelling in the log.
///
/// ```
/// use ife_words::Event;
/// assert_eq!(Event::parse(b"RINGING"), Some(Event::Ringing));
/// assert_eq!(Event::Ringing.name(), "RINGING");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Event {
    /// The council asks for an expert.
    Escalate,
    /// A call attempt was received or sent.
    Invite,
    /// The gate let a call pass.
    Approved,
    /// The gate refused a call.
    Rejected,
    /// A provisional answer without alerting (100, 183).
    Trying,
    /// The far side alerts.
    Ringing,
    /// The far side answered.
    Connected,
    /// The answer was acknowledged.
    Ack,
    /// A connected call is renegotiated (re-INVITE, UPDATE).
    Reinvite,
    /// The caller gave up before the answer.
    Cancel,
    /// A side hung up.
    Bye,
    /// The call attempt failed.
    Failed,
    /// The call was ended by us.
    Terminated,
    /// The H.323 leg is being set up.
    H323Setup,
    /// The H.323 leg is up.
    H323Connected,
    /// The H.323 leg is gone.
    H323Released,
    /// A participant joined the council's conference.
    CouncilJoin,
    /// A participant left the council's conference.
    CouncilLeave,
    /// Evidence was offered.
    EvidenceOffer,
    /// The offer was answered.
    EvidenceAnswer,
    /// The evidence channel is open.
    EvidenceOpen,
    /// A file was sent whole.
    EvidenceSent,
    /// The receiver's hash agrees with ours.
    EvidenceVerified,
    /// A file or the channel failed.
    EvidenceFailed,
    /// The registry was reloaded.
    Reload,
    /// A process began to witness.
    Start,
    /// A process ceased to witness, in good order.
    Stop,
    /// Sequence numbers of a producer are missing.
    Gap,
}

impl Event {
    /// Every event, in the order of docs/design.md.
    pub const ALL: [Self; 28] = [
        Self::Escalate,
        Self::Invite,
        Self::Approved,
        Self::Rejected,
        Self::Trying,
        Self::Ringing,
        Self::Connected,
        Self::Ack,
        Self::Reinvite,
        Self::Cancel,
        Self::Bye,
        Self::Failed,
        Self::Terminated,
        Self::H323Setup,
        Self::H323Connected,
        Self::H323Released,
        Self::CouncilJoin,
        Self::CouncilLeave,
        Self::EvidenceOffer,
        Self::EvidenceAnswer,
        Self::EvidenceOpen,
        Self::EvidenceSent,
        Self::EvidenceVerified,
        Self::EvidenceFailed,
        Self::Reload,
        Self::Start,
        Self::Stop,
        Self::Gap,
    ];

    /// Returns the name in the log: upper case, digits and underscore.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Escalate => "ESCALATE",
            Self::Invite => "INVITE",
            Self::Approved => "APPROVED",
            Self::Rejected => "REJECTED",
            Self::Trying => "TRYING",
            Self::Ringing => "RINGING",
            Self::Connected => "CONNECTED",
            Self::Ack => "ACK",
            Self::Reinvite => "REINVITE",
            Self::Cancel => "CANCEL",
            Self::Bye => "BYE",
            Self::Failed => "FAILED",
            Self::Terminated => "TERMINATED",
            Self::H323Setup => "H323_SETUP",
            Self::H323Connected => "H323_CONNECTED",
            Self::H323Released => "H323_RELEASED",
            Self::CouncilJoin => "COUNCIL_JOIN",
            Self::CouncilLeave => "COUNCIL_LEAVE",
            Self::EvidenceOffer => "EVIDENCE_OFFER",
            Self::EvidenceAnswer => "EVIDENCE_ANSWER",
            Self::EvidenceOpen => "EVIDENCE_OPEN",
            Self::EvidenceSent => "EVIDENCE_SENT",
            Self::EvidenceVerified => "EVIDENCE_VERIFIED",
            Self::EvidenceFailed => "EVIDENCE_FAILED",
            Self::Reload => "RELOAD",
            Self::Start => "START",
            Self::Stop => "STOP",
            Self::Gap => "GAP",
        }
    }

    /// Returns the event with exactly this name; names are case-sensitive.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|event| event.name().as_bytes() == name)
    }

    /// Returns whether only the writer may use this event, and no producer.
    #[must_use]
    pub const fn is_reserved(self) -> bool {
        match self {
            Self::Gap => true,
            Self::Escalate
            | Self::Invite
            | Self::Approved
            | Self::Rejected
            | Self::Trying
            | Self::Ringing
            | Self::Connected
            | Self::Ack
            | Self::Reinvite
            | Self::Cancel
            | Self::Bye
            | Self::Failed
            | Self::Terminated
            | Self::H323Setup
            | Self::H323Connected
            | Self::H323Released
            | Self::CouncilJoin
            | Self::CouncilLeave
            | Self::EvidenceOffer
            | Self::EvidenceAnswer
            | Self::EvidenceOpen
            | Self::EvidenceSent
            | Self::EvidenceVerified
            | Self::EvidenceFailed
            | Self::Reload
            | Self::Start
            | Self::Stop => false,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back_and_none_repeats() {
        let mut names = std::collections::BTreeSet::new();
        for event in Event::ALL {
            assert_eq!(Event::parse(event.name().as_bytes()), Some(event));
            assert!(names.insert(event.name()), "{event} twice");
        }
        assert_eq!(Event::parse(b"invite"), None);
        assert_eq!(Event::parse(b""), None);
    }
}
