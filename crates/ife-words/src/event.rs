//! The closed list of events.

crate::words! {
    /// The event that an entry reports. [`Event::as_str`] is its spelling in the log.
    ///
    /// ```
    /// use ife_words::Event;
    /// assert_eq!(Event::of("RINGING"), Some(Event::Ringing));
    /// assert_eq!(Event::Ringing.as_str(), "RINGING");
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[repr(u8)]
    pub enum Event {
        /// The council asks for an expert.
        Escalate = "ESCALATE",
        /// A call attempt was received or sent.
        Invite = "INVITE",
        /// The gate let a call pass.
        Approved = "APPROVED",
        /// The gate refused a call.
        Rejected = "REJECTED",
        /// A provisional answer without alerting (100, 183).
        Trying = "TRYING",
        /// The far side alerts.
        Ringing = "RINGING",
        /// The far side answered.
        Connected = "CONNECTED",
        /// An expert who answered hears why they are called.
        Briefing = "BRIEFING",
        /// An expert who answered has accepted the call.
        Accepted = "ACCEPTED",
        /// The answer was acknowledged.
        Ack = "ACK",
        /// A connected call is renegotiated (re-INVITE, UPDATE).
        Reinvite = "REINVITE",
        /// The caller gave up before the answer.
        Cancel = "CANCEL",
        /// A side hung up.
        Bye = "BYE",
        /// The call attempt failed.
        Failed = "FAILED",
        /// The call was ended by us.
        Terminated = "TERMINATED",
        /// The H.323 leg is being set up.
        H323Setup = "H323_SETUP",
        /// The H.323 leg is up.
        H323Connected = "H323_CONNECTED",
        /// The H.323 leg is gone.
        H323Released = "H323_RELEASED",
        /// A participant joined the council's conference.
        CouncilJoin = "COUNCIL_JOIN",
        /// A participant left the council's conference.
        CouncilLeave = "COUNCIL_LEAVE",
        /// A guardian asked to join a room, and was admitted or refused.
        Admission = "ADMISSION",
        /// A participant of a room was muted.
        Mute = "MUTE",
        /// A participant of a room may be heard again.
        Unmute = "UNMUTE",
        /// A party is put out of a room, or kept out: by a client of the API, or without admission.
        Remove = "REMOVE",
        /// A party decided about a call.
        Decision = "DECISION",
        /// A decision was not taken.
        DecisionRefused = "DECISION_REFUSED",
        /// The time for the expert's decision has passed without one.
        NoDecision = "NO_DECISION",
        /// An expert is notified of a call by another way than the phone, or cannot be.
        Notified = "NOTIFIED",
        /// A room of the council opened.
        RoomOpen = "ROOM_OPEN",
        /// A room of the council ended.
        RoomEnd = "ROOM_END",
        /// A message between agents and an expert.
        Message = "MESSAGE",
        /// Evidence was offered.
        EvidenceOffer = "EVIDENCE_OFFER",
        /// The offer was answered.
        EvidenceAnswer = "EVIDENCE_ANSWER",
        /// The evidence channel is open.
        EvidenceOpen = "EVIDENCE_OPEN",
        /// A file was sent whole.
        EvidenceSent = "EVIDENCE_SENT",
        /// The receiver's hash agrees with ours.
        EvidenceVerified = "EVIDENCE_VERIFIED",
        /// A file or the channel failed.
        EvidenceFailed = "EVIDENCE_FAILED",
        /// The registry was reloaded.
        Reload = "RELOAD",
        /// A process began to witness.
        Start = "START",
        /// A process ceased to witness, in good order.
        Stop = "STOP",
        /// Sequence numbers of a producer are missing.
        Gap = "GAP",
    }
}

impl Event {
    /// Returns whether only the writer may use this event, and no producer.
    pub fn is_reserved(self) -> bool {
        self == Self::Gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back_and_none_repeats() {
        let mut names = std::collections::BTreeSet::new();
        for event in Event::ALL {
            assert_eq!(Event::of(event.as_str()), Some(event));
            assert!(names.insert(event.as_str()), "{event} twice");
        }
        assert_eq!(Event::of("invite"), None);
        assert_eq!(Event::of(""), None);
    }
}
