//! Decisions by keys of the expert's phone: `*` and the number of a choice, confirmed by another
//! key (context `ife-decide` of the dialplan).

use std::sync::mpsc::{Receiver, Sender, channel};

use ife_ami::{
    Action,
    value::{Uniqueid, VarName, VarValue},
};

use super::view::choices;
use crate::{
    Engine,
    command::{Reply, Submission},
    context::Asked,
};

/// Channel variable that gives the dialplan the result of a decision: `taken` or `refused`.
const DECIDED: &str = "IFE_DECIDED";

/// What came of the decisions of phones: a channel, and whether its decision was taken.
#[derive(Debug)]
pub(super) struct Phones {
    tell: Sender<(Uniqueid, bool)>,
    told: Receiver<(Uniqueid, bool)>,
}

impl Default for Phones {
    fn default() -> Phones {
        let (tell, told) = channel();
        Phones { tell, told }
    }
}

impl Engine {
    /// Takes a decision that the expert on this channel has confirmed. `number` counts the choices
    /// from 1.
    pub(crate) fn decided_by_phone(&mut self, channel: &Uniqueid, number: &[u8]) {
        let Some(slot) = self.calls.at(channel).map(|(_, slot)| slot) else {
            return;
        };
        let number: Option<usize> = str::from_utf8(number).ok().and_then(|n| n.parse().ok());
        let choices = choices(&slot.view(&self.cx));
        let choice = number.and_then(|number| choices.into_iter().nth(number.checked_sub(1)?));
        let (call_id, tell, on) = (
            slot.id().to_string(),
            self.decisions.phones.tell.clone(),
            channel.clone(),
        );
        let reply = Reply::new(move |result| {
            // The engine, which holds the other end, is the one that answers.
            let _ = tell.send((on, Result::is_ok(&result)));
        });
        match choice {
            Some(choice) => self.decide(Submission::Phone { call_id, choice }, reply),
            None => self.tell_phone(channel, false),
        }
    }

    /// Sends the results of decisions to phones.
    pub(crate) fn tell_phones(&mut self) {
        while let Ok((channel, is_taken)) = self.decisions.phones.told.try_recv() {
            self.tell_phone(&channel, is_taken);
        }
    }

    fn tell_phone(&mut self, channel: &Uniqueid, is_taken: bool) {
        let word = if is_taken { "taken" } else { "refused" };
        let (Ok(name), Ok(value)) = (VarName::parse(DECIDED), VarValue::parse(word)) else {
            return;
        };
        let set = Action::Setvar {
            channel: Some(channel.clone()),
            name,
            value,
        };
        // Of no use to a phone that is gone, or while Asterisk is not connected: the dialplan says
        // then that the decision was not taken, and a decision that was is in the log all the same.
        let _ = self.cx.ask(&set, Asked::Nothing);
    }
}
