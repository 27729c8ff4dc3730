//! One message, from its delivery to its acknowledgement.

use std::time::{Duration, Instant};

use async_nats::jetstream::{
    AckKind, Message,
    message::{Info, PublishMessage},
};
use ife_message::{IfMessage, escalate::Escalate};
use tokio::{select, sync::watch, time::sleep};
use tracing::{debug, info, warn};

use super::{
    Shared,
    claims::{self, Found},
    dead_letter::{self, Origin},
    decide::{self, Next, Poison},
    outcome::Outcome,
    setup::Parts,
};
use crate::{
    agents, clock,
    handle::{Command, Resume},
    metrics::Intake,
    refusal::Refusal,
};

/// Between two looks at a call that another bridge began, or at a bridge that cannot take it.
const PAUSE: Duration = Duration::from_secs(1);
/// A message that cannot be taken at the moment is held so long; after it another bridge may have it.
const HOLD_MAX: Duration = Duration::from_secs(30);
/// Before the stream gives back a message that was not taken.
const BACK_AFTER: Duration = Duration::from_secs(5);

/// What became of a delivery.
enum End {
    /// Acknowledged, with that result.
    Done(&'static str),
    /// Not ours any more, or not now: the stream gives it back.
    Back(String),
}

/// A delivery that is worked on.
pub(super) struct Delivery<'a> {
    pub(super) shared: &'a Shared,
    pub(super) parts: &'a Parts,
    pub(super) message: &'a Message,
    pub(super) stopped: watch::Receiver<bool>,
}

/// What the message asks for.
struct Asked {
    message: IfMessage,
    escalate: Escalate,
    key: String,
}

