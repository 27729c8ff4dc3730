//! Calls that this process did not begin: those of an earlier one, found again by the store and by the names of Asterisk's channels, and those of
//! experts who call in.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ife_ami::{
    Action,
    value::{Uniqueid, Variable},
};
use ife_call::{Call, Cause, Direction, ExpertId, Input, Leg, Plan, Policy, Seen};
use ife_message::{Aor, Hazard, TraceId, escalate};
use tracing::{info, warn};

use super::{
    CallId, Engine,
    answers::Asked,
    legs::{Ours, Part},
    slot::Slot,
};
use crate::{
    clock,
    store::{CallRecord, Line, Origin},
};

/// Channel variable that says what a call is, should the store not know it.
const RECORD: &str = "IFE_RECORD";
/// Channel variable of the dialplan that says who calls in about what.
const INCOMING: &str = "IFE_IN";

impl Engine {
    /// Takes up the calls that had not ended when the last process did. They are unknown until Asterisk is in sight.
    pub(super) fn adopt_stored(&mut self, live: Vec<CallRecord>) {
        for record in live {
            info!(call_id = %record.call_id, "a call of an earlier process is taken over");
            self.adopt(record);
        }
    }

    fn adopt(&mut self, record: CallRecord) -> CallId {
        let id: CallId = record.call_id.as_str().into();
        let call = Call::adopt(self.plan_of(&record), record.attempt);
        let expert = call.expert().map(ToString::to_string).unwrap_or_default();
        let mut slot = Slot::new(record, call, self.expert_name(&expert));
        slot.step("taken over".to_owned());
        slot.unseen = true;
        if let Some(channel) = &slot.record.channel
            && let Ok(channel) = Uniqueid::parse(channel)
        {
            slot.leg_mut(0).channel = Some(channel.clone());
            self.legs
                .add(channel, id.clone(), Leg::Expert(0), Part::Primary);
        }
        self.calls.insert(id.clone(), slot);
        self.drain(&id);
        id
    }

    /// No expert is called that was not called before.
    fn plan_of(&self, record: &CallRecord) -> Plan {
        self.plan_with(record, usize::from(record.attempt) + 1)
    }

    /// With the first so many of the call's experts.
    pub(super) fn plan_with(&self, record: &CallRecord, experts_max: usize) -> Plan {
        let experts = record.experts.iter().take(experts_max);
        Plan {
            direction: match record.origin {
                Origin::Escalation => Direction::ToExpert,
                Origin::Expert => Direction::ToCouncil,
            },
            backend: self.council.proof(),
            experts: experts
                .map(|expert| ExpertId::from(expert.as_str()))
                .collect(),
            policy: self.policy_for(record.experts.first()),
        }
    }

    /// The waits of a call, as long as the registry lets this expert talk.
    pub(super) fn policy_for(&self, expert: Option<&String>) -> Policy {
        let known = expert.and_then(|id| self.gate.expert(id));
        let mut policy = self.limits.policy;
        if let Some(expert) = known {
            policy.call_max = std::time::Duration::from_secs(expert.quota.max_call_s.into());
        }
        policy
    }

    /// Finds the legs of calls among Asterisk's channels. A channel of ours whose call is over is hung up, one whose call nobody knows is asked.
    pub(super) fn take_over(&mut self) {
        let channels: Vec<_> = self
            .model
            .channels()
            .map(|known| known.channel.clone())
            .collect();
        for channel in &channels {
            let Some(Ours::Expert { call_id, attempt }) = self.names.parse(&channel.uniqueid)
            else {
                continue;
            };
            let id: CallId = call_id.as_str().into();
            let known = self.calls.get(&id).map(|slot| slot.call.attempt());
            match known {
                None if self.ledger.ended(&call_id).is_some() => self.end_stray(&channel.uniqueid),
                None => {
                    if self.incoming_asked.insert(channel.uniqueid.clone()) {
                        self.ask_variable(
                            &channel.uniqueid,
                            RECORD,
                            Asked::Stray(channel.uniqueid.clone()),
                        );
                    }
                }
                // The store was written before the last expert was called.
                Some(last) if attempt > last => self.raise_attempt(&id, attempt),
                Some(_) => {}
            }
        }
        for channel in &channels {
            self.settle_place(channel);
        }
    }

