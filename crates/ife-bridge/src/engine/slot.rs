//! One call as the engine keeps it: the machine, its legs' channels, and what is told of it.

use std::time::Instant;

use ife_ami::{Model, event::ChannelState, value::Uniqueid};
use ife_call::{Backend, Call, Cause, FailReason, Leg, LegView, Reported, State, TimerKind};
use ife_guard::CallKey;
use ife_words::time;

use super::timers;
use crate::{
    clock,
    council::Council,
    gate::Pass,
    store::{CallRecord, Origin},
    view::{CallDetail, CallState, CallView, EvidenceError, Step},
};

/// Steps that a call's history keeps; the first ones and the newest.
const HISTORY_MAX: usize = 64;
const TIMER_KINDS: usize = 7;

/// The channels of one attempt to reach an expert.
#[derive(Debug, Clone, Default)]
pub(super) struct ExpertLeg {
    pub(super) channel: Option<Uniqueid>,
    /// The SIP channel behind a Local one.
    pub(super) sip: Option<Uniqueid>,
    /// Cause of the SIP channel's end, known before that of the Local one.
    pub(super) sip_cause: Option<Cause>,
    /// Cause of the Local channel's end, kept back until the SIP channel has told its own, and the timer that bounds the
    /// wait.
    pub(super) held_end: Option<(Cause, timers::Key)>,
    pub(super) quota: Option<CallKey>,
    /// What the gate let pass, until the call is placed.
    pub(super) pass: Option<Pass>,
}

/// A move to another room: the old one is left meanwhile, which is no end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moving {
    pub(super) to: String,
    pub(super) timer: timers::Key,
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) record: CallRecord,
    pub(super) call: Call,
    pub(super) expert_name: String,
    pub(super) legs: Vec<ExpertLeg>,
    /// The H.323 leg to an MCU.
    pub(super) mcu: Option<Uniqueid>,
    /// State of the H.323 leg, or of the H.323 legs of the room's guardians, as last measured.
    pub(super) h323: CallState,
    pub(super) history: Vec<Step>,
    pub(super) answered_ms: Option<u64>,
    pub(super) ended_ms: Option<u64>,
    pub(super) participant: Option<String>,
    pub(super) evidence: String,
    pub(super) evidence_link: Option<String>,
    pub(super) evidence_errors: Vec<EvidenceError>,
    /// The decision could not be witnessed, so there must be no call.
    pub(super) unwitnessed: bool,
    /// Time of the last signature, Unix seconds.
    pub(super) last_iat: u64,
    pub(super) timers: [Option<timers::Key>; TIMER_KINDS],
    pub(super) moving: Option<Moving>,
    /// When it was asked for, of a call that was not taken over.
    pub(super) asked_at: Option<Instant>,
    pub(super) rang: bool,
    /// Taken over, and not yet compared with what Asterisk holds.
    pub(super) unseen: bool,
}

