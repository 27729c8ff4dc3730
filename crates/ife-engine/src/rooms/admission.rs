//! Guardians who ask to join a room. One who is admitted may dial in for a while, and the dialplan
//! lets in no other: the bridge gives it each admission by a global variable of Asterisk,
//!
//! ```text
//! IFE_ADMIT_<ooh323 section>/<h323id> = <Unix s of its end>:<guardian>:<room>
//! ```

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ife_ami::{
    Action,
    session::Outcome,
    value::{GlobalName, RoomName, Uniqueid, VarValue},
};
use ife_call::Backend;
use ife_message::{PublicKey, json};
use ife_witness::entry::Event;
use ife_words::time;
use serde::Serialize;

use super::{Rooms, links, members::witness_member, room_name, witness};
use crate::{
    calls::{Calls, Ours},
    command::{Admission, GuardianAdmission, Reply, TIMESTAMP_WINDOW_S},
    context::{Asked, Context, problem_of},
    record::Line,
    refusal::Refusal,
    roll::{Admitted, Role},
    settings::Guardian,
    shell::Fact,
    timers::Due,
};

/// Most bandwidth that a terminal may ask for, bit/s.
const BANDWIDTH_BPS_MAX: u64 = 10_000_000;

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

impl Rooms {
    pub(crate) fn admit(
        &mut self,
        cx: &mut Context,
        calls: &mut Calls,
        request: &GuardianAdmission,
        reply: Reply<Admission>,
    ) {
        let (room, judged) = match self.judge(cx, calls, request) {
            Ok(judged) => judged,
            Err(refusal) => return reply.respond(Err(refusal)),
        };
        let name = request.terminal_id.as_str();
        if let Err(reject) = judged {
            if reject == Reject::PiiPolicyViolation {
                self.withdraw(cx, name);
            }
            return refuse(cx, &room, name, reject, reply);
        }
        let admitted = Admitted {
            guardian: name.to_owned(),
            room: room.clone(),
            bandwidth_bps: request.bandwidth_bps,
            until_ms: cx.now.unix_ms + cx.settings.admission.as_millis() as u64,
        };
        // It was judged by this time.
        let signed_ns = time::parse_ns(&request.timestamp).unwrap_or_default();
        match cx.settings.council.backend {
            // The MCU lets its members in.
            Backend::Mcu => self.confirm(cx, calls, admitted, signed_ns, reply),
            Backend::Room => {
                let order = order(cx, &admitted).map(|order| cx.submit(&order));
                match order {
                    Some(Ok(id)) => {
                        cx.expect_answer(id, Asked::Admission(admitted, signed_ns, reply));
                    }
                    Some(Err(_)) | None => {
                        refuse(cx, &room, name, Reject::GatekeeperError, reply);
                    }
                }
            }
        }
    }

    /// The answer of Asterisk, which knows the admission or does not.
    pub(crate) fn on_admission(
        &mut self,
        cx: &mut Context,
        calls: &mut Calls,
        (admitted, signed_ns): (Admitted, u64),
        outcome: &Outcome,
        reply: Reply<Admission>,
    ) {
        if problem_of(outcome).is_none() {
            return self.confirm(cx, calls, admitted, signed_ns, reply);
        }
        let (room, name) = (admitted.room, admitted.guardian);
        refuse(cx, &room, &name, Reject::GatekeeperError, reply);
    }

    fn confirm(
        &mut self,
        cx: &mut Context,
        calls: &mut Calls,
        admitted: Admitted,
        signed_ns: u64,
        reply: Reply<Admission>,
    ) {
        let fact = Fact {
            approved: Some(true),
            guardian: Some(&admitted.guardian),
            ..Fact::new(Event::Admission, "")
        };
        witness(cx, &admitted.room, fact);
        let earlier = cx.ledger.roll.admission(&admitted.guardian);
        if earlier.is_some_and(|earlier| earlier.room != admitted.room) {
            links::end(cx, &admitted.guardian);
        }
        cx.ledger.roll.set_admission(admitted.clone());
        self.time_admission(cx, &admitted);
        cx.remember(&Line::Admitted(admitted.clone()));
        let evidence = self.links(cx, calls, &admitted, signed_ns);
        reply.respond(Ok(Admission {
            confirmed: true,
            reject_reason: None,
            evidence,
        }));
    }

