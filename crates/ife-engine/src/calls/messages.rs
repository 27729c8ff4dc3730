//! The messages between agents and the experts of one call, within bounds.

use crate::view::{CallMessage, MessageState};

/// Messages that a call keeps.
const MESSAGES_MAX: usize = 400;
/// Bytes of their contents; the oldest lose theirs first.
const CONTENTS_LEN_MAX: usize = 65_536;

/// Messages of a call, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Messages(Vec<CallMessage>);

impl Messages {
    pub(crate) fn all(&self) -> &[CallMessage] {
        &self.0
    }

    /// Adds a message.
    pub(crate) fn add(&mut self, message: CallMessage) {
        if self.0.len() >= MESSAGES_MAX {
            self.0.remove(0);
        }
        self.0.push(message);
        let mut len = 0;
        for message in self.0.iter_mut().rev() {
            len += message.message.as_ref().map_or(0, |_| message.size);
            if len > CONTENTS_LEN_MAX {
                message.message = None;
            }
        }
    }

    /// Notes that the newest message of this id was shown to the expert.
    pub(crate) fn shown(&mut self, id: &str) {
        let mut newest_first = self.0.iter_mut().rev();
        let sent =
            |message: &&mut CallMessage| message.id == id && message.state == MessageState::Sent;
        if let Some(message) = newest_first.find(sent) {
            message.state = MessageState::Shown;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, size: usize) -> CallMessage {
        CallMessage {
            id: id.to_owned(),
            direction: "to_expert".to_owned(),
            time: String::new(),
            state: MessageState::Sent,
            size,
            sha256: String::new(),
            message: Some(serde_json::json!({})),
        }
    }

    #[test]
    fn the_newest_contents_are_kept() {
        let mut messages = Messages::default();
        for number in 0..5 {
            messages.add(message(&number.to_string(), 16_384));
        }
        messages.add(message("5", 1));
        let kept: Vec<_> = messages
            .all()
            .iter()
            .map(|one| one.message.is_some())
            .collect();
        assert_eq!(kept, [false, false, true, true, true, true]);
        for _ in 0..MESSAGES_MAX {
            messages.add(message("more", 1));
        }
        assert_eq!(messages.all().len(), MESSAGES_MAX);
        assert_eq!(messages.all()[0].id, "more");
    }

    #[test]
    fn a_message_is_shown_by_its_id_the_newest_first() {
        let mut messages = Messages::default();
        for id in ["1-1", "1-2", "1-1"] {
            messages.add(message(id, 1));
        }
        messages.shown("1-1");
        messages.shown("9-9");
        let states: Vec<_> = messages
            .all()
            .iter()
            .map(|one| one.state.as_str())
            .collect();
        assert_eq!(states, ["sent", "sent", "shown"]);
    }
}
