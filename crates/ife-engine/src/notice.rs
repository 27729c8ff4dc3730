//! The notice of a call to an expert, beside the phone: its text, its id, and when it is sent
//! again.

use std::time::Duration;

use ife_guard::registry::Channel;
use ife_words::{hex, time};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::shell::About;

/// Pauses before the second and each later try.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(10),
];

ife_words::words! {
    /// The end of a notification.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum Outcome {
        /// The receiver has taken it.
        Delivered = "delivered",
        /// The receiver refuses it.
        Refused = "refused",
        /// The receiver names another address, which is not followed.
        Redirected = "redirected",
        /// The receiver's address is unknown or takes no connection.
        Unreachable = "unreachable",
        /// The receiver did not answer in time.
        Timeout = "timeout",
        /// The receiver answered that it cannot take it at present.
        Failed = "failed",
        /// The configuration does not allow the receiver's host.
        NotAllowed = "not_allowed",
        /// The configuration lacks the channel, or the secret that the registry names.
        NotConfigured = "not_configured",
        /// Too many notifications are under way.
        Busy = "busy",
        /// The call ended, or went to another expert, before it could be delivered.
        Withdrawn = "withdrawn",
    }
}

impl Outcome {
    /// Whether another try may succeed.
    #[must_use]
    pub fn may_pass(self) -> bool {
        match self {
            Outcome::Unreachable | Outcome::Timeout | Outcome::Failed => true,
            Outcome::Delivered
            | Outcome::Refused
            | Outcome::Redirected
            | Outcome::NotAllowed
            | Outcome::NotConfigured
            | Outcome::Busy
            | Outcome::Withdrawn => false,
        }
    }

    /// The outcome of an HTTP status.
    #[must_use]
    pub fn of_http(status: u16) -> Outcome {
        match status {
            200..=299 => Outcome::Delivered,
            300..=399 => Outcome::Redirected,
            408 | 425 | 429 | 500.. => Outcome::Failed,
            _ => Outcome::Refused,
        }
    }

    /// Returns the pause before the next try, after so many; `None` when this outcome is the last.
    #[must_use]
    pub fn again_after(self, tries: usize) -> Option<Duration> {
        let pause = tries.checked_sub(1).and_then(|past| PAUSES.get(past));
        pause.copied().filter(|_| self.may_pass())
    }
}

/// One call in a notice to an expert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The call.
    pub about: About,
    /// Number of the attempt to reach an expert.
    pub attempt: u8,
    /// Single-use link for the expert's browser. A secret.
    pub link: Option<String>,
    /// When it was ordered, Unix milliseconds.
    pub at_ms: u64,
    /// Ways to notify the expert.
    pub channels: Vec<Channel>,
}

impl Notice {
    /// Returns the id of the notification by one channel, the same for each try.
    #[must_use]
    pub fn id(&self, channel: usize) -> String {
        let name = format!(
            "{}\n{}\n{channel}\n{}",
            self.about.call_id, self.attempt, self.at_ms
        );
        let digest = hex::text(&Sha256::digest(name));
        format!("msg_{}", digest.get(..32).unwrap_or_default())
    }

    /// Returns the body of a webhook's request. `link_s` is the link's life in seconds.
    #[must_use]
    pub fn body(&self, link_s: u64) -> Value {
        let about = &self.about;
        let mut data = json!({
            "call_id": about.call_id,
            "trace_id": about.trace_id,
            "hazard": about.hazard,
            "expert_id": about.expert_id,
            "council": about.council,
            "caller": about.caller,
        });
        let briefing = serde_json::to_value(&about.briefing).unwrap_or_default();
        let link = self.link.as_ref();
        let expires = time::of_ms(self.at_ms.saturating_add(link_s.saturating_mul(1_000)));
        let link = link.map(|link| json!({"link": link, "link_expires": expires}));
        for more in [Some(briefing), link].into_iter().flatten() {
            if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
                data.extend(more);
            }
        }
        json!({"type": "expert.called", "timestamp": time::of_ms(self.at_ms), "data": data})
    }

    /// Returns the subject of a mail. It has names alone, none of them chosen freely.
    #[must_use]
    pub fn subject(&self) -> String {
        format!(
            "IF.ESCALATE: {} - Case {}",
            self.about.hazard, self.about.trace_id
        )
    }

    /// Returns the text of a mail. `link_s` is the link's life in seconds.
    #[must_use]
    pub fn text(&self, link_s: u64) -> String {
        let about = &self.about;
        let mut lines = vec![
            format!(
                "The council {} is calling you about {}.",
                about.council, about.hazard
            ),
            String::new(),
        ];
        let briefing = &about.briefing;
        lines.extend(
            briefing
                .reason
                .iter()
                .map(|reason| format!("Reason: {reason}")),
        );
        lines.extend(
            briefing
                .question
                .iter()
                .map(|question| format!("Question: {question}")),
        );
        let options = briefing.options.iter().enumerate();
        lines.extend(options.map(|(i, option)| format!("  {}. {option}", i + 1)));
        if let Some(link) = &self.link {
            let expires = time::of_ms(self.at_ms.saturating_add(link_s.saturating_mul(1_000)));
            lines.extend([
                String::new(),
                "The evidence of this call, for one browser, once:".to_owned(),
                link.clone(),
                format!("Opened by {expires} at the latest, and not after the call's end."),
            ]);
        }
        lines.extend([
            String::new(),
            format!("Case: {}", about.trace_id),
            format!("Call: {}", about.call_id),
            format!("Asked by: {}", about.caller),
        ]);
        lines.join("\r\n") + "\r\n"
    }
}