    fn judge(
        &self,
        cx: &Context,
        calls: &Calls,
        request: &GuardianAdmission,
    ) -> Result<(RoomName, Result<(), Reject>), Refusal> {
        let room = room_name("call_id", &request.call_id)?;
        if !["ROUTINE", "ESCALATE", "EMERGENCY"].contains(&request.call_type.as_str()) {
            return Err(Refusal::field(
                "call_type",
                "must be ROUTINE, ESCALATE or EMERGENCY",
            ));
        }
        let guardian = guardian(cx, &request.terminal_id);
        let roll = &cx.ledger.roll;
        let others = roll
            .admissions()
            .filter(|other| other.room == room && other.guardian != request.terminal_id);
        let circumstances = Circumstances {
            now_unix_s: cx.now.unix_s(),
            public_key: guardian.and_then(|guardian| guardian.public_key.as_deref()),
            granted_bps: others.map(|other| other.bandwidth_bps).sum(),
            room_bps_max: cx.settings.bandwidth_bps_max,
            participants: self.members(cx, calls, &room).len(),
            participants_max: usize::try_from(cx.settings.limits.council_max).unwrap_or(usize::MAX),
            gateway_up: cx.is_connected(),
        };
        Ok((room, judge(request, &circumstances)))
    }

    /// Withdraws a guardian's admission with its links, and puts the terminal that came by it out
    /// of the room.
    fn withdraw(&mut self, cx: &mut Context, name: &str) {
        links::end(cx, name);
        let Some(mut admitted) = cx.ledger.roll.admission(name).cloned() else {
            return;
        };
        admitted.until_ms = 0;
        cx.ledger.roll.set_admission(admitted.clone());
        cx.remember(&Line::Admitted(admitted));
        self.tell_admissions(cx);
        let members = cx.ledger.roll.members();
        let theirs = members.filter(|member| member.role == Role::Guardian && member.name == name);
        let dialled_in = theirs.filter(|member| !is_called(cx, &member.channel));
        for member in dialled_in.cloned().collect::<Vec<_>>() {
            let reason = Reject::PiiPolicyViolation.as_str();
            witness_member(cx, &member, Event::Remove, Some(reason), "");
            cx.end_channel(member.channel);
        }
    }

    /// Sends to Asterisk how unknown parties are treated, and every admission; drops those that are
    /// over.
    pub(crate) fn tell_admissions(&mut self, cx: &mut Context) {
        match cx.settings.council.backend {
            Backend::Room => {}
            Backend::Mcu => return,
        }
        let policy = cx.settings.unknown_parties.as_str();
        if let (Ok(name), Ok(value)) = (GlobalName::parse("IFE_UNKNOWN"), VarValue::parse(policy)) {
            // The next connection sends it again.
            let _ = cx.ask(&Action::SetGlobal { name, value }, Asked::Nothing);
        }
        let all: Vec<Admitted> = cx.ledger.roll.admissions().cloned().collect();
        for admitted in all {
            if let Some(order) = order(cx, &admitted) {
                let _ = cx.ask(&order, Asked::Nothing);
            }
            if is_live(cx, &admitted) {
                self.time_admission(cx, &admitted);
            } else {
                self.drop_if_over(cx, &admitted.guardian);
            }
        }
    }

    fn time_admission(&mut self, cx: &mut Context, admitted: &Admitted) {
        let left_ms = admitted.until_ms.saturating_sub(cx.now.unix_ms);
        let guardian = admitted.guardian.clone();
        let after = std::time::Duration::from_millis(left_ms + 1);
        let key = cx.after(after, Due::Admission(guardian.clone()));
        if let Some(replaced) = self.admission_ends.insert(guardian, key) {
            cx.timers.remove(replaced);
        }
    }

    /// The time of an admission is over: the terminal may not dial in any more.
    pub(crate) fn admission_over(&mut self, cx: &mut Context, guardian: &str) {
        self.admission_ends.remove(guardian);
        let admitted = cx.ledger.roll.admission(guardian).cloned();
        if let Some(order) = admitted.and_then(|admitted| order(cx, &admitted)) {
            // The dialplan knows its time.
            let _ = cx.ask(&order, Asked::Nothing);
        }
        self.drop_if_over(cx, guardian);
    }

    /// Drops an admission whose time is over and whose terminal is not in a room: its bandwidth is
    /// free again.
    pub(super) fn drop_if_over(&mut self, cx: &mut Context, guardian: &str) {
        let is_in =
            |member: &crate::roll::Member| member.role == Role::Guardian && member.name == guardian;
        let roll = &cx.ledger.roll;
        let is_over = roll
            .admission(guardian)
            .is_some_and(|own| !is_live(cx, own));
        if is_over && !roll.members().any(is_in) {
            cx.ledger.roll.drop_admission(guardian);
            links::lapse(cx, guardian);
        }
    }
}