    fn raise_attempt(&mut self, id: &CallId, attempt: u8) {
        let Some(mut record) = self.calls.get(id).map(|slot| slot.record.clone()) else {
            return;
        };
        record.attempt = attempt;
        let call = Call::adopt(self.plan_of(&record), attempt);
        if let Some(slot) = self.calls.get_mut(id) {
            (slot.record, slot.call, slot.unseen) = (record, call, true);
        }
        self.drain(id);
    }

    fn end_stray(&mut self, channel: &Uniqueid) {
        let channel = channel.clone();
        let cause = Cause::NORMAL.value();
        if let Ok(asked) = self.ami.submit(&Action::Hangup { channel, cause }) {
            self.asked.insert(asked, Asked::Nothing);
        }
    }

    /// What a call takes along for a process that finds its channel and nothing in the store. Left out when it does not fit.
    pub(super) fn takeover_variable(&self, id: &CallId, attempt: u8) -> Option<Variable> {
        let mut record = self.calls.get(id)?.record.clone();
        record.attempt = attempt;
        record.evidence_files.clear();
        record.message = None;
        record.takes = None;
        record.signature = None;
        let json = serde_json::to_vec(&record).ok()?;
        Variable::channel(RECORD, URL_SAFE_NO_PAD.encode(json)).ok()
    }

    /// A channel of ours that no call claims: it says itself what it is, or it is ended.
    pub(super) fn adopt_stray(&mut self, channel: &Uniqueid, value: &[u8]) {
        let record = URL_SAFE_NO_PAD.decode(value).ok();
        let record = record.and_then(|json| serde_json::from_slice::<CallRecord>(&json).ok());
        let Some(record) =
            record.filter(|record| !self.calls.contains_key(record.call_id.as_str()))
        else {
            warn!("a channel of an unknown call is ended");
            return self.end_stray(channel);
        };
        info!(call_id = %record.call_id, "a call is taken over from Asterisk alone");
        self.remember(&Line::Call(record.clone()));
        let id = self.adopt(record);
        self.take_over();
        self.compare(&id, false);
    }

    /// Asks an expert's channel what it is about.
    pub(super) fn ask_incoming(&mut self, channel: &Uniqueid) {
        self.incoming_asked.insert(channel.clone());
        self.ask_variable(channel, INCOMING, Asked::Incoming(channel.clone()));
    }

    /// An expert has called, and Kamailio's gate has let them in: `<trace id> <hazard> <caller>`.
    pub(super) fn expert_calls_in(&mut self, channel: &Uniqueid, about: &[u8]) {
        if self.legs.place(channel).is_some() || self.model.channel(channel).is_none() {
            return;
        }
        let Some(record) = self.incoming_record(channel, about) else {
            warn!("an expert's call says nothing that can be read, it is not followed");
            return;
        };
        let id: CallId = record.call_id.as_str().into();
        if self.calls.contains_key(&id) {
            return;
        }
        self.remember(&Line::Call(record.clone()));
        let plan = self.plan_of(&record);
        let expert = record.experts.first().cloned().unwrap_or_default();
        let mut slot = Slot::new(record, Call::new(plan), self.expert_name(&expert));
        slot.leg_mut(0).channel = Some(channel.clone());
        self.calls.insert(id.clone(), slot);
        self.legs
            .add(channel.clone(), id.clone(), Leg::Expert(0), Part::Primary);
        self.drain(&id);
        self.catch_up(&id);
    }

