//! The connection, and what must be there before messages are taken.
//!
//! The operator makes streams, who decides how long and how safely messages are kept.
//! The bridge makes its durable consumer and the bucket of claims, which no other program uses.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_nats::{
    Client, ConnectOptions, Event, ServerAddr,
    jetstream::{
        self, Context,
        consumer::{AckPolicy, Consumer, DeliverPolicy, pull},
        context::GetStreamByNameErrorKind,
    },
};
use thiserror::Error;
use tokio::sync::watch;
use tracing::{info, warn};

use super::claims::Claims;
use crate::{config::Nats, plain_file::FileError};

/// How long a bridge may be silent about a message before another one gets it.
const ACK_WAIT: Duration = Duration::from_secs(10);
/// Messages that all bridges together may work on at once.
const ACK_PENDING_MAX: i64 = 1_000;
/// Longest pause between two attempts to connect.
const RECONNECT_MAX: Duration = Duration::from_secs(5);

/// Why no messages are taken.
#[derive(Debug, Error)]
pub enum IntakeError {
    /// `nats.url` in the configuration.
    #[error("nats.url: {server}: {why}")]
    Url {
        /// Which server.
        server: String,
        /// Why not.
        why: String,
    },
    /// `nats.credentials_file` in the configuration.
    #[error("nats.credentials_file: {path}: {source}")]
    Credentials {
        /// Which file.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The key that signs outcomes.
    #[error("council.signing_key: {0}")]
    Key(#[from] FileError),
    /// The client.
    #[error("no NATS client: {0}")]
    Client(String),
}

/// Everything that working off messages needs.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    pub(super) jetstream: Context,
    pub(super) consumer: Consumer<pull::Config>,
    pub(super) claims: Claims,
    /// When the stream was made, Unix nanoseconds: one of the same name that was made later is
    /// another one.
    pub(super) stream_made_ns: i128,
    /// A stream holds the outcomes.
    pub(super) outcomes_stored: bool,
    /// How often the server wants to hear that a message is still worked on.
    pub(super) progress: Duration,
}

/// A client that connects, and connects again, by itself; the other end has its state.
pub(super) async fn connect(
    nats: &Nats,
    node: &str,
) -> Result<(Client, watch::Receiver<bool>), IntakeError> {
    let servers: Vec<ServerAddr> = nats.servers().map(address).collect::<Result<_, _>>()?;
    let (tell, connected) = watch::channel(false);
    let (told, hint) = (Mutex::new(String::new()), hint(nats));
    let mut options = ConnectOptions::new()
        .name(format!("ife-bridge {node}"))
        .retry_on_initial_connect()
        .connection_timeout(Duration::from_secs(5))
        .ping_interval(Duration::from_secs(10))
        .request_timeout(Some(Duration::from_secs(5)))
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(move |event| {
            on_event(&event, &tell, &told, hint);
            async {}
        });
    if let Some(path) = &nats.credentials_file {
        options =
            options
                .credentials_file(path)
                .await
                .map_err(|source| IntakeError::Credentials {
                    path: path.clone(),
                    source,
                })?;
    }
    if let Some(ca) = &nats.ca {
        options = options.add_root_certificates(ca.clone());
    }
    let client = options.connect(servers).await;
    let client = client.map_err(|error| IntakeError::Client(error.to_string()))?;
    Ok((client, connected))
}

pub(super) fn address(server: &str) -> Result<ServerAddr, IntakeError> {
    server.parse().map_err(|error| IntakeError::Url {
        server: server.to_owned(),
        why: format!("{error}"),
    })
}

/// What to look at when the client says no more than that it could not connect: of TLS it says
/// nothing.
fn hint(nats: &Nats) -> &'static str {
    if nats.ca.is_some() || nats.servers().any(|server| server.starts_with("tls:")) {
        ": no server there, or its certificate is by an authority that neither nats.ca nor the \
        system names"
    } else {
        ": no server there, or it wants TLS"
    }
}

/// Each reason is logged once, not with every attempt.
fn on_event(event: &Event, tell: &watch::Sender<bool>, told: &Mutex<String>, hint: &str) {
    let is_new = |text: String| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        *told != text && {
            *told = text;
            true
        }
    };
    match event {
        Event::Connected => {
            is_new(String::new());
            info!("NATS is connected");
            let _ = tell.send(true);
        }
        Event::Disconnected => {
            warn!("NATS is out of reach");
            let _ = tell.send(false);
        }
        Event::LameDuckMode => info!("the NATS server is about to stop"),
        Event::SlowConsumer(_) | Event::Draining | Event::Closed => {}
        Event::ServerError(error) if is_new(error.to_string()) => warn!("NATS says: {error}"),
        Event::ClientError(error) if is_new(error.to_string()) => {
            let is_vague = error.to_string().ends_with("IO error");
            let hint = if is_vague { hint } else { "" };
            warn!("NATS cannot be reached: {error}{hint}");
        }
        Event::ServerError(_) | Event::ClientError(_) => {}
    }
}

/// 100 ms, doubled with every attempt.
fn reconnect_delay(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts).unwrap_or(u32::MAX).min(6);
    (Duration::from_millis(100) * 2_u32.pow(doublings)).min(RECONNECT_MAX)
}

/// The message up to which a stream's messages were worked off, as it was seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Floor {
    stream_made_ns: i128,
    sequence: u64,
}