/// The end of one notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notified {
    /// The call.
    pub call_id: String,
    /// Its trace id.
    pub trace_id: String,
    /// Hazard name.
    pub hazard: String,
    /// Id of the expert in the registry.
    pub expert_id: String,
    /// Number of the attempt to reach an expert.
    pub attempt: u8,
    /// `webhook` or `mail`.
    pub channel: &'static str,
    /// The last outcome.
    pub outcome: Outcome,
    /// Number of tries.
    pub tries: usize,
}

impl Notified {
    /// The end of a notice's notification by one channel.
    #[must_use]
    pub fn of(notice: &Notice, channel: &Channel, outcome: Outcome, tries: usize) -> Notified {
        let about = &notice.about;
        Notified {
            call_id: about.call_id.clone(),
            trace_id: about.trace_id.clone(),
            hazard: about.hazard.clone(),
            expert_id: about.expert_id.clone(),
            attempt: notice.attempt,
            channel: channel.name(),
            outcome,
            tries,
        }
    }
}

#[cfg(test)]
mod tests {
    use ife_message::Briefing;

    use super::*;

    fn notice() -> Notice {
        Notice {
            about: About {
                guardian: None,
                call_id: "sip-call-0011223344556677".to_owned(),
                trace_id: "trace-1".to_owned(),
                hazard: "safety".to_owned(),
                expert_id: "e".to_owned(),
                caller: "if://agent/guard".to_owned(),
                council: "sip:council@council.example".to_owned(),
                briefing: Briefing {
                    reason: Some("<b>Valve</b> \"1\"".to_owned()),
                    question: Some("Open?".to_owned()),
                    options: vec!["yes".to_owned(), "no".to_owned()],
                },
                accepts_here: false,
                files: vec!["/secret/path".to_owned()],
            },
            attempt: 0,
            link: Some("https://b.example/e/s#t".to_owned()),
            at_ms: 1_790_000_000_000,
            channels: Vec::new(),
        }
    }

    #[test]
    fn a_body_says_what_the_expert_reads_and_no_path() {
        let body = notice().body(60);
        let data = &body["data"];
        assert_eq!(body["type"], "expert.called");
        assert_eq!(data["reason"], "<b>Valve</b> \"1\"");
        assert_eq!(data["options"][1], "no");
        assert_eq!(data["link"], "https://b.example/e/s#t");
        assert_eq!(data["link_expires"], time::of_ms(1_790_000_060_000));
        assert!(!body.to_string().contains("/secret/path"));
        let bare = Notice {
            about: About::default(),
            link: None,
            ..notice()
        };
        let data = &bare.body(60)["data"];
        for absent in ["reason", "question", "options", "link", "link_expires"] {
            assert!(data.get(absent).is_none(), "{absent}");
        }
    }

    #[test]
    fn a_mail_has_the_options_by_number_and_a_subject_of_names() {
        let notice = notice();
        assert_eq!(notice.subject(), "IF.ESCALATE: safety - Case trace-1");
        let text = notice.text(60);
        for line in [
            "Reason: <b>Valve</b> \"1\"\r\n",
            "  2. no\r\n",
            "https://b.example/e/s#t\r\n",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        let bare = Notice {
            link: None,
            ..notice
        };
        assert!(!bare.text(60).contains("evidence"));
    }

    #[test]
    fn an_id_stays_for_each_try_and_differs_by_channel_attempt_and_call() {
        let first = notice();
        assert_eq!(first.id(0), first.clone().id(0));
        assert_eq!(first.id(0).len(), 36);
        let next = Notice {
            attempt: 1,
            ..first.clone()
        };
        assert!(first.id(0) != first.id(1) && first.id(0) != next.id(0));
    }

    #[test]
    fn what_may_pass_is_tried_four_times() {
        for outcome in Outcome::ALL {
            let pauses: Vec<_> = (1..9)
                .map_while(|tries| outcome.again_after(tries))
                .collect();
            let expected = if outcome.may_pass() { &PAUSES[..] } else { &[] };
            assert_eq!(pauses, expected, "{outcome}");
        }
    }

    #[test]
    fn a_status_has_one_outcome() {
        for (status, expected) in [
            (200, Outcome::Delivered),
            (204, Outcome::Delivered),
            (301, Outcome::Redirected),
            (307, Outcome::Redirected),
            (400, Outcome::Refused),
            (410, Outcome::Refused),
            (408, Outcome::Failed),
            (429, Outcome::Failed),
            (503, Outcome::Failed),
            (100, Outcome::Refused),
        ] {
            assert_eq!(Outcome::of_http(status), expected, "{status}");
        }
    }
}
