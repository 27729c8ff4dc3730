//! Links of guardians to the evidence. A guardian has one for each call of the room of its
//! admission; it is answered to the guardian's signed request alone, and ends with the admission.

use std::collections::BTreeMap;

use ife_ami::value::RoomName;
use ife_call::Backend;
use ife_words::time;

use super::{
    Rooms,
    admission::{guardian, is_live, is_signed},
    room_name,
};
use crate::{
    calls::Calls,
    command::{GuardianEvidence, GuardianLink, GuardianLinks, TIMESTAMP_WINDOW_S},
    context::Context,
    refusal::{ErrorName, Refusal},
    roll::{Admitted, Member, Role},
};

/// Times of the guardians' requests: a request that was seen on its way gives no link to its copy.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Signed times of the last requests that were answered with links, Unix nanoseconds.
    asked_ns: BTreeMap<String, u64>,
    /// The oldest time of a first request, Unix seconds.
    began_s: u64,
}

impl Links {
    /// Of a process that begins at that time.
    pub(super) fn from(began_s: u64) -> Links {
        Links {
            asked_ns: BTreeMap::new(),
            began_s,
        }
    }

    /// Takes a request's time. False unless it is later than that of each request before it, and
    /// none of an earlier process.
    fn take(&mut self, guardian: &str, signed_ns: u64) -> bool {
        let is_new = match self.asked_ns.get(guardian) {
            Some(last) => signed_ns > *last,
            None => signed_ns / 1_000_000_000 >= self.began_s,
        };
        if is_new {
            self.asked_ns.insert(guardian.to_owned(), signed_ns);
        }
        is_new
    }
}

impl Rooms {
    /// Answers a guardian who asks for links to the evidence of calls that came after the
    /// admission, or for new ones.
    pub(crate) fn give_links(
        &mut self,
        cx: &mut Context,
        calls: &mut Calls,
        request: &GuardianEvidence,
    ) -> Result<GuardianLinks, Refusal> {
        let room = room_name("call_id", &request.call_id)?;
        let name = request.terminal_id.as_str();
        let signed_ns = check(cx, request)?;
        let own = cx.ledger.roll.admission(name);
        if !own.is_some_and(|own| own.room == room && holds(cx, own)) {
            return Err(Refusal::new(
                ErrorName::NotFound,
                "the guardian has no admission to that room in force; ask for one first",
            ));
        }
        if !self.links.take(name, signed_ns) {
            return Err(Refusal::field(
                "timestamp",
                "must be later than that of the request before it",
            ));
        }
        let evidence = offer(cx, calls, name, &room);
        Ok(GuardianLinks { evidence })
    }

    /// Links for a guardian whose admission is confirmed; none to the copy of an earlier request.
    pub(super) fn links(
        &mut self,
        cx: &mut Context,
        calls: &mut Calls,
        admitted: &Admitted,
        signed_ns: u64,
    ) -> Vec<GuardianLink> {
        if self.links.take(&admitted.guardian, signed_ns) {
            offer(cx, calls, &admitted.guardian, &admitted.room)
        } else {
            Vec::new()
        }
    }
}

fn offer(cx: &mut Context, calls: &mut Calls, name: &str, room: &RoomName) -> Vec<GuardianLink> {
    let calls = calls.live_in_mut(room);
    calls
        .filter_map(|slot| slot.offer_to_guardian(cx, name))
        .collect()
}

/// Whether an admission is in force: the terminal may dial in, or is in the room.
fn holds(cx: &Context, own: &Admitted) -> bool {
    let is_in = |member: &Member| {
        member.role == Role::Guardian && member.name == own.guardian && member.room == own.room
    };
    let roll = &cx.ledger.roll;
    own.until_ms > 0 && (is_live(cx, own) || roll.members().any(is_in))
}

/// Checks who signed a request; returns its time, Unix nanoseconds.
fn check(cx: &Context, request: &GuardianEvidence) -> Result<u64, Refusal> {
    let known = guardian(cx, &request.terminal_id);
    let key = known.and_then(|known| known.public_key.as_deref());
    let is_own = key == Some(request.public_key.as_str());
    if !is_own || is_signed(request, &request.public_key, &request.signature).is_none() {
        return Err(Refusal::new(
            ErrorName::InvalidSignature,
            "the request is not signed by the configured key of that guardian",
        ));
    }
    let signed_ns = time::parse_ns(&request.timestamp);
    let is_fresh = |ns: &u64| (ns / 1_000_000_000).abs_diff(cx.now.unix_s()) <= TIMESTAMP_WINDOW_S;
    signed_ns
        .filter(is_fresh)
        .ok_or_else(|| Refusal::field("timestamp", "must be a time of the last 300 s"))
}

/// Ends the links of a guardian whose admission is over.
pub(super) fn end(cx: &mut Context, guardian: &str) {
    cx.shell.end_evidence(guardian);
}

/// Ends the links of a guardian whose time to dial in has passed and who is in no room. An MCU lets
/// its members in by itself: there the bridge knows of no absence, and links last as the calls do.
pub(super) fn lapse(cx: &mut Context, guardian: &str) {
    match cx.settings.council.backend {
        Backend::Room => end(cx, guardian),
        Backend::Mcu => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_a_request_gives_no_links() {
        let s = 1_000_000_000;
        let mut links = Links::from(100);
        for (guardian, signed_ns, is_taken) in [
            ("a", 100 * s - 1, false),
            ("a", 100 * s, true),
            ("a", 100 * s, false),
            ("a", 99 * s, false),
            ("a", 100 * s + 1, true),
            // Another guardian's clock is another.
            ("b", 100 * s, true),
        ] {
            assert_eq!(
                links.take(guardian, signed_ns),
                is_taken,
                "{guardian} {signed_ns}"
            );
        }
    }
}
