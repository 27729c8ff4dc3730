//! One message, from its delivery to its acknowledgement.

use std::time::{Duration, Instant};

use async_nats::{
    HeaderMap,
    jetstream::{AckKind, Message, message::Info},
};
use ife_message::IfMessage;
use ife_words::time;
use tokio::{select, sync::watch, time::sleep};
use tracing::{debug, info, warn};

use super::{
    Shared,
    claims::{self, Found},
    dead_letter::{self, Origin},
    decide::{self, Next, Poison},
    faults::Part,
    outcome::{self, Outcome},
    publish::{self, Arrival},
    setup::Parts,
};
use crate::{
    agents, clock,
    handle::{Command, Escalation, Resume},
    metrics::Intake,
    refusal::Refusal,
};

/// Between two looks at a call that another bridge began, or at a bridge that cannot take it.
const PAUSE: Duration = Duration::from_secs(1);
/// A message that cannot be taken at the moment is held so long; after it another bridge may have
/// it.
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
    /// As they are now: streams and buckets may be made anew meanwhile.
    pub(super) parts: watch::Receiver<Parts>,
    pub(super) message: &'a Message,
    pub(super) stopped: watch::Receiver<bool>,
}

/// The request of the message.
struct Asked {
    message: IfMessage,
    escalation: Escalation,
    key: String,
}

