//! Messages that are none of the gate's business: with `IFE_SCOPE_REGISTRY` those that concern no
//! party of the registry and no approved call.

use ife_guard::{HeaderValue, Image, scope};

use crate::abi;
use crate::message::Message;
use crate::plumbing::failure::Failure;
use crate::policy::Policy;

/// Returns whether the gate decides on `msg`, a message of no approved call.
pub(crate) fn is_for_gate(policy: &Policy, image: &Image<'_>, msg: &Message<'_>) -> bool {
    let options = &policy.options;
    if !options.registry_only {
        return true;
    }
    // The script may give values that the message does not carry.
    let values = [msg.trace_id, msg.hazard, msg.signature];
    let has_header = msg.has_if_header || values.iter().any(|value| *value != HeaderValue::Absent);
    // The gates read the target. A Route may be one too; one that is malformed is none.
    let targets = [msg.ruri, msg.other_ruri]
        .into_iter()
        .chain(msg.routes.uris().flatten());
    scope::concerns(image, has_header, msg.from_uri, targets, |host| {
        options.own.is_host(host)
    })
}

/// Returns the answer about a message that is not for the gate.
pub(crate) fn not_for_gate() -> Failure {
    Failure::new(
        abi::IFE_NOT_FOR_GATE,
        "the message concerns no party of the registry",
    )
}