    /// What the channel did before its call was known.
    fn catch_up(&mut self, id: &CallId) {
        let views = self.calls.get(id).map(|slot| slot.leg_views(&self.model));
        for view in views.unwrap_or_default() {
            if view.up {
                self.feed(id, Input::Leg(view.leg, Seen::Up));
            }
            if view.joined {
                self.feed(id, Input::Joined(view.leg));
            }
        }
    }

    fn incoming_record(&self, channel: &Uniqueid, about: &[u8]) -> Option<CallRecord> {
        let text = std::str::from_utf8(about).ok()?;
        let mut words = text.split(' ');
        let trace_id = TraceId::parse(words.next()?.as_bytes()).ok()?;
        let hazard = Hazard::parse(words.next()?.as_bytes()).ok()?;
        let caller = caller_of(words.next()?)?;
        let expert = self.gate.expert_at(&caller);
        let expert = expert.unwrap_or_else(|| caller.as_str().to_owned());
        Some(CallRecord {
            call_id: self.incoming_id(&trace_id, channel)?,
            origin: Origin::Expert,
            trace_id: trace_id.as_str().to_owned(),
            hazard: hazard.as_str().to_owned(),
            experts: vec![expert],
            attempt: 0,
            room: self.default_room.clone(),
            started_ms: clock::unix_ms(),
            evidence_files: Vec::new(),
            channel: Some(channel.as_str().to_owned()),
            message: None,
            takes: None,
            signature: None,
        })
    }

    /// By the trace id. An expert who calls back about an escalation brings its trace id along: then by trace id and channel.
    fn incoming_id(&self, trace_id: &TraceId, channel: &Uniqueid) -> Option<String> {
        let id = escalate::call_id(trace_id);
        if !self.is_call_known(&id) {
            return Some(id);
        }
        let both = format!("{}:{channel}", trace_id.as_str());
        let tail = both.len().saturating_sub(TraceId::MAX_LEN);
        let both = TraceId::parse(both.get(tail..)?.as_bytes()).ok()?;
        Some(escalate::call_id(&both))
    }
}

/// The caller's address, out of the name-addr that the dialplan wrote with `URIENCODE`. An older dialplan wrote the bare
/// URI, whose colon is not escaped.
fn caller_of(word: &str) -> Option<Aor> {
    if word.starts_with("sip:") || word.starts_with("sips:") {
        return Aor::parse(word.as_bytes()).ok();
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(word.len()), word);
    while let Some((plain, escaped)) = rest.split_once('%') {
        bytes.extend_from_slice(plain.as_bytes());
        let (digits, tail) = escaped.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = tail;
    }
    bytes.extend_from_slice(rest.as_bytes());
    // Asterisk writes the quotes of a display name with backslashes, which no parser takes for
    // quotes. A URI has no `<`, so the last one begins the address.
    let address = bytes.iter().rposition(|byte| *byte == b'<').unwrap_or(0);
    Aor::parse(&bytes[address..]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_is_read_out_of_a_name_addr() {
        let cases = [
            ("sip:a@external.advisor", Some("sip:a@external.advisor")),
            (
                "%22Duty%20Desk%22%20%3Csip%3Aa%40External.Advisor%3Buser%3Dphone%3E",
                Some("sip:a@external.advisor"),
            ),
            (
                "%3Csip%3A%2B4930123%40external.advisor%3E%3Btag%3D1",
                Some("sip:+4930123@external.advisor"),
            ),
            (
                "%22%3Csip%3Aevil%40x%3E%22%20%3Csip%3Aa%40external.advisor%3E",
                Some("sip:a@external.advisor"),
            ),
            (
                "%5C%22Duty%20Desk%5C%22%20%3Csip%3Aa%40external.advisor%3E",
                Some("sip:a@external.advisor"),
            ),
            ("%3Csip%3Aa%40b", None),
            ("%zz", None),
            ("%2", None),
            ("", None),
        ];
        for (word, wanted) in cases {
            let aor = caller_of(word);
            assert_eq!(aor.as_ref().map(Aor::as_str), wanted, "{word}");
        }
    }
}
