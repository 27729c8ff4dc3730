//! One call as the engine keeps it: the machine, its legs' channels, and its history.

use std::{collections::BTreeMap, time::Instant};

use ife_ami::{
    Model,
    event::ChannelState,
    value::{RoomName, Uniqueid},
};
use ife_call::{
    Acceptance, Call, Cause, Direction, ExpertId, Input, Leg, LegView, Plan, Reported, Seen, State,
    Witnessed,
};
use ife_guard::CallKey;
use ife_words::time::of_ms;

use super::{CallId, Part, messages::Messages, moving::Moving};
use crate::{
    context::Context,
    council::acceptance_of,
    gate::Pass,
    record::{CallRecord, Origin},
    time::Now,
    timers,
    view::{CallState, EvidenceError, EvidenceState, Step},
};

/// Steps that a call's history keeps; the first ones and the newest.
const HISTORY_MAX: usize = 64;
const TIMER_KINDS: usize = 8;

/// The channels of one attempt to reach an expert.
#[derive(Debug, Clone, Default)]
pub(super) struct ExpertLeg {
    pub(super) channel: Option<Uniqueid>,
    /// The SIP channel behind a Local one.
    pub(super) sip: Option<Uniqueid>,
    /// Cause of the SIP channel's end, known before that of the Local one.
    pub(super) sip_cause: Option<Cause>,
    /// Cause of the Local channel's end, kept back until the SIP channel's own is known, and the
    /// timer that bounds the wait.
    pub(super) held_end: Option<(Cause, timers::Key)>,
    pub(super) quota: Option<CallKey>,
    /// The gate's pass, until the call is placed.
    pub(super) pass: Option<Pass>,
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub(super) record: CallRecord,
    pub(super) call: Call,
    pub(super) expert_name: String,
    pub(super) legs: Vec<ExpertLeg>,
    /// The H.323 leg to an MCU.
    mcu: Option<Uniqueid>,
    /// State of the H.323 leg, or of the H.323 legs of the room's guardians, as last measured.
    pub(super) h323: CallState,
    pub(super) history: Vec<Step>,
    pub(crate) messages: Messages,
    pub(super) answered_ms: Option<u64>,
    pub(super) ended_ms: Option<u64>,
    pub(super) participant: Option<String>,
    pub(super) evidence: EvidenceState,
    pub(super) evidence_link: Option<String>,
    pub(super) evidence_errors: Vec<EvidenceError>,
    /// Evidence sessions of guardians, by name.
    pub(super) guardians: BTreeMap<String, EvidenceState>,
    /// The decision could not be witnessed, so there must be no call.
    pub(super) unwitnessed: bool,
    /// Time of the last signature, Unix seconds.
    pub(super) last_iat: u64,
    pub(super) timers: [Option<timers::Key>; TIMER_KINDS],
    pub(super) moving: Option<Moving>,
    /// When a call that was not taken over was asked for.
    pub(super) asked_at: Option<Instant>,
    pub(super) rang: bool,
}

impl Slot {
    fn blank(cx: &Context, record: CallRecord, call: Call) -> Slot {
        let mut slot = Slot {
            expert_name: cx.expert_name(call.expert().map_or("", ExpertId::as_str)),
            record,
            call,
            legs: Vec::new(),
            mcu: None,
            h323: CallState::Received,
            history: Vec::new(),
            messages: Messages::default(),
            answered_ms: None,
            ended_ms: None,
            participant: None,
            evidence: EvidenceState::None,
            evidence_link: None,
            evidence_errors: Vec::new(),
            guardians: BTreeMap::new(),
            unwitnessed: false,
            last_iat: 0,
            timers: [None; TIMER_KINDS],
            moving: None,
            asked_at: None,
            rang: false,
        };
        if let Some(channel) = slot.record.channel.clone() {
            slot.leg_mut(0).channel = Some(channel);
        }
        slot
    }

    /// A new call, asked for at `asked_at` unless an expert called in.
    pub(crate) fn begin(cx: &Context, record: CallRecord, asked_at: Option<Instant>) -> Slot {
        let plan = plan(cx, &record, record.experts.len());
        let mut slot = Slot::blank(cx, record, Call::new(plan));
        slot.asked_at = asked_at;
        slot
    }

