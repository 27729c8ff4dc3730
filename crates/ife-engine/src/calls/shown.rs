//! A call as the API and the events show it.

use ife_call::{Backend, EndReason, FailReason, Reported, State};
use ife_words::time::of_ms;

use super::Slot;
use crate::{
    context::Context,
    decisions::{DecisionState, with_decision},
    record::Origin,
    time::Now,
    view::{CallDetail, CallEnd, CallState, CallView, Event, GuardianView},
};

impl Slot {
    /// From answer to end, or to now.
    pub(crate) fn duration_ms(&self, now: Now) -> u64 {
        let end = self.ended_ms.unwrap_or(now.unix_ms);
        self.answered_ms
            .map_or(0, |answered| end.saturating_sub(answered))
    }

    fn h323_state(&self) -> CallState {
        let state = state_of(&self.reported());
        let is_room = self.call.plan().backend == Backend::Room;
        if state == CallState::Unknown {
            CallState::Unknown
        } else if is_room && state < CallState::Bridging {
            // Before the answer nothing of the council is asked for.
            CallState::Received
        } else {
            self.h323
        }
    }

    /// Ends the call's part in the room's H.323 legs. A failure stays, and so does a state without
    /// a request.
    pub(super) fn settle_h323(&mut self) {
        let is_room = self.call.plan().backend == Backend::Room;
        if is_room && self.h323 != CallState::Received && !self.h323.is_over() {
            self.h323 = CallState::Ended;
        }
    }

    pub(crate) fn view(&self, cx: &Context) -> CallView {
        let end = self.state().end();
        let view = CallView {
            call_id: self.record.call_id.to_string(),
            origin: match self.record.origin {
                Origin::Escalation => "escalation".to_owned(),
                Origin::Expert => "expert".to_owned(),
            },
            expert_id: self.expert_id().to_owned(),
            expert_name: self.expert_name.clone(),
            sip_call_state: state_of(&self.reported()),
            h323_state: self.h323_state(),
            evidence_state: self.evidence,
            trace_id: self.record.trace_id.to_string(),
            hazard: self.record.hazard.to_string(),
            call_reason: self.record.briefing.reason.clone(),
            question: self.record.briefing.question.clone(),
            options: self.record.briefing.options.clone(),
            council_call_id: self.record.room.to_string(),
            started: of_ms(self.record.started_ms),
            answered: self.answered_ms.map(of_ms),
            accepted_by: self.acceptance().map(|means| means.to_string()),
            ended: self.ended_ms.map(of_ms),
            mcu_participant_id: self.participant.clone(),
            evidence_link: self.evidence_link.clone(),
            evidence_errors: self.evidence_errors.clone(),
            guardian_evidence: self
                .guardians
                .iter()
                .map(|(guardian, state)| GuardianView {
                    guardian: guardian.clone(),
                    evidence_state: *state,
                })
                .collect(),
            reason: end.map(reason_of),
            end: end.map(end_of),
            cause: end.and_then(cause_of),
            h323_segment: cx.settings.council.segment().to_owned(),
            decision_state: DecisionState::Open,
            decision: None,
        };
        with_decision(cx, view)
    }

    pub(crate) fn detail(&self, cx: &Context) -> CallDetail {
        CallDetail {
            call: self.view(cx),
            history: self.history.clone(),
            decisions: Vec::new(),
            asked: None,
            messages: self.messages.all().to_vec(),
        }
    }

    /// Publishes the call as it is.
    pub(crate) fn publish(&self, cx: &mut Context) {
        let view = Box::new(self.view(cx));
        cx.shell.publish(Event::Call(view));
    }
}

/// The state as the API shows it.
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
        State::Briefing => CallState::Briefing,
        State::Accepted => CallState::Accepted,
        State::Bridging => CallState::Bridging,
        State::Connected => CallState::Connected,
        State::Ending => CallState::Ending,
        State::Ended(_) => CallState::Ended,
        State::Failed(_) => CallState::Failed,
    }
}

fn reason_of(end: Result<EndReason, &FailReason>) -> String {
    end.map_or_else(FailReason::to_string, |reason| reason.to_string())
}

fn end_of(end: Result<EndReason, &FailReason>) -> CallEnd {
    match end {
        Ok(reason) => CallEnd {
            word: reason.to_string(),
            gate: None,
            sip: None,
        },
        Err(reason) => CallEnd {
            word: reason.word(),
            gate: reason.gate().map(|gate| gate.to_string()),
            sip: reason.status_seen(),
        },
    }
}

fn cause_of(end: Result<EndReason, &FailReason>) -> Option<u16> {
    end.map_or_else(
        |reason| reason.leg_cause().map(|cause| cause.value().into()),
        |_| Some(16),
    )
}
