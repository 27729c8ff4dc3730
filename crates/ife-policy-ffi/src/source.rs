//! Whether a source address is a party's: for bans of addresses, never to trust a message.

use std::net::IpAddr;

use ife_guard::Now;

use crate::address::{Address, octets};
use crate::plumbing::failure::Failure;
use crate::policy::Policy;

/// Number of answers that a process keeps.
const REMEMBERED: usize = 256;
/// How long an answer is valid, milliseconds.
const HOLDS_MS: u64 = 1000;

/// Recent answers of this process, one slot for each hash of an address.
#[derive(Default)]
pub(crate) struct Answers(Vec<Option<Answer>>);

#[derive(Clone, Copy)]
struct Answer {
    ip: IpAddr,
    generation: u64,
    until_ms: u64,
    is_known: bool,
}

/// Returns true for an address of the registry's sources or contacts, and for one where a side of a
/// call under way was heard.
pub(crate) fn is_known(policy: &mut Policy, ip: IpAddr, now: Now) -> Result<bool, Failure> {
    policy.follow_registry(now);
    let generation = policy.registry.generation();
    let slot = octets(ip).iter().fold(0_usize, |hash, &b| {
        hash.wrapping_mul(31).wrapping_add(usize::from(b))
    }) % REMEMBERED;
    let remembered = policy
        .answers
        .0
        .get(slot)
        .copied()
        .flatten()
        .filter(|answer| {
            answer.ip == ip && answer.generation == generation && now.mono_ms < answer.until_ms
        });
    if let Some(answer) = remembered {
        return Ok(answer.is_known);
    }
    let image = policy.registry.image()?;
    let is_known = image.parties().any(|party| {
        let contact = party
            .contact()
            .and_then(|uri| Address::of_uri(uri.as_bytes()));
        party.calls_from(ip) || contact.is_some_and(|contact| contact.ip == Some(ip))
    }) || policy.shared.calls().is_heard(ip, now.mono_ms / 1000);
    policy.answers.0.resize(REMEMBERED, None);
    policy.answers.0[slot] = Some(Answer {
        ip,
        generation,
        until_ms: now.mono_ms + HOLDS_MS,
        is_known,
    });
    Ok(is_known)
}
