//! A call as the API and the events show it.

use ife_call::{Backend, FailReason, Reported, State};
use ife_words::time::of_ms;

use super::Slot;
use crate::{
    context::Context,
    record::Origin,
    time::Now,
    view::{CallDetail, CallState, CallView, Event},
};

impl Slot {
    /// From answer to end, or to now.
    pub(crate) fn duration_ms(&self, now: Now) -> u64 {
        let end = self.ended_ms.unwrap_or(now.unix_ms);
        self.answered_ms
            .map_or(0, |answered| end.saturating_sub(answered))
    }

    fn h323_state(&self) -> CallState {
        match state_of(&self.reported()) {
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

    /// Ends the call's part in the room's H.323 legs. A failure and what was never asked for stay.
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

    pub(crate) fn view(&self, cx: &Context) -> CallView {
        let (reason, cause) = reason_of(self.state());
        CallView {
            call_id: self.record.call_id.clone(),
            origin: match self.record.origin {
                Origin::Escalation => "escalation".to_owned(),
                Origin::Expert => "expert".to_owned(),
            },
            expert_id: self.expert_id().to_owned(),
            expert_name: self.expert_name.clone(),
            sip_call_state: state_of(&self.reported()),
            h323_state: self.h323_state(),
            evidence_state: self.evidence.clone(),
            trace_id: self.record.trace_id.to_string(),
            hazard: self.record.hazard.to_string(),
            council_call_id: self.record.room.to_string(),
            started: of_ms(self.record.started_ms),
            answered: self.answered_ms.map(of_ms),
            ended: self.ended_ms.map(of_ms),
            mcu_participant_id: self.participant.clone(),
            evidence_link: self.evidence_link.clone(),
            evidence_errors: self.evidence_errors.clone(),
            reason,
            cause,
            h323_segment: cx.settings.council.segment().to_owned(),
        }
    }

    pub(crate) fn detail(&self, cx: &Context) -> CallDetail {
        CallDetail {
            call: self.view(cx),
            history: self.history.clone(),
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
