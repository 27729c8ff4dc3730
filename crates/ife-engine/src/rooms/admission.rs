//! Guardians who ask to join a room.

use std::collections::BTreeMap;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ife_ami::value::RoomName;
use ife_message::{PublicKey, json};
use ife_witness::entry::Event as Entry;
use ife_words::time;

use super::{Rooms, room_name};
use crate::{
    calls::Calls,
    command::{Admission, GuardianAdmission, TIMESTAMP_WINDOW_S},
    context::Context,
    refusal::Refusal,
    shell::Fact,
};

/// Most bandwidth that a terminal may ask for, bit/s.
const BANDWIDTH_BPS_MAX: u64 = 10_000_000;

/// Rooms that admissions are noted for until they end.
const ROOMS_MAX: usize = 1_000;

/// Bandwidth of guardians who were admitted, bit/s, by room and name.
#[derive(Debug, Default)]
pub(super) struct Admissions(BTreeMap<RoomName, BTreeMap<String, u64>>);

ife_words::words! {
    /// The reason that a guardian may not join, in the words of the interface contract.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Reject {
        InvalidSignature = "INVALID_SIGNATURE",
        NotRegistered = "NOT_REGISTERED",
        PiiPolicyViolation = "PII_POLICY_VIOLATION",
        BandwidthExceeded = "BANDWIDTH_EXCEEDED",
        CapacityExceeded = "CAPACITY_EXCEEDED",
        GatekeeperError = "GATEKEEPER_ERROR",
    }
}

/// Circumstances of an admission besides the request.
#[derive(Debug, Clone, Copy)]
struct Circumstances<'a> {
    now_unix_s: u64,
    /// The configured key of the terminal; `None` when there is no such terminal, or it has no key.
    public_key: Option<&'a str>,
    /// Bandwidth granted to others in the room.
    granted_bps: u64,
    room_bps_max: u64,
    participants: usize,
    participants_max: usize,
    gateway_up: bool,
}

impl Admissions {
    /// Bandwidth granted to others in a room.
    fn granted_bps(&self, room: &RoomName, terminal: &str) -> u64 {
        let granted = self.0.get(room).into_iter().flatten();
        let others = granted.filter(|(name, _)| *name != terminal);
        others.map(|(_, bps)| bps).sum()
    }

    fn is_full(&self) -> bool {
        self.0.len() >= ROOMS_MAX
    }

    fn grant(&mut self, room: RoomName, terminal: String, bps: u64) {
        self.0.entry(room).or_default().insert(terminal, bps);
    }

    pub(super) fn forget(&mut self, room: &RoomName) {
        self.0.remove(room);
    }
}

impl Rooms {
    pub(crate) fn admit(
        &mut self,
        cx: &mut Context,
        calls: &Calls,
        request: &GuardianAdmission,
    ) -> Result<Admission, Refusal> {
        let room = room_name("call_id", &request.call_id)?;
        if !["ROUTINE", "ESCALATE", "EMERGENCY"].contains(&request.call_type.as_str()) {
            return Err(Refusal::field(
                "call_type",
                "must be ROUTINE, ESCALATE or EMERGENCY",
            ));
        }
        let mut guardians = cx.settings.guardians.iter();
        let guardian = guardians.find(|guardian| guardian.name == request.terminal_id);
        let circumstances = Circumstances {
            now_unix_s: cx.now.unix_s(),
            public_key: guardian.and_then(|guardian| guardian.public_key.as_deref()),
            granted_bps: self.admissions.granted_bps(&room, &request.terminal_id),
            room_bps_max: cx.settings.bandwidth_bps_max,
            participants: if self.admissions.is_full() {
                usize::MAX
            } else {
                self.members(cx, calls, &room).len()
            },
            participants_max: usize::try_from(cx.settings.limits.council_max).unwrap_or(usize::MAX),
            gateway_up: cx.is_connected(),
        };
        let is_known = guardian.is_some();
        let reject = judge(request, &circumstances).err();
        let reason = reject.map(Reject::as_str);
        // The name of a terminal that is not configured is any text: it stays out of the log.
        let (guardian, detail) = if is_known {
            (Some(request.terminal_id.as_str()), "")
        } else {
            (None, "a terminal that is not configured")
        };
        let fact = Fact {
            approved: Some(reject.is_none()),
            reason,
            guardian,
            ..Fact::new(Entry::Admission, detail)
        };
        self.witness(cx, &room, fact);
        if reject.is_none() {
            let terminal = request.terminal_id.clone();
            self.admissions.grant(room, terminal, request.bandwidth_bps);
        }
        Ok(Admission {
            confirmed: reject.is_none(),
            reject_reason: reason.map(str::to_owned),
        })
    }
}

