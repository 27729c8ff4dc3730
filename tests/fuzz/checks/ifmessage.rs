//! Any bytes as an IFMessage: a message that parses has one canonical form, which reads back as the
//! same message, and a signature made over it verifies for that message alone.

use ife_message::{Escalate, IfMessage, PrivateKey, Received};

/// Parses, reads the escalation, and signs and verifies.
pub(crate) fn check(data: &[u8]) {
    let Ok(received) = Received::parse(data) else {
        return;
    };
    let message = received.message();
    if let Ok(escalate) = Escalate::from_message(message) {
        assert!(!escalate.hazards.is_empty());
        assert_eq!(escalate.call_id().len(), "sip-call-".len() + 16);
    }
    if let Ok(canonical) = message.to_canonical() {
        let again = Received::parse(&canonical).expect("a canonical form parses");
        assert_eq!(again.message().to_canonical().ok(), Some(canonical));
        signed(received.into_message());
    }
}

fn signed(mut message: IfMessage) {
    let key = PrivateKey::from_seed("fuzz", &[7; 32]).expect("the name is a name");
    if message.sign(&key).is_err() {
        return;
    }
    // A signature may make a message longer than one may be.
    let Some(bytes) = message.to_canonical().ok() else {
        return;
    };
    let Ok(received) = Received::parse(&bytes) else {
        return;
    };
    received
        .verify(&key.public_key())
        .expect("the signature is the key's");
    message.id.push('x');
    let other = message.to_canonical().ok();
    if let Some(other) = other.and_then(|bytes| Received::parse(&bytes).ok()) {
        assert!(other.verify(&key.public_key()).is_err());
    }
}
