//! Any bytes on the evidence channel: frames read back, no message passes that is not signed for
//! this connection in order, and a peer that signs what it likes moves a sender and a receiver only
//! within the manifest.

use std::sync::OnceLock;

use ife_evidence::manifest::FileHasher;
use ife_evidence::{
    Binding, FileEntry, Frame, Inbox, Manifest, Receiver, ReceiverOutput, Sender, SenderOutput,
};
use ife_message::{IfMessage, PrivateKey, PublicKey, Received};
use serde_json::{Map, Value};

const FILE_LEN: u64 = 300_000;
const UTC: &str = "2026-01-01T00:00:00Z";

struct Bed {
    key: PrivateKey,
    public: PublicKey,
    binding: Binding,
    manifest: Manifest,
}

fn bed() -> &'static Bed {
    static BED: OnceLock<Bed> = OnceLock::new();
    BED.get_or_init(|| {
        let key = PrivateKey::from_seed("expert-page", &[7; 32]).expect("the name is a name");
        let file = |len: u64| -> FileEntry {
            let mut hasher = FileHasher::new(len);
            hasher.update(&vec![0; usize::try_from(len).expect("small")]);
            hasher.finish("file.bin", "application/octet-stream")
        };
        Bed {
            public: key.public_key(),
            key,
            binding: Binding::new("s", "trace-0001", "sha-256 AA", "sha-256 BB"),
            manifest: Manifest::new(vec![file(FILE_LEN), file(0)]).expect("within the limits"),
        }
    })
}

/// The bytes as a binary message and as a text; and each line as the payload of a message that the
/// peer signed.
pub(crate) fn check(data: &[u8]) {
    let bed = bed();
    frame(data);
    let mut inbox = Inbox::new(bed.binding.clone(), Some(bed.public));
    assert!(inbox.open(data).is_err(), "the key signed nothing yet");
    let mut sender = Sender::new(bed.manifest.clone(), 16_000);
    let mut sequence = 0;
    for line in data.split(|b| *b == b'\n').take(64) {
        let Some(text) = sealed(bed, line, &mut sequence) else {
            continue;
        };
        let Ok(body) = inbox.open(&text) else {
            continue;
        };
        assert!(inbox.open(&text).is_err(), "a message passes once");
        if sender.handle_body(&body).is_ok() {
            drain(&mut sender);
        }
    }
}

/// A message with this payload, as a peer with the key can make it.
fn sealed(bed: &Bed, line: &[u8], sequence: &mut u64) -> Option<Vec<u8>> {
    let mut payload: Map<String, Value> = serde_json::from_slice(line).ok()?;
    payload
        .entry("binding")
        .or_insert_with(|| bed.binding.hash().into());
    *sequence += 1;
    let envelope = serde_json::json!({
        "id": format!("m{sequence}"), "timestamp": UTC, "level": 1, "source": "expert",
        "destination": "bridge", "traceId": "trace-0001", "conversation_id": "s",
        "sequence_num": sequence, "payload": payload,
    });
    let received = Received::from_value(envelope).ok()?;
    let mut message: IfMessage = received.into_message();
    message.sign(&bed.key).ok()?;
    message.to_canonical().ok()
}

fn drain(sender: &mut Sender) {
    // More chunks than the file has.
    for _ in 0..100 {
        match sender.poll() {
            None => return,
            Some(SenderOutput::Complete { .. }) => {}
            Some(SenderOutput::Read { file, offset, len }) => {
                assert!(offset + len as u64 <= FILE_LEN);
                let bytes = vec![0; len];
                let sent = sender.handle_read(file, offset, Ok(&bytes));
                assert!(sent.is_ok_and(|frame| frame.is_some()));
            }
        }
    }
    panic!("the sender sends without an end");
}

fn frame(data: &[u8]) {
    let Ok(frame) = Frame::parse(data) else {
        return;
    };
    assert_eq!(frame.to_bytes(), data);
    let mut receiver = Receiver::new(bed().manifest.clone());
    receiver.request_all();
    // The rest of the message again and again, as the pieces that follow.
    let mut offset = 0;
    for _ in 0..FILE_LEN.div_ceil(frame.data.len() as u64).min(400) {
        let piece = Frame { offset, ..frame };
        if receiver.handle_frame(piece).is_err() || receiver.handle_frame(frame).is_err() {
            break;
        }
        offset += frame.data.len() as u64;
    }
    receiver.handle_complete(frame.file);
    while let Some(output) = receiver.poll() {
        if let ReceiverOutput::Write { bytes, .. } = output {
            assert!(bytes.iter().all(|b| *b == 0), "the manifest's bytes alone");
        }
    }
}
