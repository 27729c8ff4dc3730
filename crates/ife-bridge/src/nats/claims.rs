//! Which bridge has taken on which message, and what came of it: a key-value bucket of JetStream
//! that all bridges of a consumer share.

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    kv::{self, CreateErrorKind, Store, UpdateErrorKind},
    stream::{self, DiscardPolicy, StorageType},
};
use axum::body::Bytes;
use ife_words::hex;
use sha2::{Digest, Sha256};

use super::{decide::Claim, outcome::Outcome};
use crate::clock;

/// How long a claim is kept: longer than a message's timestamp lets it in, and than a bridge is
/// away.
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Before that age a claim may be gone: the clocks of hosts differ.
const KEPT_NS: i128 = (24 * 3600 - 600) * 1_000_000_000;

/// The bucket.
#[derive(Debug, Clone)]
pub(super) struct Claims {
    store: Store,
    node: String,
    /// This process, among all that ever were.
    process: String,
    /// When the bucket was made, Unix nanoseconds.
    made_ns: i128,
}

/// A claim that was there.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) claim: Claim,
    revision: u64,
}

impl Claims {
    /// Name of the bucket of a consumer.
    pub(super) fn bucket(consumer: &str) -> String {
        format!("ife-claims-{consumer}")
    }

    /// Name of the stream that a bucket is.
    pub(super) fn stream(bucket: &str) -> String {
        format!("KV_{bucket}")
    }

    /// Opens the bucket, made like the stream it belongs to when it is not there.
    pub(super) async fn open(
        jetstream: &Context,
        consumer: &str,
        node: &str,
        process: &str,
        replicas: usize,
    ) -> Result<Claims, String> {
        let bucket = Claims::bucket(consumer);
        let told = |error: String| format!("bucket {bucket}: {error}");
        if jetstream.get_key_value(&bucket).await.is_err() {
            let made = jetstream.create_stream(config(&bucket, replicas)).await;
            made.map_err(|error| told(error.to_string()))?;
        }
        let store = jetstream.get_key_value(&bucket).await;
        let store = store.map_err(|error| told(error.to_string()))?;
        let status = store.status().await;
        let status = status.map_err(|error| told(error.to_string()))?;
        let claims = Claims {
            store,
            node: node.to_owned(),
            process: process.to_owned(),
            made_ns: status.info.created.unix_timestamp_nanos(),
        };
        claims.probe().await.map_err(|why| {
            told(format!(
                "cannot be written: {why}; give it room, and the bridge's user $KV.{bucket}.>"
            ))
        })?;
        Ok(claims)
    }

    /// When the bucket was made, Unix nanoseconds.
    pub(super) fn made_ns(&self) -> i128 {
        self.made_ns
    }

    /// Writes, where no message is claimed: a bucket that is full or forbidden shows itself before
    /// a message is taken.
    async fn probe(&self) -> Result<(), String> {
        let put = self.store.put(format!("probe-{}", self.node), "".into());
        put.await.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Whether a message of that time may have had a claim that is not there any more.
    pub(super) fn may_have_forgotten(&self, arrived_ns: i128) -> bool {
        let now_ns = i128::from(clock::unix_ns());
        arrived_ns <= self.made_ns || now_ns - arrived_ns > KEPT_NS
    }

    /// Takes a message on. `None`: it is ours now; otherwise the claim that was there first.
    pub(super) async fn take(&self, key: &str) -> Result<Option<Found>, String> {
        match self.store.create(key, self.claim(None)?).await {
            Ok(_) => Ok(None),
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => self.read(key).await,
            Err(error) => Err(error.to_string()),
        }
    }

    /// Counts a delivery that another process did not end: it was lost with the message in its
    /// hands.
    pub(super) async fn count(&self, key: &str, found: Found) -> Result<Option<Found>, String> {
        if found.claim.process == self.process {
            return Ok(Some(found));
        }
        let claim = Claim {
            process: self.process.clone(),
            tries: found.claim.tries.saturating_add(1),
            ..found.claim
        };
        match self.store.update(key, bytes(&claim)?, found.revision).await {
            Ok(revision) => Ok(Some(Found { claim, revision })),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                self.read(key).await
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// The message goes back to the stream in good order: this delivery does not count.
    pub(super) async fn give_back(&self, key: &str) -> Result<(), String> {
        let Some(found) = self.read(key).await? else {
            return Ok(());
        };
        if found.claim.process != self.process || found.claim.outcome.is_some() {
            return Ok(());
        }
        let claim = Claim {
            process: String::new(),
            tries: found.claim.tries.saturating_sub(1),
            ..found.claim
        };
        let given = self.store.update(key, bytes(&claim)?, found.revision).await;
        given.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Takes it over. `false` when another bridge did that first.
    pub(super) async fn take_over(&self, key: &str, found: &Found) -> Result<bool, String> {
        let claim = Claim {
            node: self.node.clone(),
            process: self.process.clone(),
            ..found.claim.clone()
        };
        match self.store.update(key, bytes(&claim)?, found.revision).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Notes what came of it.
    pub(super) async fn settle(&self, key: &str, outcome: &Outcome) -> Result<(), String> {
        let claim = self.claim(Some(outcome.clone()))?;
        let put = self.store.put(key, claim).await;
        put.map(|_| ()).map_err(|error| error.to_string())
    }

    pub(super) async fn read(&self, key: &str) -> Result<Option<Found>, String> {
        let entry = self.store.entry(key).await.map_err(|e| e.to_string())?;
        let Some(entry) = entry.filter(|entry| entry.operation == kv::Operation::Put) else {
            return Ok(None);
        };
        let claim = serde_json::from_slice(&entry.value)
            .map_err(|error| format!("claim {key} cannot be read: {error}"))?;
        let revision = entry.revision;
        Ok(Some(Found { claim, revision }))
    }

    fn claim(&self, outcome: Option<Outcome>) -> Result<Bytes, String> {
        bytes(&Claim {
            node: self.node.clone(),
            process: self.process.clone(),
            tries: 1,
            outcome,
        })
    }
}

fn bytes(claim: &Claim) -> Result<Bytes, String> {
    let bytes = serde_json::to_vec(claim).map_err(|error| error.to_string())?;
    Ok(bytes.into())
}

/// A key-value bucket is a stream of this form (NATS ADR-8). Made as such, because the client's own
/// way to make one asks for more than server 2.9 has.
fn config(bucket: &str, replicas: usize) -> stream::Config {
    stream::Config {
        name: Claims::stream(bucket),
        description: Some("ife-bridge: who has taken on which message".to_owned()),
        subjects: vec![format!("$KV.{bucket}.>")],
        max_messages_per_subject: 1,
        max_age: AGE_MAX,
        storage: StorageType::File,
        num_replicas: replicas,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        ..stream::Config::default()
    }
}

/// The key of a message: ids are the sender's own, and may hold anything.
pub(super) fn key(source: &str, id: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(source);
    hash.update([0]);
    hash.update(id);
    hex::text(&hash.finalize())
}

/// The first half of it, where a name is enough.
pub(super) fn short_key(source: &str, id: &str) -> String {
    key(source, id).chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_holds_nothing_of_what_a_sender_writes() {
        let names = [("a", "b.c"), ("a\0b", ".c"), ("a", "b > *"), ("ab", "c")];
        let keys: std::collections::BTreeSet<String> =
            names.iter().map(|(source, id)| key(source, id)).collect();
        assert_eq!(keys.len(), names.len());
        let is_hex = |key: &String| key.len() == 64 && key.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(keys.iter().all(is_hex));
    }
}