impl Delivery<'_> {
    /// Works it off, and keeps the stream from giving it to another bridge meanwhile.
    pub(super) async fn work(mut self) {
        let (message, progress) = (self.message, self.parts.progress);
        let shared = self.shared;
        let alive = async {
            loop {
                sleep(progress).await;
                if let Err(error) = message.ack_with(AckKind::Progress).await {
                    debug!("the stream is not told that a message is worked on: {error}");
                }
            }
        };
        let end = select! {
            end = self.handle() => end,
            // It loops for ever.
            () = alive => return,
        };
        let result = match end {
            End::Done(result) => result,
            End::Back(why) => {
                info!("a message goes back to the stream: {why}");
                // Lost, the stream gives it back all the same, only later.
                let _ = message.ack_with(AckKind::Nak(Some(BACK_AFTER))).await;
                "returned"
            }
        };
        let labels = Intake { result };
        shared.metrics.intake.get_or_create(&labels).inc();
    }

    async fn handle(&mut self) -> End {
        let info = match self.message.info() {
            Ok(info) => info,
            Err(error) => return End::Back(format!("it is not of a stream: {error}")),
        };
        // A message may have waited in the stream: its time is that of its arrival there.
        let arrived = info.published.unix_timestamp();
        let opened = self.shared.agents.open(&self.message.payload, arrived);
        let opened = opened.and_then(|message| {
            let escalate = agents::escalation(&message)?;
            let key = claims::key(&message.source, &message.id);
            Ok(Asked {
                message,
                escalate,
                key,
            })
        });
        match opened {
            Ok(asked) => self.follow(&asked, &info).await,
            Err(refusal) => self.bury(&decide::poison(&refusal), &info).await,
        }
    }

    /// Does what is next until there is an end.
    async fn follow(&mut self, asked: &Asked, info: &Info<'_>) -> End {
        let mut found = match self.parts.claims.take(&asked.key).await {
            Ok(found) => found,
            Err(why) => return End::Back(format!("no claim: {why}")),
        };
        let deliveries_max = self.shared.nats.deliveries_max;
        let claim = |found: Option<&Found>| {
            let claim = found.map(|found| &found.claim);
            decide::claimed(claim, info.delivered, deliveries_max)
        };
        let mut next = claim(found.as_ref());
        let mut held_since: Option<Instant> = None;
        loop {
            next = match next {
                Next::Escalate { resume, claim } => {
                    if claim && !self.take_over(asked, found.take()).await {
                        return End::Back("another bridge has taken it over".to_owned());
                    }
                    self.escalate(asked, resume).await
                }
                Next::LookAround => self.look_around(asked).await,
                Next::Wait => {
                    if self.pause().await {
                        return End::Back("the bridge stops".to_owned());
                    }
                    match self.parts.claims.read(&asked.key).await {
                        Ok(Some(now)) => {
                            let next = claim(Some(&now));
                            found = Some(now);
                            next
                        }
                        // Forgotten, or out of reach: the gateway still knows.
                        Ok(None) | Err(_) => Next::LookAround,
                    }
                }
                Next::Hold(why) => {
                    let since = *held_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > HOLD_MAX || self.pause().await {
                        return End::Back(why);
                    }
                    Next::LookAround
                }
                Next::Settle(outcome) => return self.settle(asked, &outcome, info).await,
                Next::Bury(poison) => return self.bury(&poison, info).await,
            };
        }
    }

    async fn take_over(&self, asked: &Asked, found: Option<Found>) -> bool {
        // A claim of this very delivery needs no second one.
        let Some(found) = found else { return true };
        let taken = self.parts.claims.take_over(&asked.key, &found).await;
        taken.unwrap_or_else(|why| {
            warn!("a claim cannot be taken over: {why}");
            false
        })
    }

    async fn escalate(&self, asked: &Asked, resume: Option<Resume>) -> Next {
        let message = Box::new(asked.message.clone());
        let result = self
            .shared
            .engine
            .ask(|reply| Command::Escalate {
                message,
                wait: true,
                resume,
                reply,
            })
            .await;
        let (call_id, escalate) = (asked.escalate.call_id(), &asked.escalate);
        let trace_id = escalate.trace_id.as_str();
        decide::answered(&result, &call_id, trace_id, escalate.expert_id.as_deref())
    }

    async fn look_around(&self, asked: &Asked) -> Next {
        let message = Box::new(asked.message.clone());
        let found = self
            .shared
            .engine
            .ask(|reply| Command::Whereabouts(message, reply))
            .await;
        match found {
            Ok(found) => {
                debug!("looked around: {found:?}");
                let trace_id = asked.escalate.trace_id.as_str();
                decide::found(&found, &self.shared.node, trace_id)
            }
            Err(Refusal { detail, .. }) => Next::Hold(detail),
        }
    }

    /// The outcome is kept for the other bridges, told, and only then acknowledged.
    async fn settle(&mut self, asked: &Asked, outcome: &Outcome, info: &Info<'_>) -> End {
        loop {
            match self.tell(asked, outcome, info).await {
                Ok(()) => return End::Done(outcome.status.as_str()),
                Err(why) => {
                    warn!(call_id = %outcome.call_id, "an outcome cannot be told: {why}");
                    if self.pause().await {
                        return End::Back(why);
                    }
                }
            }
        }
    }

    async fn tell(&self, asked: &Asked, outcome: &Outcome, info: &Info<'_>) -> Result<(), String> {
        self.parts.claims.settle(&asked.key, outcome).await?;
        if let Some(subject) = &self.shared.nats.outcome_subject {
            let now = clock::rfc3339(clock::unix_ms());
            let (source, key) = (&self.shared.source, &self.shared.key);
            let body = outcome
                .message(&asked.message, source, &now, key)
                .ok_or("it has no canonical form")?;
            self.publish_outcome(subject, body, info).await?;
        }
        let acked = self.message.double_ack().await;
        acked.map_err(|error| format!("not acknowledged: {error}"))?;
        debug!(call_id = %outcome.call_id, "a message is worked off");
        Ok(())
    }

    async fn publish_outcome(
        &self,
        subject: &str,
        body: Vec<u8>,
        info: &Info<'_>,
    ) -> Result<(), String> {
        let jetstream = &self.parts.jetstream;
        if !self.parts.outcomes_stored {
            let client = jetstream.client();
            let sent = client.publish(subject.to_owned(), body.into()).await;
            sent.map_err(|error| error.to_string())?;
            return client.flush().await.map_err(|error| error.to_string());
        }
        let id = format!("ife-outcome-{}-{}", info.stream, info.stream_sequence);
        let publish = PublishMessage::build().payload(body.into()).message_id(id);
        let ack = jetstream.send_publish(subject.to_owned(), publish).await;
        let ack = ack.map_err(|error| error.to_string())?.await;
        ack.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Acknowledged only when JetStream has the dead letter.
    async fn bury(&mut self, poison: &Poison, info: &Info<'_>) -> End {
        let origin = Origin {
            subject: self.message.subject.as_str(),
            stream: info.stream,
            sequence: info.stream_sequence,
            delivered: info.delivered,
        };
        let jetstream = &self.parts.jetstream;
        let payload_max = jetstream.client().server_info().max_payload;
        let (headers, body) =
            dead_letter::letter(poison, origin, &self.message.payload, payload_max);
        let subject = self.shared.nats.dead_letter_subject.clone();
        let sent = jetstream.publish_with_headers(subject, headers, body).await;
        let stored = match sent {
            Ok(ack) => ack.await,
            Err(error) => Err(error),
        };
        if let Err(error) = stored {
            return End::Back(format!("its dead letter is not stored: {error}"));
        }
        warn!(sequence = info.stream_sequence, reason = %poison.reason, "a message is a dead letter");
        match self.message.double_ack().await {
            Ok(()) => End::Done("dead_letter"),
            Err(error) => End::Back(format!("not acknowledged: {error}")),
        }
    }

    /// True when the bridge stops meanwhile.
    async fn pause(&mut self) -> bool {
        let stops = async { self.stopped.wait_for(|stopped| *stopped).await.is_ok() };
        select! {
            stops = stops => stops,
            () = sleep(PAUSE) => false,
        }
    }
}
