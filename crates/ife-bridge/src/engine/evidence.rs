//! What the engine has to do with evidence: a link for each expert who is called, and what the evidence server tells of it.

use super::{CallId, Engine};
use crate::{
    evidence::{About, EvidenceDesk},
    store::Origin,
    view::{Event, EvidenceError},
};

/// Errors that a call tells of: one for each file that can be named, and as many later ones.
const ERRORS_MAX: usize = 128;

impl Engine {
    /// Gives the experts of calls links to their evidence. Calls that were taken over keep theirs.
    #[must_use]
    pub fn with_evidence(mut self, desk: EvidenceDesk) -> Engine {
        let live = self.calls.values().filter(|slot| slot.is_live());
        desk.keep(live.map(|slot| slot.record.call_id.clone()).collect());
        self.evidence = Some(desk);
        self
    }

    /// A new link for the expert who is called next. One that an earlier expert got ends with this.
    pub(super) fn offer_evidence(&mut self, id: &CallId) {
        let (Some(desk), Some(slot)) = (&self.evidence, self.calls.get_mut(id)) else {
            return;
        };
        if slot.record.origin != Origin::Escalation {
            return;
        }
        let council = self.gate.caller().to_string();
        let message = slot.record.message.as_ref();
        slot.evidence_link = desk.offer(About {
            call_id: slot.record.call_id.clone(),
            trace_id: slot.record.trace_id.clone(),
            hazard: slot.record.hazard.clone(),
            expert_id: slot
                .call
                .expert()
                .map(ToString::to_string)
                .unwrap_or_default(),
            caller: message.map_or_else(|| council.clone(), |message| message.source.clone()),
            council,
            files: slot.record.evidence_files.clone(),
        });
        if slot.evidence_link.is_some() {
            slot.evidence = "offered".to_owned();
        }
    }

    pub(super) fn on_evidence(
        &mut self,
        call_id: &str,
        state: Option<String>,
        detail: &str,
        errors: Vec<EvidenceError>,
    ) {
        let Some(slot) = self.calls.get_mut(call_id) else {
            return;
        };
        slot.step(format!("evidence {detail}"));
        let room = ERRORS_MAX.saturating_sub(slot.evidence_errors.len());
        slot.evidence_errors.extend(errors.into_iter().take(room));
        if let Some(state) = state {
            slot.evidence = state;
        }
        if matches!(slot.evidence.as_str(), "open" | "verified") {
            // Used: it lets nobody in any more.
            slot.evidence_link = None;
        }
        let view = slot.view(&self.council);
        // Nobody may be listening.
        let _ = self.events.send(Event::Call(Box::new(view)));
    }
}