/// Finds, or makes, the parts that the intake needs. The error names the operator's step.
pub(super) async fn prepare(
    client: &Client,
    nats: &Nats,
    node: &str,
    process: &str,
    floor: Option<Floor>,
) -> Result<Parts, String> {
    let jetstream = jetstream::new(client.clone());
    let stream = jetstream.get_stream(&nats.stream).await.map_err(|error| {
        let (stream, subject) = (&nats.stream, &nats.subject);
        format!(
            "stream {stream}: {error}; make it with: nats stream add {stream} --subjects \
                {subject} --storage file"
        )
    })?;
    let stream_made_ns = stream.cached_info().created.unix_timestamp_nanos();
    let replicas = stream.cached_info().config.num_replicas;
    dead_letters(&jetstream, nats).await?;
    let outcomes_stored = are_outcomes_stored(&jetstream, nats).await?;
    // A consumer that was deleted goes on where it was; without that knowledge all messages come
    // again, and claims and the gateway's notes have which are worked off.
    let floor = floor.filter(|floor| floor.stream_made_ns == stream_made_ns);
    let wanted = consumer_config(nats, floor);
    let consumer = stream.get_or_create_consumer(&nats.consumer, wanted).await;
    let consumer = consumer.map_err(|error| format!("consumer {}: {error}", nats.consumer))?;
    let config = &consumer.cached_info().config;
    if config.ack_policy != AckPolicy::Explicit || config.ack_wait.is_zero() {
        return Err(format!(
            "consumer {}: must acknowledge explicitly; remove it and the bridge makes it as it \
            should be",
            nats.consumer
        ));
    }
    let progress = config.ack_wait / 3;
    let claims = Claims::open(&jetstream, &nats.consumer, node, process, replicas).await?;
    Ok(Parts {
        jetstream,
        consumer,
        claims,
        stream_made_ns,
        outcomes_stored,
        progress,
    })
}

fn consumer_config(nats: &Nats, floor: Option<Floor>) -> pull::Config {
    pull::Config {
        durable_name: Some(nats.consumer.clone()),
        description: Some("ife-bridge: escalations".to_owned()),
        deliver_policy: match floor {
            Some(floor) => DeliverPolicy::ByStartSequence {
                start_sequence: floor.sequence + 1,
            },
            None => DeliverPolicy::All,
        },
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        // How often is too often is decided by the bridge, which writes a dead letter.
        max_deliver: -1,
        filter_subject: nats.subject.clone(),
        max_ack_pending: ACK_PENDING_MAX,
        ..pull::Config::default()
    }
}

async fn dead_letters(jetstream: &Context, nats: &Nats) -> Result<(), String> {
    let subject = &nats.dead_letter_subject;
    let stream = stream_of(jetstream, subject).await?;
    stream.map(|_| ()).ok_or_else(|| {
        format!(
            "no stream holds nats.dead_letter_subject {subject}; make one with: nats stream \
                add IFE_DEAD --subjects {subject} --storage file"
        )
    })
}

async fn are_outcomes_stored(jetstream: &Context, nats: &Nats) -> Result<bool, String> {
    match &nats.outcome_subject {
        Some(subject) => Ok(stream_of(jetstream, subject).await?.is_some()),
        None => Ok(false),
    }
}

/// Looks whether all of it is there, and the same as before. The error names a part that is missing
/// or differs.
pub(super) async fn look(parts: &Parts, nats: &Nats) -> Result<Floor, String> {
    let jetstream = &parts.jetstream;
    let made_anew = |what: &str, name: &str| format!("{what} {name}: was made anew");
    let stream = jetstream.get_stream(&nats.stream).await;
    let stream = stream.map_err(|error| format!("stream {}: {error}", nats.stream))?;
    if stream.cached_info().created.unix_timestamp_nanos() != parts.stream_made_ns {
        return Err(made_anew("stream", &nats.stream));
    }
    let consumer = stream.consumer_info(&nats.consumer).await;
    let consumer = consumer.map_err(|error| format!("consumer {}: {error}", nats.consumer))?;
    if consumer.created != parts.consumer.cached_info().created {
        return Err(made_anew("consumer", &nats.consumer));
    }
    let bucket = Claims::bucket(&nats.consumer);
    let held = jetstream.get_stream(Claims::stream(&bucket)).await;
    let held = held.map_err(|error| format!("bucket {bucket}: {error}"))?;
    if held.cached_info().created.unix_timestamp_nanos() != parts.claims.made_ns() {
        return Err(made_anew("bucket", &bucket));
    }
    dead_letters(jetstream, nats).await?;
    if are_outcomes_stored(jetstream, nats).await? != parts.outcomes_stored {
        return Err("the stream of outcomes came or went".to_owned());
    }
    Ok(Floor {
        stream_made_ns: parts.stream_made_ns,
        sequence: consumer.ack_floor.stream_sequence,
    })
}

async fn stream_of(jetstream: &Context, subject: &str) -> Result<Option<String>, String> {
    match jetstream.stream_by_subject(subject).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if error.kind() == GetStreamByNameErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("stream of {subject}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_to_connect_become_rarer_and_never_stop() {
        let ms = |attempts| reconnect_delay(attempts).as_millis();
        assert_eq!(
            (ms(0), ms(1), ms(5), ms(6), ms(usize::MAX)),
            (100, 200, 3_200, 5_000, 5_000)
        );
    }
}