pub(super) fn guardian<'a>(cx: &'a Context, name: &str) -> Option<&'a Guardian> {
    let mut guardians = cx.settings.guardians.iter();
    guardians.find(|guardian| guardian.name == name)
}

pub(super) fn is_live(cx: &Context, admitted: &Admitted) -> bool {
    admitted.until_ms > cx.now.unix_ms
}

/// Whether this bridge has called the guardian whose channel it is.
fn is_called(cx: &Context, channel: &Uniqueid) -> bool {
    match cx.names.parse(channel) {
        Some(Ours::Guardian { .. }) => true,
        Some(Ours::Expert { .. } | Ours::Far) | None => false,
    }
}

/// The order that gives Asterisk an admission, or its end; `None` for a guardian who cannot dial
/// in.
fn order(cx: &Context, admitted: &Admitted) -> Option<Action> {
    let guardian = guardian(cx, &admitted.guardian)?;
    let (section, h323_id) = (guardian.section()?, guardian.h323_id());
    let name = GlobalName::parse(format!("IFE_ADMIT_{section}/{h323_id}")).ok()?;
    let value = if is_live(cx, admitted) {
        let until_s = admitted.until_ms / 1_000;
        format!("{until_s}:{}:{}", admitted.guardian, admitted.room)
    } else {
        String::new()
    };
    let value = VarValue::parse(value).ok()?;
    Some(Action::SetGlobal { name, value })
}

fn refuse(cx: &mut Context, room: &RoomName, name: &str, reject: Reject, reply: Reply<Admission>) {
    // The name of a terminal that is not configured is any text: it stays out of the log.
    let (guardian, detail) = match guardian(cx, name) {
        Some(_) => (Some(name), ""),
        None => (None, "a terminal that is not configured"),
    };
    let reason = reject.as_str();
    let fact = Fact {
        approved: Some(false),
        reason: Some(reason),
        guardian,
        ..Fact::new(Event::Admission, detail)
    };
    witness(cx, room, fact);
    reply.respond(Ok(Admission {
        confirmed: false,
        reject_reason: Some(reason.to_owned()),
        evidence: Vec::new(),
    }));
}

/// Whether the terminal may join.
fn judge(request: &GuardianAdmission, now: &Circumstances<'_>) -> Result<(), Reject> {
    is_signed(request, &request.public_key, &request.signature).ok_or(Reject::InvalidSignature)?;
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
pub(super) fn is_signed(request: &impl Serialize, public_key: &str, signature: &str) -> Option<()> {
    let key: PublicKey = public_key.parse().ok()?;
    let text = signature.trim_end_matches('=');
    let bytes = STANDARD
        .decode(signature)
        .or_else(|_| URL_SAFE_NO_PAD.decode(text));
    let signature: [u8; 64] = bytes.ok()?.try_into().ok()?;
    key.verify_strict(&signed_bytes(request)?, &signature).ok()
}

/// The JCS form of the request without `signature`.
fn signed_bytes(request: &impl Serialize) -> Option<Vec<u8>> {
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
        let but = |change: &dyn Fn(&mut Circumstances<'_>)| {
            let mut circumstances = good;
            change(&mut circumstances);
            circumstances
        };
        let late = but(&|c| c.now_unix_s = NOW + 301);
        let unknown = but(&|c| c.public_key = None);
        let unlimited = but(&|c| (c.granted_bps, c.room_bps_max) = (0, u64::MAX));
        let full = but(&|c| c.participants = 25);
        let down = but(&|c| c.gateway_up = false);
        let pii = request(|r| r.has_pii = true);
        let emergency = request(|r| (r.has_pii, r.call_type) = (true, "EMERGENCY".into()));
        let wide = |bandwidth_bps| request(|r| r.bandwidth_bps = bandwidth_bps);
        let cases = [
            (plain.clone(), good, Ok(())),
            (forged, good, Err(Reject::InvalidSignature)),
            (plain.clone(), late, Err(Reject::InvalidSignature)),
            (plain.clone(), unknown, Err(Reject::NotRegistered)),
            (pii, good, Err(Reject::PiiPolicyViolation)),
            (emergency, good, Ok(())),
            (wide(1_000_001), good, Err(Reject::BandwidthExceeded)),
            (wide(10_000_001), unlimited, Err(Reject::BandwidthExceeded)),
            (plain.clone(), full, Err(Reject::CapacityExceeded)),
            (plain, down, Err(Reject::GatekeeperError)),
        ];
        for (request, circumstances, wanted) in cases {
            assert_eq!(judge(&request, &circumstances), wanted, "{request:?}");
        }
    }
}
