//! Meanings of the final SIP replies of a called side, as data.
//!
//! Q.850 has one value for many replies: Asterisk gives 21, "call rejected", for 401, 403, 407 and
//! 603, and only the last of them is a person's refusal. So the reply decides where it was seen,
//! and the cause where it was not.
//!
//! Source of each row: the section of RFC 3261 (21.3 to 21.6) or the RFC that registers the code,
//! as listed by IANA's "SIP Response Codes". A code without a row has no known meaning for the
//! called side: [`Class::Unknown`].

use super::Class::{self, *};

/// One final reply.
#[derive(Debug, Clone, Copy)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Its meaning for the called side.
    pub class: Class,
    /// Where that is written.
    pub source: &'static str,
}

const fn reply(status: u16, class: Class, source: &'static str) -> Reply {
    Reply {
        status,
        class,
        source,
    }
}

/// Replies of 300 and above, ascending.
pub const REPLIES: &[Reply] = &[
    reply(300, Redirected, "RFC 3261 21.3.1"),
    reply(301, Redirected, "RFC 3261 21.3.2"),
    reply(302, Redirected, "RFC 3261 21.3.3"),
    reply(305, Redirected, "RFC 3261 21.3.4"),
    reply(380, Redirected, "RFC 3261 21.3.5"),
    reply(400, Incompatible, "RFC 3261 21.4.1"),
    reply(401, Forbidden, "RFC 3261 21.4.2"),
    reply(402, Forbidden, "RFC 3261 21.4.3"),
    reply(403, Forbidden, "RFC 3261 21.4.4"),
    reply(404, NotFound, "RFC 3261 21.4.5"),
    reply(405, Incompatible, "RFC 3261 21.4.6"),
    reply(406, Incompatible, "RFC 3261 21.4.7"),
    reply(407, Forbidden, "RFC 3261 21.4.8"),
    reply(408, Unreachable, "RFC 3261 21.4.9"),
    reply(410, NotFound, "RFC 3261 21.4.10"),
    reply(413, Incompatible, "RFC 3261 21.4.11"),
    reply(414, Incompatible, "RFC 3261 21.4.12"),
    reply(415, Incompatible, "RFC 3261 21.4.13"),
    reply(416, BadAddress, "RFC 3261 21.4.14"),
    reply(420, Incompatible, "RFC 3261 21.4.15"),
    reply(421, Incompatible, "RFC 3261 21.4.16"),
    reply(422, Incompatible, "RFC 4028 6"),
    reply(423, Incompatible, "RFC 3261 21.4.17"),
    reply(428, Forbidden, "RFC 8224 6.2.2"),
    reply(433, Forbidden, "RFC 5079 5"),
    reply(436, Forbidden, "RFC 8224 6.2.2"),
    reply(437, Forbidden, "RFC 8224 6.2.2"),
    reply(438, Forbidden, "RFC 8224 6.2.2"),
    reply(480, Unreachable, "RFC 3261 21.4.18"),
    reply(481, Unreachable, "RFC 3261 21.4.19"),
    reply(482, Unreachable, "RFC 3261 21.4.20"),
    reply(483, Unreachable, "RFC 3261 21.4.21"),
    reply(484, BadAddress, "RFC 3261 21.4.22"),
    reply(485, BadAddress, "RFC 3261 21.4.23"),
    reply(486, Busy, "RFC 3261 21.4.24"),
    reply(488, Incompatible, "RFC 3261 21.4.26"),
    reply(493, Incompatible, "RFC 3261 21.4.28"),
    reply(494, Forbidden, "RFC 3329 2"),
    reply(500, Unreachable, "RFC 3261 21.5.1"),
    reply(501, Incompatible, "RFC 3261 21.5.2"),
    reply(502, Unreachable, "RFC 3261 21.5.3"),
    reply(503, Congested, "RFC 3261 21.5.4"),
    reply(504, Unreachable, "RFC 3261 21.5.5"),
    reply(505, Incompatible, "RFC 3261 21.5.6"),
    reply(513, Incompatible, "RFC 3261 21.5.7"),
    reply(555, Incompatible, "RFC 8599 14.1"),
    reply(580, Incompatible, "RFC 3312 8"),
    reply(600, Busy, "RFC 3261 21.6.1"),
    reply(603, Declined, "RFC 3261 21.6.2"),
    reply(604, NotFound, "RFC 3261 21.6.3"),
    reply(606, Incompatible, "RFC 3261 21.6.4"),
    // The person does not want the call; an intermediary that filters calls does not let it
    // through.
    reply(607, Declined, "RFC 8197 3"),
    reply(608, Forbidden, "RFC 8688 3.1"),
];

impl Class {
    /// Returns the meaning of a final SIP reply of 300 or above, from a side that rang before it
    /// or did not.
    ///
    /// Phones and servers give up ringing with 408 and 480, and answer so for a phone that is off.
    pub fn of_reply(status: u16, rang: bool) -> Class {
        let found = REPLIES.iter().find(|reply| reply.status == status);
        let class = found.map_or(Unknown, |reply| reply.class);
        if rang && class == Unreachable && matches!(status, 408 | 480) {
            NoAnswer
        } else {
            class
        }
    }
}