/// Whether the terminal may join.
fn judge(request: &GuardianAdmission, now: &Circumstances<'_>) -> Result<(), Reject> {
    verify(request).ok_or(Reject::InvalidSignature)?;
    let is_fresh = time::parse_s(&request.timestamp)
        .is_some_and(|sent_s| sent_s.abs_diff(now.now_unix_s) <= TIMESTAMP_WINDOW_S);
    if !is_fresh {
        return Err(Reject::InvalidSignature);
    }
    if now.public_key != Some(request.public_key.as_str()) {
        return Err(Reject::NotRegistered);
    }
    if request.has_pii && request.call_type == "ESCALATE" {
        return Err(Reject::PiiPolicyViolation);
    }
    let total = now.granted_bps.saturating_add(request.bandwidth_bps);
    if request.bandwidth_bps > BANDWIDTH_BPS_MAX || total > now.room_bps_max {
        return Err(Reject::BandwidthExceeded);
    }
    if now.participants >= now.participants_max {
        return Err(Reject::CapacityExceeded);
    }
    if !now.gateway_up {
        return Err(Reject::GatekeeperError);
    }
    Ok(())
}

/// The signature is by the key that the request names.
fn verify(request: &GuardianAdmission) -> Option<()> {
    let key: PublicKey = request.public_key.parse().ok()?;
    let text = request.signature.trim_end_matches('=');
    let bytes = STANDARD
        .decode(&request.signature)
        .or_else(|_| URL_SAFE_NO_PAD.decode(text));
    let signature: [u8; 64] = bytes.ok()?.try_into().ok()?;
    key.verify_strict(&signed_bytes(request)?, &signature).ok()
}

/// The JCS form of the request without `signature`.
fn signed_bytes(request: &GuardianAdmission) -> Option<Vec<u8>> {
    let mut value = serde_json::to_value(request).ok()?;
    value.as_object_mut()?.remove("signature");
    json::canonical(&value).ok()
}

#[cfg(test)]
mod tests {
    use ife_message::PrivateKey;

    use super::*;

    const NOW: u64 = 1_790_000_000;

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from_seed("guardian", &[seed; 32]).expect("a name")
    }

    fn request(change: impl Fn(&mut GuardianAdmission)) -> GuardianAdmission {
        let mut request = GuardianAdmission {
            terminal_id: "guardian-1".into(),
            call_id: "council".into(),
            call_type: "ESCALATE".into(),
            bandwidth_bps: 1_000_000,
            has_pii: false,
            timestamp: "2026-09-21T14:13:20Z".into(),
            signature: String::new(),
            public_key: key(1).public_key().to_string(),
        };
        change(&mut request);
        let bytes = signed_bytes(&request).expect("it has a canonical form");
        request.signature = STANDARD.encode(key(1).sign(&bytes));
        request
    }

    #[test]
    fn each_reason_is_given() {
        let registered = key(1).public_key().to_string();
        let good = Circumstances {
            now_unix_s: NOW,
            public_key: Some(&registered),
            granted_bps: 8_000_000,
            room_bps_max: 9_000_000,
            participants: 24,
            participants_max: 25,
            gateway_up: true,
        };
        let plain = request(|_| {});
        let mut forged = plain.clone();
        forged.bandwidth_bps = 5;
        let cases = [
            (plain.clone(), good, Ok(())),
            (forged, good, Err(Reject::InvalidSignature)),
            (
                plain.clone(),
                Circumstances {
                    now_unix_s: NOW + 301,
                    ..good
                },
                Err(Reject::InvalidSignature),
            ),
            (
                plain.clone(),
                Circumstances {
                    public_key: None,
                    ..good
                },
                Err(Reject::NotRegistered),
            ),
            (
                request(|r| r.has_pii = true),
                good,
                Err(Reject::PiiPolicyViolation),
            ),
            (
                request(|r| (r.has_pii, r.call_type) = (true, "EMERGENCY".into())),
                good,
                Ok(()),
            ),
            (
                request(|r| r.bandwidth_bps = 1_000_001),
                good,
                Err(Reject::BandwidthExceeded),
            ),
            (
                request(|r| r.bandwidth_bps = 10_000_001),
                Circumstances {
                    granted_bps: 0,
                    room_bps_max: u64::MAX,
                    ..good
                },
                Err(Reject::BandwidthExceeded),
            ),
            (
                plain.clone(),
                Circumstances {
                    participants: 25,
                    ..good
                },
                Err(Reject::CapacityExceeded),
            ),
            (
                plain,
                Circumstances {
                    gateway_up: false,
                    ..good
                },
                Err(Reject::GatekeeperError),
            ),
        ];
        for (request, circumstances, wanted) in cases {
            assert_eq!(judge(&request, &circumstances), wanted, "{request:?}");
        }
    }
}
