//! Calls that this process did not begin: those of an earlier one, found again by the store and by
//! the names of Asterisk's channels, and those of experts who call in.

use ife_ami::value::Uniqueid;
use ife_call::{ExpertId, Input, Seen};
use ife_message::{Aor, Briefing, Hazard, TraceId, escalate};
use tracing::{info, warn};

use crate::{
    Engine,
    calls::{CallId, Ours, RECORD, Slot, record_of},
    context::Asked,
    record::{CallRecord, Line, Origin},
};

/// Channel variable of the dialplan with the caller and the subject of an expert's call.
const INCOMING: &str = "IFE_IN";

impl Engine {
    /// Takes over a call. It is unknown until Asterisk is connected.
    pub(crate) fn adopt(&mut self, record: CallRecord) -> CallId {
        let slot = Slot::adopt(&self.cx, record);
        let id = slot.id().clone();
        self.calls.insert(slot);
        self.work(&id);
        id
    }

    /// Finds the legs of calls among Asterisk's channels. A channel of this bridge whose call has
    /// ended is hung up, one whose call is not known is asked for it.
    pub(crate) fn take_over(&mut self) {
        let channels = self.cx.model.channels();
        let channels: Vec<_> = channels.map(|known| known.channel.clone()).collect();
        for channel in &channels {
            let channel = &channel.uniqueid;
            let Some(Ours::Expert { call_id, attempt }) = self.cx.names.parse(channel) else {
                continue;
            };
            match self.calls.get_mut(&call_id) {
                None if self.cx.ledger.ended(&call_id).is_some() => {
                    self.cx.end_channel(channel.clone());
                }
                None => {
                    if self.sight.ask(channel) {
                        let asked = Asked::Stray(channel.clone());
                        self.cx.ask_variable(channel, RECORD, asked);
                    }
                }
                // The store was written before the last expert was called.
                Some(slot) if attempt > slot.attempt() && slot.is_live() => {
                    slot.raise_attempt(&self.cx, attempt);
                    let id = slot.id().clone();
                    self.work(&id);
                }
                Some(_) => {}
            }
        }
        for channel in &channels {
            self.calls.settle_place(&self.cx, channel);
        }
    }

    /// Takes over the call of a channel that names its call, or ends the channel.
    pub(crate) fn adopt_stray(&mut self, channel: &Uniqueid, value: &[u8]) {
        let record = record_of(value).filter(|record| !self.calls.contains(&record.call_id));
        let Some(record) = record else {
            warn!("a channel of an unknown call is ended");
            return self.cx.end_channel(channel.clone());
        };
        info!(call_id = %record.call_id, "a call is taken over from Asterisk alone");
        self.cx.remember(&Line::Call(Box::new(record.clone())));
        let id = self.adopt(record);
        self.take_over();
        self.compare(&id, false);
    }

    /// Asks an expert's channel for its call.
    pub(crate) fn ask_incoming(&mut self, channel: &Uniqueid) {
        self.sight.ask(channel);
        let asked = Asked::Incoming(channel.clone());
        self.cx.ask_variable(channel, INCOMING, asked);
    }

    /// Follows an expert's call, which Kamailio's gate has let in: `<trace id> <hazard> <caller>`.
    pub(crate) fn expert_calls_in(&mut self, channel: &Uniqueid, about: &[u8]) {
        let is_gone = self.cx.model.channel(channel).is_none();
        if is_gone || self.calls.place(channel).is_some() {
            return;
        }
        let Some(record) = self.incoming_record(channel, about) else {
            warn!("an expert's call says nothing that can be read, it is not followed");
            let (rooms, cx, calls) = (&mut self.rooms, &mut self.cx, &self.calls);
            return rooms.set_unreadable(cx, calls, channel);
        };
        if self.calls.contains(&record.call_id) {
            return;
        }
        self.cx.remember(&Line::Call(Box::new(record.clone())));
        let slot = Slot::begin(&self.cx, record, None);
        let id = slot.id().clone();
        self.calls.insert(slot);
        self.work(&id);
        self.catch_up(&id);
    }

    /// Gives a call what its channel did before the call was known.
    fn catch_up(&mut self, id: &CallId) {
        let slot = self.calls.get(id);
        let views = slot.map(|slot| slot.leg_views(&self.cx.model));
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
        let expert = self.cx.gate.expert_at(&caller);
        let expert = expert.unwrap_or_else(|| caller.as_str().to_owned());
        Some(CallRecord {
            call_id: self.incoming_id(&trace_id, channel)?.into(),
            origin: Origin::Expert,
            trace_id,
            hazard,
            experts: vec![ExpertId::from(expert.as_str())],
            attempt: 0,
            room: self.cx.settings.default_room.clone(),
            started_ms: self.cx.now.unix_ms,
            briefing: Briefing::default(),
            evidence_files: Vec::new(),
            channel: Some(channel.clone()),
            message: None,
            takes: None,
            signature: None,
        })
    }

    /// The id by the trace id. An expert who calls back about an escalation brings its trace id
    /// along: then the id is by trace id and channel.
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

/// Reads the caller's address out of the name-addr that the dialplan wrote with `URIENCODE`. An
/// older dialplan wrote the bare URI, whose colon is not escaped.
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