    /// A call of an earlier process. No expert is called who was not called before.
    pub(crate) fn adopt(cx: &Context, record: CallRecord) -> Slot {
        let call = adopted(cx, &record);
        let mut slot = Slot::blank(cx, record, call);
        slot.step(cx.now, "taken over".to_owned());
        slot
    }

    /// The store was written before the last expert was called: a leg shows a later attempt.
    pub(crate) fn raise_attempt(&mut self, cx: &Context, attempt: u8) {
        self.record.attempt = attempt;
        self.call = adopted(cx, &self.record);
    }

    /// Places a call that the earlier process did not place.
    pub(crate) fn place_after_all(&mut self, cx: &mut Context, attempt: u8) {
        let expert = self.record.experts.get(usize::from(attempt));
        self.expert_name = cx.expert_name(expert.map_or("", ExpertId::as_str));
        self.stop_timers(cx);
        let plan = plan(cx, &self.record, self.record.experts.len());
        self.call = Call::begin(plan, attempt);
        self.record.attempt = attempt;
        self.legs.clear();
        self.asked_at = Some(cx.now.at);
        // Of a signature that the earlier process made within this second.
        self.last_iat = cx.now.unix_s();
        self.step(
            cx.now,
            "not placed by the earlier process: placed".to_owned(),
        );
    }

    pub(crate) fn id(&self) -> &CallId {
        &self.record.call_id
    }

    pub(crate) fn record(&self) -> &CallRecord {
        &self.record
    }

    pub(crate) fn room(&self) -> &RoomName {
        &self.record.room
    }

    pub(crate) fn state(&self) -> &State {
        self.call.state()
    }

    pub(crate) fn reported(&self) -> Reported {
        self.call.reported()
    }

    /// Whether it has not ended.
    pub(crate) fn is_live(&self) -> bool {
        self.call.is_live()
    }

    /// Whether it was taken over, has not ended, and was not compared with Asterisk's channels.
    pub(crate) fn is_unseen(&self) -> bool {
        self.call.is_adopted() && self.is_live()
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.answered_ms.is_some()
    }

    /// By which means the expert who was called has accepted.
    pub(crate) fn acceptance(&self) -> Option<Acceptance> {
        self.call.acceptance()
    }

    pub(crate) fn attempt(&self) -> u8 {
        self.call.attempt()
    }

    pub(crate) fn expert_id(&self) -> &str {
        self.call.expert().map_or("", ExpertId::as_str)
    }

    pub(crate) fn direction(&self) -> Direction {
        self.call.plan().direction
    }

    /// Name of the call's place in the council, once it is proved.
    pub(crate) fn participant(&self) -> Option<&String> {
        self.participant.as_ref()
    }

    /// Takes in an observation; [`super::Calls::work`] then carries out the orders that follow.
    pub(crate) fn handle(&mut self, input: Input) {
        let is_event = match input {
            Input::Leg(..) | Input::Joined(_) | Input::Left(_) => true,
            Input::Snapshot { .. }
            | Input::LinkDown
            | Input::Verdict { .. }
            | Input::JoinRefused(_)
            | Input::Timeout(_)
            | Input::UserHangup => false,
        };
        // A call that is taken over learns its state from the first comparison, not from an event
        // that comes before it.
        if !(is_event && self.call.is_adopted()) {
            self.call.handle(input);
        }
    }

    /// The channels of an attempt, made when they are not there yet.
    pub(super) fn leg_mut(&mut self, attempt: u8) -> &mut ExpertLeg {
        let at = usize::from(attempt);
        if self.legs.len() <= at {
            self.legs.resize_with(at + 1, ExpertLeg::default);
        }
        // The vector was made long enough above.
        &mut self.legs[at]
    }

    fn leg(&self, leg: Leg) -> Option<&ExpertLeg> {
        match leg {
            Leg::Expert(attempt) => self.legs.get(usize::from(attempt)),
            Leg::Council => None,
        }
    }

    pub(crate) fn set_channel(&mut self, leg: Leg, part: Part, channel: Uniqueid) {
        match (leg, part) {
            (Leg::Expert(attempt), Part::Primary) => self.leg_mut(attempt).channel = Some(channel),
            (Leg::Expert(attempt), Part::Sip) => self.leg_mut(attempt).sip = Some(channel),
            (Leg::Council, Part::Primary | Part::Sip) => self.mcu = Some(channel),
        }
    }