impl Delivery<'_> {
    /// Works it off, and keeps the stream from giving it to another bridge meanwhile.
    pub(super) async fn work(mut self) {
        let (message, progress) = (self.message, self.parts().progress);
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
        let message = match self.shared.agents.authenticate(&self.message.payload) {
            Ok(message) => message,
            // By whom it is, nothing proves.
            Err(refusal) => return self.bury(&decide::poison(&refusal), None, &info).await,
        };
        // A message may have waited in the stream: its time is that of its arrival there.
        let arrived = info.published.unix_timestamp().unsigned_abs();
        let checked = agents::check_time(&message.timestamp, arrived);
        match checked.and_then(|()| agents::escalation(&message)) {
            Ok(escalation) => {
                let key = claims::key(&message.source, &message.id);
                let asked = Asked {
                    message,
                    escalation,
                    key,
                };
                self.follow(&asked, &info).await
            }
            Err(refusal) => {
                let poison = decide::poison(&refusal);
                self.bury(&poison, Some(&message), &info).await
            }
        }
    }

    fn parts(&self) -> Parts {
        self.parts.borrow().clone()
    }

    /// Takes the message on and follows it to its end. What goes back to the stream in good order
    /// is no lost delivery.
    async fn follow(&mut self, asked: &Asked, info: &Info<'_>) -> End {
        let found = match self.claim(asked).await {
            Ok(found) => found,
            Err(why) => {
                self.begin_fault(Part::Claims, why.clone());
                return End::Back(format!("no claim: {why}"));
            }
        };
        match self.go_on(asked, info, found).await {
            End::Done(result) => End::Done(result),
            End::Back(why) => {
                if let Err(why) = self.parts().claims.give_back(&asked.key).await {
                    debug!("a claim is not given back: {why}");
                }
                End::Back(why)
            }
        }
    }

    /// The claim that was there; `None` when it is ours from now on.
    async fn claim(&self, asked: &Asked) -> Result<Option<Found>, String> {
        let claims = self.parts().claims;
        match claims.take(&asked.key).await? {
            Some(found) if found.claim.outcome.is_none() => claims.count(&asked.key, found).await,
            found => Ok(found),
        }
    }

    fn claimed(&self, found: Option<&Found>, info: &Info<'_>) -> Next {
        let arrived_ns = info.published.unix_timestamp_nanos();
        let may_have_forgotten = self.parts().claims.may_have_forgotten(arrived_ns);
        let claim = found.map(|found| &found.claim);
        decide::claimed(claim, may_have_forgotten, self.shared.nats.deliveries_max)
    }

    /// Takes step after step until there is an end.
    async fn go_on(&mut self, asked: &Asked, info: &Info<'_>, mut found: Option<Found>) -> End {
        let mut next = self.claimed(found.as_ref(), info);
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
                    match self.parts().claims.read(&asked.key).await {
                        Ok(Some(now)) => {
                            let next = self.claimed(Some(&now), info);
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
                Next::Bury(poison) => return self.give_up(asked, &poison, info).await,
            };
        }
    }

    async fn take_over(&self, asked: &Asked, found: Option<Found>) -> bool {
        // A claim of this very delivery needs no second one.
        let Some(found) = found else { return true };
        let taken = self.parts().claims.take_over(&asked.key, &found).await;
        taken.unwrap_or_else(|why| {
            warn!("a claim cannot be taken over: {why}");
            false
        })
    }

    async fn escalate(&self, asked: &Asked, resume: Option<Resume>) -> Next {
        let escalation = Box::new(asked.escalation.clone());
        let result = self
            .shared
            .engine
            .ask(|reply| Command::Escalate {
                escalation,
                wait: true,
                resume,
                reply,
            })
            .await;
        let (call_id, request) = (
            asked.escalation.request.call_id(),
            &asked.escalation.request,
        );
        let trace_id = request.trace_id.as_str();
        decide::answered(&result, &call_id, trace_id, request.expert_id.as_deref())
    }

    async fn look_around(&self, asked: &Asked) -> Next {
        let escalation = Box::new(asked.escalation.clone());
        let found = self
            .shared
            .engine
            .ask(|reply| Command::GatewayView(escalation, reply))
            .await;
        match found {
            Ok(found) => {
                debug!("looked around: {found:?}");
                let trace_id = asked.escalation.request.trace_id.as_str();
                decide::found(&found, &self.shared.node, trace_id)
            }
            Err(Refusal { detail, .. }) => Next::Hold(detail),
        }
    }

    /// The outcome is kept for the other bridges, published, and only then acknowledged.
    async fn settle(&mut self, asked: &Asked, outcome: &Outcome, info: &Info<'_>) -> End {
        loop {
            match self.tell(asked, outcome, info).await {
                Ok(()) => break,
                Err((part, why)) => {
                    self.begin_fault(part, why.clone());
                    if self.pause().await {
                        return End::Back(why);
                    }
                }
            }
        }
        debug!(call_id = %outcome.call_id, "a message is worked off");
        self.acknowledge(outcome.status.as_str()).await
    }

    async fn tell(
        &self,
        asked: &Asked,
        outcome: &Outcome,
        info: &Info<'_>,
    ) -> Result<(), (Part, String)> {
        let settled = self.parts().claims.settle(&asked.key, outcome).await;
        settled.map_err(|why| (Part::Claims, why))?;
        let told = self.publish_outcome(&asked.message, outcome, info).await;
        told.map_err(|why| (Part::Outcomes, why))
    }

    /// No message of a stream that was deleted can be acknowledged. One
    /// that is there gives it again, and its outcome is published again.
    async fn acknowledge(&self, result: &'static str) -> End {
        match self.message.double_ack().await {
            Ok(()) => End::Done(result),
            Err(error) => End::Back(format!("not acknowledged: {error}")),
        }
    }

    async fn publish_outcome(
        &self,
        about: &IfMessage,
        outcome: &Outcome,
        info: &Info<'_>,
    ) -> Result<(), String> {
        let Some(subject) = &self.shared.nats.outcome_subject else {
            return Ok(());
        };
        let now = time::of_ms(clock::unix_ms());
        let (source, key) = (&self.shared.source, &self.shared.key);
        let body = outcome
            .message(about, source, &now, key)
            .ok_or("it has no canonical form")?;
        let parts = self.parts();
        if !parts.outcomes_stored {
            let client = parts.jetstream.client();
            let sent = client.publish(subject.to_owned(), body.into()).await;
            sent.map_err(|error| error.to_string())?;
            client.flush().await.map_err(|error| error.to_string())?;
        } else {
            let id = Arrival::new(info, &self.message.payload).id("outcome");
            let is_same = |held: &[u8]| outcome::is_same(held, &body);
            let (headers, sent) = (HeaderMap::new(), body.clone().into());
            publish::store(&parts.jetstream, subject, headers, sent, &id, is_same).await?;
        }
        self.end_fault(Part::Outcomes);
        Ok(())
    }

    /// A dead letter of a message that was taken on: the same message again gets the same outcome.
    async fn give_up(&self, asked: &Asked, poison: &Poison, info: &Info<'_>) -> End {
        let outcome = Outcome::buried(poison, &asked.message);
        if let Err(why) = self.parts().claims.settle(&asked.key, &outcome).await {
            self.begin_fault(Part::Claims, why.clone());
            return End::Back(why);
        }
        self.bury(poison, Some(&asked.message), info).await
    }

    /// Acknowledged only when JetStream has the dead letter, and the agent who is known to have
    /// sent it is notified.
    async fn bury(&self, poison: &Poison, about: Option<&IfMessage>, info: &Info<'_>) -> End {
        if let Err(why) = self.store_letter(poison, info).await {
            self.begin_fault(Part::DeadLetters, why.clone());
            return End::Back(format!("its dead letter is not stored: {why}"));
        }
        self.end_fault(Part::DeadLetters);
        warn!(sequence = info.stream_sequence, reason = %poison.reason,
        "a message is a dead letter");
        if let Some(about) = about {
            let outcome = Outcome::buried(poison, about);
            if let Err(why) = self.publish_outcome(about, &outcome, info).await {
                self.begin_fault(Part::Outcomes, why.clone());
                return End::Back(why);
            }
        }
        self.acknowledge("dead_letter").await
    }

    async fn store_letter(&self, poison: &Poison, info: &Info<'_>) -> Result<(), String> {
        let origin = Origin {
            subject: self.message.subject.as_str(),
            stream: info.stream,
            sequence: info.stream_sequence,
            delivered: info.delivered,
        };
        let jetstream = self.parts().jetstream;
        let payload_max = jetstream.client().server_info().max_payload;
        let (headers, body) =
            dead_letter::letter(poison, origin, &self.message.payload, payload_max);
        let subject = &self.shared.nats.dead_letter_subject;
        let id = Arrival::new(info, &self.message.payload).id("dead");
        let is_same = |held: &[u8]| *held == *body;
        publish::store(&jetstream, subject, headers, body.clone(), &id, is_same).await
    }

    fn begin_fault(&self, part: Part, why: String) {
        if self.shared.faults.begin(part, why, Instant::now()) {
            self.shared.tell_whether_up();
        }
    }

    fn end_fault(&self, part: Part) {
        self.shared.faults.end(part);
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
