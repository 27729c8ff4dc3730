use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::output::Outcome;
use crate::action::{Action, ActionId};
use crate::wire::{Message, MessageRef, Text};

/// The sender of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    User,
    Login,
    Ping,
    Resync,
}

#[derive(Debug)]
struct Waiting {
    owner: Owner,
    queued_only: bool,
    deadline: Instant,
    /// Rows so far, once the list has begun.
    rows: Option<Vec<Message>>,
    /// The list is over the limit; its rest is dropped.
    too_long: bool,
}

/// Pending actions, by id.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: HashMap<ActionId, Waiting>,
    deadlines: BTreeSet<(Instant, ActionId)>,
}

/// An answered action.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) id: ActionId,
    pub(super) owner: Owner,
    pub(super) outcome: Outcome,
}

impl Pending {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn insert(
        &mut self,
        id: ActionId,
        action: &Action,
        owner: Owner,
        now: Instant,
        wait: Duration,
    ) {
        let queued_only = matches!(action, Action::Originate(_));
        let deadline = now + wait;
        self.deadlines.insert((deadline, id));
        self.waiting.insert(
            id,
            Waiting {
                owner,
                queued_only,
                deadline,
                rows: None,
                too_long: false,
            },
        );
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Processes a response. `None` if it belongs to no pending action or begins a list.
    pub(super) fn response(&mut self, status: &[u8], message: MessageRef<'_>) -> Option<Done> {
        let id = message.first("ActionID").and_then(ActionId::parse)?;
        let waiting = self.waiting.get_mut(&id)?;
        if status.eq_ignore_ascii_case(b"Error") {
            return self.take(
                id,
                Outcome::Error(Text::from(message.first("Message").unwrap_or_default())),
            );
        }
        if is_list_mark(message, b"start") {
            waiting.rows = Some(Vec::new());
            return None;
        }
        let outcome = if waiting.queued_only {
            Outcome::Queued
        } else {
            Outcome::Success(message.to_message())
        };
        self.take(id, outcome)
    }

    /// Processes an event of a pending list: `Ok` if it is one, with the action at the list's end.
    pub(super) fn row(
        &mut self,
        message: MessageRef<'_>,
        rows_max: usize,
    ) -> Result<Option<Done>, ()> {
        let id = message
            .first("ActionID")
            .and_then(ActionId::parse)
            .ok_or(())?;
        let waiting = self.waiting.get_mut(&id).ok_or(())?;
        let rows = waiting.rows.as_mut().ok_or(())?;
        if is_list_mark(message, b"Complete") || is_list_mark(message, b"cancelled") {
            let outcome = if waiting.too_long {
                Outcome::ListTooLong
            } else {
                Outcome::List(std::mem::take(rows))
            };
            return Ok(self.take(id, outcome));
        }
        if rows.len() < rows_max && !waiting.too_long {
            rows.push(message.to_message());
        } else {
            waiting.too_long = true;
            rows.clear();
        }
        Ok(None)
    }

    /// Removes the next expired action.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Done> {
        let (deadline, id) = *self.deadlines.first()?;
        if deadline > now {
            return None;
        }
        self.take(id, Outcome::TimedOut)
    }

    /// Removes the pending action with the oldest deadline.
    pub(super) fn pop_lost(&mut self) -> Option<Done> {
        let (_, id) = *self.deadlines.first()?;
        self.take(id, Outcome::Lost)
    }

    fn take(&mut self, id: ActionId, outcome: Outcome) -> Option<Done> {
        let waiting = self.waiting.remove(&id)?;
        self.deadlines.remove(&(waiting.deadline, id));
        Some(Done {
            id,
            owner: waiting.owner,
            outcome,
        })
    }
}

fn is_list_mark(message: MessageRef<'_>, mark: &[u8]) -> bool {
    message
        .first("EventList")
        .is_some_and(|value| value.eq_ignore_ascii_case(mark))
}