    /// The channel to hang up or to join.
    pub(crate) fn channel(&self, leg: Leg) -> Option<&Uniqueid> {
        match leg {
            Leg::Expert(_) => self.leg(leg)?.channel.as_ref(),
            Leg::Council => self.mcu.as_ref(),
        }
    }

    /// All channels that the call has or had.
    pub(crate) fn channels(&self) -> impl Iterator<Item = &Uniqueid> {
        let legs = self.legs.iter().flat_map(|leg| [&leg.channel, &leg.sip]);
        legs.chain([&self.mcu]).flatten()
    }

    /// The phone's own channel of a leg.
    pub(super) fn phone(&self, leg: Leg) -> Option<&Uniqueid> {
        self.leg(leg)?.sip.as_ref()
    }

    /// Whether the phone of a leg has its own end still to come, and with it the cause and the
    /// reply.
    pub(crate) fn is_phone_there(&self, model: &Model, leg: Leg) -> bool {
        self.phone(leg)
            .is_some_and(|phone| model.channel(phone).is_some())
    }

    /// The channel of the expert who is being called or talked to.
    pub(crate) fn expert_channel(&self) -> Option<&Uniqueid> {
        self.channel(Leg::Expert(self.call.attempt()))
    }

    /// Notes the state of the H.323 leg to an MCU.
    pub(crate) fn note_mcu(&mut self, cx: &Context, leg: Leg, seen: Seen) {
        match leg {
            Leg::Expert(_) => return,
            Leg::Council => {}
        }
        self.h323 = match seen {
            Seen::There => CallState::Inviting,
            Seen::Ringing => CallState::Ringing,
            Seen::Up => CallState::Connected,
            Seen::Leaving | Seen::Removed | Seen::Lost => CallState::Ending,
            Seen::Gone(_) => CallState::Ended,
            Seen::Briefing
            | Seen::Accepted(_)
            | Seen::NotAccepted(_)
            | Seen::Replied(_)
            | Seen::Untold => return,
        };
        if seen == Seen::Up {
            self.name_participant(cx);
        }
    }

    /// Takes the measured state of the room's H.323 legs. True when it is another one.
    pub(crate) fn set_h323(&mut self, measured: CallState) -> bool {
        std::mem::replace(&mut self.h323, measured) != measured
    }

    /// Names the call's place in the council, once it is proved.
    pub(super) fn name_participant(&mut self, cx: &Context) {
        if let Some(expert) = self.expert_channel() {
            let council = &cx.settings.council;
            self.participant = council.participant(&self.record.room, expert, self.mcu.as_ref());
        }
    }

    pub(crate) fn note_sip_cause(&mut self, leg: Leg, cause: Cause) {
        match leg {
            Leg::Expert(attempt) => self.leg_mut(attempt).sip_cause = Some(cause),
            Leg::Council => {}
        }
    }

    /// A Local channel may end without the cause that the SIP channel behind it had.
    pub(crate) fn better_cause(&self, leg: Leg, cause: Cause) -> Cause {
        let sip = self.leg(leg).and_then(|leg| leg.sip_cause);
        sip.filter(|_| cause.is_unknown()).unwrap_or(cause)
    }

    /// Keeps back the end of a Local channel. Asterisk ends the two channels in no fixed order.
    pub(crate) fn hold_end(&mut self, leg: Leg, cause: Cause, timer: timers::Key) {
        match leg {
            Leg::Expert(attempt) => self.leg_mut(attempt).held_end = Some((cause, timer)),
            Leg::Council => {}
        }
    }

    /// Takes the end that was kept back.
    pub(crate) fn take_held(&mut self, cx: &mut Context, leg: Leg) -> Option<Cause> {
        let Leg::Expert(attempt) = leg else {
            return None;
        };
        let (cause, timer) = self.leg_mut(attempt).held_end.take()?;
        cx.timers.remove(timer);
        Some(cause)
    }

