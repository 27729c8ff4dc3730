//! Mail over SMTP.

use ife_engine::notice::{Notice, Outcome};
use lettre::{
    AsyncTransport, Message,
    message::{
        Mailbox,
        header::{ContentType, Header, HeaderName, HeaderValue, MIME_VERSION_1_0},
    },
    transport::smtp::Error,
};

use super::Settings;

/// Sends a notice once; gives the outcome, and the reason for a person.
pub(super) async fn send(
    settings: &Settings,
    address: &str,
    id: &str,
    notice: &Notice,
) -> (Outcome, String) {
    let Some(mail) = &settings.mail else {
        return (Outcome::NotConfigured, "no notify.mail".to_owned());
    };
    let message = match message(&mail.from, address, id, notice, settings.link_s) {
        Ok(message) => message,
        Err(why) => return (Outcome::NotAllowed, why),
    };
    match mail.transport.send(message).await {
        Ok(response) => (Outcome::Delivered, response.code().to_string()),
        Err(error) => (outcome_of(&error), error.to_string()),
    }
}

fn outcome_of(error: &Error) -> Outcome {
    if error.is_permanent() {
        Outcome::Refused
    } else if error.is_timeout() {
        Outcome::Timeout
    } else if error.is_transient() {
        Outcome::Failed
    } else {
        Outcome::Unreachable
    }
}

/// The mail: text alone, so that nothing in it is markup.
fn message(
    from: &Mailbox,
    address: &str,
    id: &str,
    notice: &Notice,
    link_s: u64,
) -> Result<Message, String> {
    let to = address.parse().map_err(|error| format!("{error}"))?;
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        // The same at each try: a receiver may know a mail that it took by its id.
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        .subject(notice.subject())
        .header(AutoSubmitted)
        .header(MIME_VERSION_1_0)
        .header(ContentType::TEXT_PLAIN)
        .body(notice.text(link_s))
        .map_err(|error| error.to_string())
}

/// No program answers a mail that has it (RFC 3834 section 5).
#[derive(Debug, Clone, Copy)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use ife_engine::shell::About;
    use ife_message::Briefing;

    use super::*;

    fn mail(trace_id: &str, reason: &str) -> String {
        let notice = Notice {
            about: About {
                trace_id: trace_id.to_owned(),
                hazard: "safety".to_owned(),
                briefing: Briefing {
                    reason: Some(reason.to_owned()),
                    ..Briefing::default()
                },
                ..About::default()
            },
            attempt: 0,
            link: Some("https://b.example/e/s#t".to_owned()),
            at_ms: 0,
            channels: Vec::new(),
        };
        let from = "IF.ESCALATE <bridge@council.example>"
            .parse()
            .expect("a mailbox");
        let message = message(&from, "desk@external.advisor", "msg_1", &notice, 60);
        String::from_utf8(message.expect("a mail").formatted()).expect("ASCII")
    }

    fn headers(mail: &str) -> Vec<&str> {
        let head = mail.split("\r\n\r\n").next().unwrap_or_default();
        let names = head.split("\r\n").filter(|line| !line.starts_with(' '));
        names.filter_map(|line| line.split(':').next()).collect()
    }

    #[test]
    fn nothing_in_a_call_makes_a_header() {
        let plain = mail("trace-1", "a");
        let expected = headers(&plain);
        let bad = "x\r\nBcc: evil@a.example\r\n\r\n<b>y</b>";
        // The checks of a message refuse both texts; the mail must not depend on them.
        assert_eq!(headers(&mail(bad, bad)), expected);
        assert_eq!(headers(&mail("trace-1", "é中 \u{202e}")), expected);
        assert!(!expected.contains(&"Bcc"), "{expected:?}");
    }

    #[test]
    fn a_mail_names_its_id_and_that_a_program_made_it() {
        let mail = mail("trace-1", "<b>a</b>");
        for line in [
            "Message-ID: <msg_1@council.example>\r\n",
            "Subject: IF.ESCALATE: safety - Case trace-1\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "MIME-Version: 1.0\r\n",
            "To: desk@external.advisor\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Reason: <b>a</b>\r\n",
            "https://b.example/e/s#t\r\n",
        ] {
            assert!(mail.contains(line), "{line} is not in {mail}");
        }
    }
}