impl Slot {
    pub(super) fn new(record: CallRecord, call: Call, expert_name: String) -> Slot {
        Slot {
            record,
            call,
            expert_name,
            legs: Vec::new(),
            mcu: None,
            h323: CallState::Received,
            history: Vec::new(),
            answered_ms: None,
            ended_ms: None,
            participant: None,
            evidence: "none".to_owned(),
            evidence_link: None,
            evidence_errors: Vec::new(),
            unwitnessed: false,
            last_iat: 0,
            timers: [None; TIMER_KINDS],
            moving: None,
            asked_at: None,
            rang: false,
            unseen: false,
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

    /// The channel to hang up or to join.
    pub(super) fn channel(&self, leg: Leg) -> Option<&Uniqueid> {
        match leg {
            Leg::Expert(attempt) => self.legs.get(usize::from(attempt))?.channel.as_ref(),
            Leg::Council => self.mcu.as_ref(),
        }
    }

    /// The phone's own channel of a leg.
    pub(super) fn phone(&self, leg: Leg) -> Option<&Uniqueid> {
        match leg {
            Leg::Expert(attempt) => self.legs.get(usize::from(attempt))?.sip.as_ref(),
            Leg::Council => None,
        }
    }

    /// The channel of the expert who is being called or talked to.
    pub(super) fn expert_channel(&self) -> Option<&Uniqueid> {
        self.channel(Leg::Expert(self.call.attempt()))
    }

    /// Whether it has not ended.
    pub(super) fn is_live(&self) -> bool {
        !self.call.is_final()
    }

    pub(super) fn timer_mut(&mut self, kind: TimerKind) -> &mut Option<timers::Key> {
        // `TimerKind` has as many values as there are places; a test counts them.
        &mut self.timers[kind as usize]
    }

    /// Notes a step of the history.
    pub(super) fn step(&mut self, detail: String) {
        if self.history.len() >= HISTORY_MAX {
            self.history.remove(HISTORY_MAX / 2);
        }
        self.history.push(Step {
            time: time::of_ms(clock::unix_ms()),
            state: state_of(&self.call.reported()),
            detail,
        });
    }

    /// What Asterisk holds of this call's legs.
    pub(super) fn leg_views(&self, model: &Model) -> Vec<LegView> {
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
                joined: known.room.is_some() || self.moving.is_some(),
            })
        });
        let mcu = self.mcu.as_ref().and_then(|id| model.channel(id));
        let mcu = mcu.map(|known| LegView {
            leg: Leg::Council,
            ringing: model.is_ringing(&known.channel.uniqueid),
            up: known.channel.state == ChannelState::Up,
            joined: false,
        });
        experts.chain(mcu).collect()
    }

    /// From answer to end, or to now.
    pub(super) fn duration_ms(&self) -> u64 {
        let end = self.ended_ms.unwrap_or_else(clock::unix_ms);
        self.answered_ms
            .map_or(0, |answered| end.saturating_sub(answered))
    }

    fn h323_state(&self) -> CallState {
        match state_of(&self.call.reported()) {
            CallState::Unknown => CallState::Unknown,
            // Before the answer nothing of the council is asked for.
            CallState::Received
            | CallState::Approved
            | CallState::Inviting
            | CallState::Ringing
            | CallState::Answered
                if self.call.plan().backend == Backend::Room =>
            {
                CallState::Received
            }
            CallState::Received
            | CallState::Approved
            | CallState::Inviting
            | CallState::Ringing
            | CallState::Answered
            | CallState::Bridging
            | CallState::Connected
            | CallState::Ending
            | CallState::Ended
            | CallState::Failed => self.h323,
        }
    }

    /// The call is over, and with it what it had of the room's H.323 legs. A failure and what was never asked for stay so.
    pub(super) fn settle_h323(&mut self) {
        if self.call.plan().backend == Backend::Room {
            self.h323 = match self.h323 {
                state @ (CallState::Received | CallState::Failed | CallState::Ended) => state,
                CallState::Approved
                | CallState::Inviting
                | CallState::Ringing
                | CallState::Answered
                | CallState::Bridging
                | CallState::Connected
                | CallState::Ending
                | CallState::Unknown => CallState::Ended,
            };
        }
    }

    pub(super) fn view(&self, council: &Council) -> CallView {
        let (reason, cause) = reason_of(self.call.state());
        let time = |ms: u64| time::of_ms(ms);
        CallView {
            call_id: self.record.call_id.clone(),
            origin: match self.record.origin {
                Origin::Escalation => "escalation".to_owned(),
                Origin::Expert => "expert".to_owned(),
            },
            expert_id: self
                .call
                .expert()
                .map(ToString::to_string)
                .unwrap_or_default(),
            expert_name: self.expert_name.clone(),
            sip_call_state: state_of(&self.call.reported()),
            h323_state: self.h323_state(),
            evidence_state: self.evidence.clone(),
            trace_id: self.record.trace_id.clone(),
            hazard: self.record.hazard.clone(),
            council_call_id: self.record.room.clone(),
            started: time(self.record.started_ms),
            answered: self.answered_ms.map(time),
            ended: self.ended_ms.map(time),
            mcu_participant_id: self.participant.clone(),
            evidence_link: self.evidence_link.clone(),
            evidence_errors: self.evidence_errors.clone(),
            reason,
            cause,
            h323_segment: council.segment().to_owned(),
        }
    }

    pub(super) fn detail(&self, council: &Council) -> CallDetail {
        CallDetail {
            call: self.view(council),
            history: self.history.clone(),
        }
    }
}

/// The state as the API tells it.
pub(super) fn state_of(reported: &Reported) -> CallState {
    let state = match reported {
        Reported::Unknown(_) => return CallState::Unknown,
        Reported::Known(state) => state,
    };
    match state {
        State::Received => CallState::Received,
        State::Approved => CallState::Approved,
        State::Inviting => CallState::Inviting,
        State::Ringing => CallState::Ringing,
        State::Answered => CallState::Answered,
        State::Bridging => CallState::Bridging,
        State::Connected => CallState::Connected,
        State::Ending => CallState::Ending,
        State::Ended(_) => CallState::Ended,
        State::Failed(_) => CallState::Failed,
    }
}

fn reason_of(state: &State) -> (Option<String>, Option<u16>) {
    match state {
        State::Ended(reason) => (Some(reason.to_string()), Some(16)),
        State::Failed(reason) => {
            let cause = match reason {
                FailReason::Expert { cause, .. } | FailReason::Council { cause, .. } => {
                    Some(u16::from(cause.value()))
                }
                FailReason::NoExpert
                | FailReason::Refused { .. }
                | FailReason::GateTimeout
                | FailReason::ExpertLeftEarly
                | FailReason::CouncilTimeout
                | FailReason::Unseen
                | FailReason::GatewayDown
                | FailReason::GatewayLost
                | FailReason::GatewayRestarted
                | FailReason::HangupUnconfirmed => None,
            };
            (Some(reason.to_string()), cause)
        }
        State::Received
        | State::Approved
        | State::Inviting
        | State::Ringing
        | State::Answered
        | State::Bridging
        | State::Connected
        | State::Ending => (None, None),
    }
}