    /// Legs whose ends are kept back.
    pub(crate) fn held(&self) -> impl Iterator<Item = Leg> {
        let legs = (0..=u8::MAX).zip(&self.legs);
        let held = legs.filter(|(_, leg)| leg.held_end.is_some());
        held.map(|(attempt, _)| Leg::Expert(attempt))
    }

    /// Notes a step of the history.
    pub(crate) fn step(&mut self, now: Now, detail: String) {
        self.keep(Step {
            detail,
            ..self.step_at(now)
        });
    }

    /// Notes a step that is in the witness log too.
    pub(super) fn witnessed(&mut self, now: Now, entry: &Witnessed) {
        self.keep(Step {
            detail: entry.to_string(),
            attempt: Some(entry.attempt),
            expert_id: entry.expert.as_ref().map(ToString::to_string),
            ..self.step_at(now)
        });
    }

    fn step_at(&self, now: Now) -> Step {
        Step {
            time: of_ms(now.unix_ms),
            state: super::shown::state_of(&self.call.reported()),
            detail: String::new(),
            attempt: None,
            expert_id: None,
        }
    }

    fn keep(&mut self, step: Step) {
        if self.history.len() >= HISTORY_MAX {
            self.history.remove(HISTORY_MAX / 2);
        }
        self.history.push(step);
    }

    /// The legs of this call that Asterisk holds.
    pub(crate) fn leg_views(&self, model: &Model) -> Vec<LegView> {
        let attempts = (0..=u8::MAX).zip(&self.legs);
        let experts = attempts.filter_map(|(attempt, leg)| {
            let of = |id: &Option<Uniqueid>| id.as_ref().and_then(|id| model.channel(id));
            // A phone that is there without its Local channel has to be ended still.
            let known = of(&leg.channel).or_else(|| of(&leg.sip))?;
            let id = &known.channel.uniqueid;
            let sip_rings = leg.sip.as_ref().is_some_and(|sip| model.is_ringing(sip));
            Some(LegView {
                leg: Leg::Expert(attempt),
                ringing: model.is_ringing(id) || sip_rings,
                up: known.channel.state == ChannelState::Up,
                accepted: acceptance_of(known.channel.context.as_bytes()),
                joined: known.room.is_some() || self.moving.is_some(),
            })
        });
        let mcu = self.mcu.as_ref().and_then(|id| model.channel(id));
        let mcu = mcu.map(|known| LegView {
            leg: Leg::Council,
            ringing: model.is_ringing(&known.channel.uniqueid),
            up: known.channel.state == ChannelState::Up,
            accepted: None,
            joined: false,
        });
        experts.chain(mcu).collect()
    }

    fn stop_timers(&mut self, cx: &mut Context) {
        let timers = self.timers.iter_mut().filter_map(Option::take);
        timers.for_each(|key| cx.timers.remove(key));
    }

    /// Gives back the call's resources, at its end.
    pub(super) fn close(&mut self, cx: &mut Context) {
        self.ended_ms = Some(cx.now.unix_ms);
        self.settle_h323();
        self.stop_timers(cx);
        if let Some(moving) = self.moving.take() {
            cx.timers.remove(moving.timer);
        }
        for key in self.legs.iter_mut().filter_map(|leg| leg.quota.take()) {
            cx.gate.release(&key);
        }
    }
}

/// A plan with the first so many of the call's experts.
fn plan(cx: &Context, record: &CallRecord, experts_max: usize) -> Plan {
    let experts = record.experts.iter().take(experts_max);
    let mut policy = cx.settings.limits.policy;
    let first = record
        .experts
        .first()
        .and_then(|id| cx.gate.expert(id.as_str()));
    if let Some(expert) = first {
        // As long as the registry lets this expert talk.
        policy.call_max = std::time::Duration::from_secs(expert.quota.max_call_s.into());
    }
    Plan {
        direction: match record.origin {
            Origin::Escalation => Direction::ToExpert,
            Origin::Expert => Direction::ToCouncil,
        },
        backend: cx.settings.council.backend,
        experts: experts.cloned().collect(),
        policy,
    }
}

fn adopted(cx: &Context, record: &CallRecord) -> Call {
    let plan = plan(cx, record, usize::from(record.attempt) + 1);
    Call::adopt(plan, record.attempt)
}
