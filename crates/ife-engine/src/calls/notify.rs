//! Notifies the expert of a call beside the phone, and notes the end of each notification.

use ife_witness::entry::Event;

use super::{Calls, Slot};
use crate::{
    context::Context,
    notice::{Notice, Notified, Outcome},
    shell::{Fact, Measure},
};

impl Slot {
    /// Orders the notifications that the registry has for the expert who is called. Those of an
    /// expert before are given up. The call goes on whether or not they arrive.
    pub(super) fn notify(&mut self, cx: &mut Context) {
        cx.shell.withdraw(&self.record.call_id);
        let expert = cx.gate.expert(self.expert_id());
        let channels = expert.map_or_else(Vec::new, |expert| expert.notify.clone());
        if channels.is_empty() {
            return;
        }
        let notice = Notice {
            about: self.about(cx),
            attempt: self.attempt(),
            link: self.evidence_link.clone(),
            at_ms: cx.now.unix_ms,
            channels,
        };
        if !cx.shell.notify(notice.clone()) {
            for channel in &notice.channels {
                self.notified(cx, &Notified::of(&notice, channel, Outcome::Busy, 0));
            }
        }
    }

    fn notified(&mut self, cx: &mut Context, notified: &Notified) {
        let Notified {
            expert_id,
            channel,
            outcome,
            tries,
            ..
        } = notified;
        let step = format!("NOTIFIED {expert_id} by {channel}: {outcome}, tries={tries}");
        self.step(cx.now, step);
        witness(cx, notified);
    }
}

impl Calls {
    /// Notes the end of a notification, also of a call that is forgotten.
    pub(crate) fn notified(&mut self, cx: &mut Context, notified: &Notified) {
        match self.get_mut(&notified.call_id) {
            Some(slot) => slot.notified(cx, notified),
            None => witness(cx, notified),
        }
    }
}

fn witness(cx: &mut Context, notified: &Notified) {
    let (channel, outcome) = (notified.channel, notified.outcome.as_str());
    cx.shell.measure(Measure::Notified { channel, outcome });
    let detail = format!("tries={}", notified.tries);
    cx.witness(&Fact {
        trace_id: Some(&notified.trace_id),
        call_id: Some(&notified.call_id),
        hazard: Some(&notified.hazard),
        expert: Some(&notified.expert_id),
        attempt: Some(notified.attempt),
        channel: Some(channel),
        outcome: Some(outcome),
        ..Fact::new(Event::Notified, &detail)
    });
}
