//! Settings of the engine, all checked before it starts.

use std::time::Duration;

use ife_ami::value::{DialToken, RoomName};
use ife_call::Policy;
use serde::Deserialize;

use crate::council::Council;

/// Settings of the engine.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of this bridge, a part of its channels' names.
    pub node: String,
    /// Where experts meet the council.
    pub council: Council,
    /// Conference of escalations that name none.
    pub default_room: RoomName,
    /// Guardians who are dialled when a room starts, and who may ask to join.
    pub guardians: Vec<Guardian>,
    /// Bandwidth of all guardians of a room together, bit/s.
    pub bandwidth_bps_max: u64,
    /// What happens to a party that was not admitted.
    pub unknown_parties: UnknownParties,
    /// How long an admitted terminal may take to dial in.
    pub admission: Duration,
    /// Limits of calls.
    pub limits: Limits,
    /// PJSIP AOR of Asterisk whose contact is Kamailio.
    pub sip_aor: DialToken,
    /// Whether calls must not be placed without the witness.
    pub witness_required: bool,
    /// Whether messages are taken from a stream.
    pub has_intake: bool,
}

/// A guardian's terminal.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guardian {
    /// Name, as `terminal_id` in an admission.
    pub name: String,
    /// ooh323 section that reaches it; absent: never dialled, joins by itself.
    #[serde(default)]
    pub peer: Option<String>,
    /// Alias dialled there.
    #[serde(default)]
    pub alias: Option<String>,
    /// `ed25519:<base64>`, for admissions.
    #[serde(default)]
    pub public_key: Option<String>,
    /// ooh323 section of the address that the terminal dials in from; `peer` when absent.
    #[serde(default)]
    pub section: Option<String>,
    /// The `h323id` that the terminal dials in with; the name when absent.
    #[serde(default)]
    pub h323_id: Option<String>,
}

impl Guardian {
    /// The ooh323 section of the address that the terminal dials in from.
    pub fn section(&self) -> Option<&str> {
        self.section.as_deref().or(self.peer.as_deref())
    }

    /// The `h323id` that the terminal dials in with.
    pub fn h323_id(&self) -> &str {
        self.h323_id.as_deref().unwrap_or(&self.name)
    }
}

ife_words::words! {
    /// What happens to a party in a room that is neither called nor admitted.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum UnknownParties {
        /// It is put out.
        #[default]
        Remove = "remove",
        /// It hears and is not heard.
        Mute = "mute",
        /// It stays.
        Admit = "admit",
    }
}

/// Limits and waits of calls.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls at once.
    pub total_max: u32,
    /// Participants of one conference.
    pub council_max: u32,
    /// Calls at once with one expert.
    pub expert_max: u32,
    /// Experts in one conference: its seats less those of the guardians who are called.
    pub council_experts_max: u32,
    /// H.323 legs at once.
    pub h323_legs_max: u32,
    /// Experts tried for one escalation.
    pub experts_max: usize,
    /// Seconds that joining the council may take.
    pub join_s: u32,
    /// Seconds after the end of an answered call in which a decision is taken.
    pub decision_s: u32,
    /// Seconds that an expert who was briefed has for a key.
    pub accept_key_s: u32,
    /// Seconds that an expert who was briefed has to accept on the page.
    pub accept_page_s: u32,
    /// Waits of one call, and the failures that lead to the next expert.
    pub policy: Policy,
}
