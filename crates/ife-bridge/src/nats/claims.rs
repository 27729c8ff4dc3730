//! Which bridge has taken on which message, and what came of it: a key-value bucket of JetStream that all bridges of a consumer share.

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    kv::{self, CreateErrorKind, Store, UpdateErrorKind},
    stream::{self, DiscardPolicy, StorageType},
};
use sha2::{Digest, Sha256};

use super::{decide::Claim, outcome::Outcome};

/// How long a claim is kept: longer than a message's timestamp lets it in, and than a bridge is away.
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// The bucket.
#[derive(Debug, Clone)]
pub(super) struct Claims {
    store: Store,
    node: String,
}

/// A claim that was there.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) claim: Claim,
    revision: u64,
}

impl Claims {
    /// Name of the bucket of a consumer.
    pub(super) fn bucket(consumer: &str) -> String {
        format!("ife-claims-{consumer}")
    }

    /// Opens the bucket, made like the stream it belongs to when it is not there.
    pub(super) async fn open(
        jetstream: &Context,
        consumer: &str,
        node: &str,
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
        let node = node.to_owned();
        Ok(Claims { store, node })
    }

    /// Takes a message on. `None`: it is ours now; otherwise who had it first.
    pub(super) async fn take(&self, key: &str) -> Result<Option<Found>, String> {
        match self.store.create(key, self.claim(None)?.into()).await {
            Ok(_) => Ok(None),
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => self.read(key).await,
            Err(error) => Err(error.to_string()),
        }
    }

    /// Takes it over. `false` when somebody else did that first.
    pub(super) async fn take_over(&self, key: &str, found: &Found) -> Result<bool, String> {
        let claim = self.claim(None)?.into();
        match self.store.update(key, claim, found.revision).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Notes what came of it.
    pub(super) async fn settle(&self, key: &str, outcome: &Outcome) -> Result<(), String> {
        let claim = self.claim(Some(outcome.clone()))?;
        let put = self.store.put(key, claim.into()).await;
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

    fn claim(&self, outcome: Option<Outcome>) -> Result<Vec<u8>, String> {
        let node = self.node.clone();
        serde_json::to_vec(&Claim { node, outcome }).map_err(|error| error.to_string())
    }
}

/// A key-value bucket is a stream of this form (NATS ADR-8). Made as such, because the client's own way to make one asks for more than server 2.9 can tell.
fn config(bucket: &str, replicas: usize) -> stream::Config {
    stream::Config {
        name: format!("KV_{bucket}"),
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
    let hex = hash.finalize();
    hex.iter().map(|byte| format!("{byte:02x}")).collect()
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
