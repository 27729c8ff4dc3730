//! Messages of ours that JetStream stores: each once, and none is taken for stored that is not
//! there.

use async_nats::{
    HeaderMap,
    jetstream::{Context, message::Info, publish::PublishAck},
};
use axum::body::Bytes;
use ife_words::hex;
use sha2::{Digest, Sha256};

/// The header by which JetStream knows a message again.
const ID: &str = "Nats-Msg-Id";

/// A message that has arrived in a stream. A stream that is made anew begins its sequence again:
/// the time of arrival and the message's own bytes distinguish its messages from the earlier ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival<'a> {
    pub(super) stream: &'a str,
    pub(super) sequence: u64,
    pub(super) at_ns: i128,
    pub(super) body: &'a [u8],
}

impl<'a> Arrival<'a> {
    pub(super) fn new(info: &Info<'a>, body: &'a [u8]) -> Arrival<'a> {
        Arrival {
            stream: info.stream,
            sequence: info.stream_sequence,
            at_ns: info.published.unix_timestamp_nanos(),
            body,
        }
    }

    /// The id of a record about it, one for each kind.
    pub(super) fn id(&self, kind: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(kind);
        hash.update([0]);
        hash.update(self.stream);
        hash.update([0]);
        hash.update(self.sequence.to_be_bytes());
        hash.update(self.at_ns.to_be_bytes());
        hash.update(self.body);
        format!("ife-{kind}-{}", hex::text(&hash.finalize()))
    }
}

/// Stores a message, once for its id. JetStream remembers ids longer than messages: when it answers
/// that it has this one, the message is looked for, and stored without an id when it is not there
/// or not what `is_same` takes for it.
pub(super) async fn store(
    jetstream: &Context,
    subject: &str,
    headers: HeaderMap,
    body: Bytes,
    id: &str,
    is_same: impl Fn(&[u8]) -> bool,
) -> Result<(), String> {
    let mut named = headers.clone();
    named.insert(ID, id);
    let ack = send(jetstream, subject, named, body.clone()).await?;
    if ack.duplicate && !holds(jetstream, &ack, id, is_same).await {
        send(jetstream, subject, headers, body).await?;
    }
    Ok(())
}

async fn send(
    jetstream: &Context,
    subject: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Result<PublishAck, String> {
    let sent = jetstream.publish_with_headers(subject.to_owned(), headers, body);
    let ack = sent.await.map_err(|error| error.to_string())?;
    ack.await.map_err(|error| error.to_string())
}

/// Whether the stream holds the message that an acknowledgement names. One that cannot be looked at
/// counts as not there: twice is better than never.
async fn holds(
    jetstream: &Context,
    ack: &PublishAck,
    id: &str,
    is_same: impl Fn(&[u8]) -> bool,
) -> bool {
    let Ok(stream) = jetstream.get_stream_no_info(&ack.stream).await else {
        return false;
    };
    let Ok(held) = stream.get_raw_message(ack.sequence).await else {
        return false;
    };
    let held_id = held.headers.get(ID).map(|value| value.as_str());
    held_id == Some(id) && is_same(&held.payload)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_stream_made_anew_has_new_ids_and_a_redelivery_the_same() {
        let first = Arrival {
            stream: "IFCONNECT",
            sequence: 1,
            at_ns: 1_790_000_000_000_000_000,
            body: b"a",
        };
        assert_eq!(first.id("outcome"), first.id("outcome"));
        let others = [
            Arrival {
                at_ns: first.at_ns + 1,
                ..first
            },
            Arrival {
                body: b"b",
                ..first
            },
            Arrival {
                sequence: 2,
                ..first
            },
            Arrival {
                stream: "OTHER",
                ..first
            },
        ];
        let mut ids: BTreeSet<String> = others.iter().map(|other| other.id("outcome")).collect();
        ids.extend([first.id("outcome"), first.id("dead")]);
        assert_eq!(ids.len(), 6);
    }
}
