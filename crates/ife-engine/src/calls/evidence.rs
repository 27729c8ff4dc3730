//! A call's evidence: links for the expert and for guardians, and how their sessions stand.

use super::Slot;
use crate::{
    command::GuardianLink,
    context::Context,
    record::Origin,
    shell::About,
    time::Now,
    view::{EvidenceError, EvidenceState},
};

/// Errors that a call shows: one for each file that can be named, and as many later ones.
const EVIDENCE_ERRORS_MAX: usize = 128;
/// Guardians of one call who have links.
const GUARDIANS_MAX: usize = 32;

impl Slot {
    /// Makes a new link to the evidence for the expert who is called next. The link of an earlier
    /// expert ends with this.
    pub(super) fn offer_evidence(&mut self, cx: &mut Context) {
        match self.record.origin {
            Origin::Escalation => {}
            Origin::Expert => return,
        }
        let link = cx.shell.offer_evidence(self.about(cx));
        if link.is_some() {
            self.evidence = EvidenceState::Offered;
        }
        self.evidence_link = link;
    }

    /// Makes a link to the evidence for a guardian; `None` where the call has none.
    pub(crate) fn offer_to_guardian(
        &mut self,
        cx: &mut Context,
        guardian: &str,
    ) -> Option<GuardianLink> {
        let is_known = self.guardians.contains_key(guardian);
        let has_room = is_known || self.guardians.len() < GUARDIANS_MAX;
        if self.evidence == EvidenceState::None || !has_room {
            return None;
        }
        let about = About {
            guardian: Some(guardian.to_owned()),
            accepts_here: false,
            ..self.about(cx)
        };
        let (call_id, trace_id) = (about.call_id.clone(), about.trace_id.clone());
        let evidence_link = cx.shell.offer_evidence(about)?;
        self.guardians
            .entry(guardian.to_owned())
            .or_insert(EvidenceState::Offered);
        self.publish(cx);
        Some(GuardianLink {
            call_id,
            trace_id,
            evidence_link,
        })
    }

    /// Notes how the evidence session of the expert stands, or of a guardian.
    pub(crate) fn on_evidence(
        &mut self,
        cx: &mut Context,
        guardian: Option<&str>,
        state: Option<EvidenceState>,
        detail: &str,
        errors: Vec<EvidenceError>,
    ) {
        match guardian {
            None => self.note_evidence(cx.now, state, detail, errors),
            Some(name) => self.note_guardian_evidence(cx.now, name, state, detail),
        }
        self.publish(cx);
    }

    /// Notes how the call's evidence stands.
    fn note_evidence(
        &mut self,
        now: Now,
        state: Option<EvidenceState>,
        detail: &str,
        errors: Vec<EvidenceError>,
    ) {
        self.step(now, format!("evidence {detail}"));
        let room = EVIDENCE_ERRORS_MAX.saturating_sub(self.evidence_errors.len());
        self.evidence_errors.extend(errors.into_iter().take(room));
        if let Some(state) = state {
            self.evidence = state;
        }
        match self.evidence {
            // A link works once.
            EvidenceState::Open | EvidenceState::Verified => self.evidence_link = None,
            EvidenceState::None | EvidenceState::Offered | EvidenceState::Failed => {}
        }
    }

    /// Notes how the evidence session of a guardian stands. It changes nothing of the call's own.
    fn note_guardian_evidence(
        &mut self,
        now: Now,
        guardian: &str,
        state: Option<EvidenceState>,
        detail: &str,
    ) {
        self.step(now, format!("evidence of guardian {guardian}: {detail}"));
        match state {
            None => {}
            // An unused link is gone; the result of a used one stays.
            Some(EvidenceState::None) => {
                let is_unused = self.guardians.get(guardian) == Some(&EvidenceState::Offered);
                if is_unused {
                    self.guardians.remove(guardian);
                }
            }
            Some(EvidenceState::Offered) => {
                self.guardians
                    .entry(guardian.to_owned())
                    .or_insert(EvidenceState::Offered);
            }
            Some(state) => {
                self.guardians.insert(guardian.to_owned(), state);
            }
        }
    }
}
