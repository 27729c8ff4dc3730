//! The release causes as data. Only the rows here define what a cause means, what to set for
//! it and what it is on the other protocol.
//!
//! Sources, by column:
//! - `name`: ITU-T Q.850 (05/98) section 2.2.7, table 1.
//! - `sip`: RFC 3398 section 7.2.4.1, "ISUP to SIP"; 0 where the RFC maps to no response.
//! - `asterisk`: what Asterisk 16.28 and 22.10.1 answer on a ringing PJSIP leg hung up with that
//!   cause, as measured with raw SIP; 0 where it was not measured. 603 is a global failure (RFC
//!   3261 section 21.6): it stops the proxy's failover, so no row's `set` may lead there.
//! - `set`: what we set when this cause was seen on a called leg before its answer; follows the
//!   requirement of RFC 4123 that a release crosses the gateway with its meaning, within what
//!   Asterisk can express.
//! - `FROM_SIP`: RFC 3398 section 8.2.6.1, "SIP to ISUP". 487 has no mapping there, 488 and 606 go
//!   by the Warning header, which does not reach us: 58, since all we negotiate is codecs. Any
//!   other code is 31.
//! - `FROM_H225`: ITU-T H.225.0 (07/2003) section 7.2.2.8, table 5.

use super::Class::{self, *};

/// One Q.850 cause.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The cause value.
    pub cause: u8,
    /// Its name in Q.850.
    pub name: &'static str,
    /// SIP status by RFC 3398, 0 for none.
    pub sip: u16,
    /// SIP status that Asterisk gives a ringing leg, 0 if not measured.
    pub asterisk: u16,
    /// Cause to set on the other leg before its answer.
    pub set: u8,
    /// Its meaning for the called side.
    pub class: Class,
}

const fn row(cause: u8, name: &'static str, sip: u16, asterisk: u16, set: u8, class: Class) -> Row {
    Row {
        cause,
        name,
        sip,
        asterisk,
        set,
        class,
    }
}

/// Every cause that we know, ascending. One that is not here counts as 0, unknown.
pub const CAUSES: &[Row] = &[
    row(0, "unknown", 0, 603, 42, Unknown),
    row(1, "unallocated number", 404, 404, 1, NotFound),
    row(2, "no route to transit network", 404, 0, 3, NotFound),
    row(3, "no route to destination", 404, 404, 3, NotFound),
    row(16, "normal call clearing", 0, 603, 42, Unknown),
    row(17, "user busy", 486, 486, 17, Busy),
    row(18, "no user responding", 408, 408, 18, NoAnswer),
    row(19, "no answer from user", 480, 480, 19, NoAnswer),
    row(20, "subscriber absent", 480, 480, 3, NotFound),
    row(21, "call rejected", 403, 403, 21, Declined),
    row(22, "number changed", 410, 410, 22, NotFound),
    row(23, "redirection to new destination", 410, 0, 22, Redirected),
    row(25, "exchange routing error", 0, 0, 42, Unreachable),
    row(26, "non-selected user clearing", 404, 0, 3, NotFound),
    row(27, "destination out of order", 502, 502, 27, Unreachable),
    row(28, "invalid number format", 484, 484, 28, BadAddress),
    row(29, "facility rejected", 501, 0, 42, Incompatible),
    row(31, "normal, unspecified", 480, 480, 31, Unreachable),
    row(34, "no circuit available", 503, 503, 42, Congested),
    row(38, "network out of order", 503, 500, 42, Unreachable),
    row(41, "temporary failure", 503, 603, 42, Unknown),
    row(
        42,
        "switching equipment congestion",
        503,
        503,
        42,
        Congested,
    ),
    row(44, "requested circuit not available", 0, 603, 42, Congested),
    row(
        47,
        "resource unavailable, unspecified",
        503,
        603,
        42,
        Congested,
    ),
    row(55, "incoming calls barred within CUG", 403, 0, 21, Declined),
    row(
        57,
        "bearer capability not authorized",
        403,
        603,
        21,
        Declined,
    ),
    row(
        58,
        "bearer capability not presently available",
        503,
        488,
        58,
        Incompatible,
    ),
    row(63, "service or option not available", 0, 603, 42, Congested),
    row(
        65,
        "bearer capability not implemented",
        488,
        603,
        58,
        Incompatible,
    ),
    row(
        70,
        "only restricted digital information",
        488,
        0,
        58,
        Incompatible,
    ),
    row(
        79,
        "service or option not implemented",
        501,
        603,
        58,
        Incompatible,
    ),
    row(87, "user not member of CUG", 403, 0, 21, Declined),
    row(88, "incompatible destination", 503, 603, 58, Incompatible),
    row(102, "recovery on timer expiry", 504, 603, 42, Unknown),
    row(111, "protocol error, unspecified", 500, 603, 42, Unknown),
    row(127, "interworking, unspecified", 500, 500, 42, Unknown),
];

/// SIP status to Q.850.
pub const FROM_SIP: &[(u16, u8)] = &[
    (400, 41),
    (401, 21),
    (402, 21),
    (403, 21),
    (404, 1),
    (405, 63),
    (406, 79),
    (407, 21),
    (408, 102),
    (410, 22),
    (413, 127),
    (414, 127),
    (415, 79),
    (416, 127),
    (420, 127),
    (421, 127),
    (423, 127),
    (480, 18),
    (481, 41),
    (482, 25),
    (483, 25),
    (484, 28),
    (485, 1),
    (486, 17),
    (488, 58),
    (500, 41),
    (501, 79),
    (502, 38),
    (503, 41),
    (504, 102),
    (505, 127),
    (513, 127),
    (600, 17),
    (603, 21),
    (604, 1),
    (606, 58),
];

/// `ReleaseCompleteReason` of H.225.0: its number (position in the ASN.1 choice), its name, its
/// Q.850 cause by H.225.0, and the cause to set on the SIP leg, which is more precise where
/// H.225.0's is a plain "normal".
pub const FROM_H225: &[(u8, &str, u8, u8)] = &[
    (0, "noBandwidth", 34, 42),
    (1, "gatekeeperResources", 47, 42),
    (2, "unreachableDestination", 3, 3),
    (3, "destinationRejection", 16, 21),
    (4, "invalidRevision", 88, 58),
    (5, "noPermission", 127, 21),
    (6, "unreachableGatekeeper", 38, 42),
    (7, "gatewayResources", 42, 42),
    (8, "badFormatAddress", 28, 28),
    (9, "adaptiveBusy", 41, 17),
    (10, "inConf", 17, 17),
    (11, "undefinedReason", 31, 42),
    (12, "facilityCallDeflection", 16, 42),
    (13, "securityDenied", 31, 21),
    (14, "calledPartyNotRegistered", 20, 3),
    (15, "callerNotRegistered", 31, 21),
    (16, "newConnectionNeeded", 47, 42),
];
