//! New calls that an overloaded server refuses before it parses them, and the ACKs of these
//! refusals.
//!
//! A refusal by the script parses every header field first, which under overload takes the time of
//! calls that could be served. What is refused here must be plain: a request that is unusual in any
//! way, of a stranger, or of a call that the gate knows, takes the usual way. So does a refusal
//! that the log has an entry for.

mod head;

use std::fmt::Write;
use std::net::SocketAddr;

use ife_guard::Now;

use crate::abi;
use crate::plumbing::failure::Failure;
use crate::policy::Policy;
use crate::shared::counters::Counter;
use crate::source;
use crate::sys;
use head::{Head, Method};

/// Returns the reply to a datagram from `peer`, empty for an ACK, which has none; `IFE_NOT_FOUND`
/// if the server must handle the datagram.
pub(crate) fn reply(
    policy: &mut Policy,
    datagram: &[u8],
    peer: SocketAddr,
) -> Result<String, Failure> {
    policy.check_attached()?;
    let head = Head::parse(datagram).ok_or_else(not_for_this)?;
    let (now, unix_ns) = sys::now();
    match head.method {
        Method::Ack if head.is_ack_of(&own_tag(policy, &head)) => Ok(String::new()),
        Method::Invite if may_refuse(policy, &head, peer, now)? => {
            let tag = own_tag(policy, &head);
            let reply = refusal(&head, peer, &tag).ok_or_else(not_for_this)?;
            policy.shared.refusals().omit(now, unix_ns);
            policy.count(Counter::RefusalsOmitted);
            policy.count(Counter::OverloadRefused);
            Ok(reply)
        }
        Method::Ack | Method::Invite => Err(not_for_this()),
    }
}

/// Returns true for a new call of a party whose refusal would only be counted.
fn may_refuse(
    policy: &mut Policy,
    head: &Head<'_>,
    peer: SocketAddr,
    now: Now,
) -> Result<bool, Failure> {
    // Calls that are not for the gate, or pass in shadow mode, leave no record: their INVITEs that
    // are sent again would be taken for new ones.
    if policy.options.registry_only || policy.options.shadow || !head.may_begin_call() {
        return Ok(false);
    }
    Ok(source::is_known(policy, peer.ip(), now)?
        && !policy
            .shared
            .calls()
            .is_held(head.call_id.as_bytes(), now.mono_ms / 1000)
        && policy.would_omit_refusal(peer.ip(), now))
}

/// Returns the tag of the refusals of a Call-ID: the same each time (RFC 3261 8.2.7), and unknown
/// to others.
fn own_tag(policy: &Policy, head: &Head<'_>) -> String {
    let hash = policy.shared.calls().key().hash(head.call_id.as_bytes());
    format!("{}{:016x}", tag_prefix(), hash.high)
}

fn tag_prefix() -> &'static str {
    abi::IFE_OVERLOAD_TAG.to_str().unwrap_or_default()
}

/// Returns the 503 to the source address of the request (RFC 3581), `None` for an unusual Via.
fn refusal(head: &Head<'_>, peer: SocketAddr, tag: &str) -> Option<String> {
    let mut reply = String::with_capacity(1024);
    reply.push_str("SIP/2.0 503 Overloaded\r\n");
    let (top, others) = head.vias().split_first()?;
    write_top_via(&mut reply, top, peer)?;
    for via in others {
        line(&mut reply, "Via", via);
    }
    line(&mut reply, "From", head.from);
    write!(reply, "To: {};tag={tag}\r\n", head.to).ok()?;
    line(&mut reply, "Call-ID", head.call_id);
    line(&mut reply, "CSeq", head.cseq);
    reply.push_str("Retry-After: 5\r\nContent-Length: 0\r\n\r\n");
    Some(reply)
}

fn line(reply: &mut String, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        reply.push_str(part);
    }
}

/// Writes the Via of the sender with the address that the reply goes to.
fn write_top_via(reply: &mut String, via: &str, peer: SocketAddr) -> Option<()> {
    let mut parts = via.split(';').map(str::trim);
    reply.push_str("Via: ");
    reply.push_str(parts.next()?);
    for part in parts {
        let name = part.split('=').next().unwrap_or_default().trim_end();
        if name.eq_ignore_ascii_case("rport") && !part.contains('=') {
            continue;
        }
        if name.eq_ignore_ascii_case("rport") || name.eq_ignore_ascii_case("received") {
            return None;
        }
        reply.push(';');
        reply.push_str(part);
    }
    let (ip, port) = (peer.ip(), peer.port());
    write!(reply, ";received={ip};rport={port}\r\n").ok()
}

fn not_for_this() -> Failure {
    Failure::new(abi::IFE_NOT_FOUND, "the server must handle the datagram")
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:e@advisor SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bK-1;rport\r\n\
        v: SIP/2.0/UDP 192.0.2.8;branch=z9hG4bK-0\r\nMax-Forwards: 70\r\n\
        f: \"Council; tags\" <sip:c@council>;tag=1\r\nTo : <sip:e@advisor>\r\n\
        Call-ID: a@b\r\nCSeq: 7 INVITE\r\n\r\n";

    #[test]
    fn a_refusal_goes_back_the_way_of_the_request() {
        let head = Head::parse(INVITE.as_bytes()).expect("a plain INVITE");
        let peer = "198.51.100.1:1024".parse().expect("an address");
        assert_eq!(
            refusal(&head, peer, "x").expect("a refusal"),
            "SIP/2.0 503 Overloaded\r\n\
             Via: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bK-1;received=198.51.100.1;rport=1024\r\n\
             Via: SIP/2.0/UDP 192.0.2.8;branch=z9hG4bK-0\r\n\
             From: \"Council; tags\" <sip:c@council>;tag=1\r\nTo: <sip:e@advisor>;tag=x\r\n\
             Call-ID: a@b\r\nCSeq: 7 INVITE\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn no_byte_of_a_request_adds_a_line_to_the_reply() {
        let peer = "198.51.100.1:1024".parse().expect("an address");
        for at in 0..INVITE.len() {
            for byte in (0..=0x20).chain([b':', b';', b',', b'"', 0x7f, 0x80, 0xff]) {
                let mut changed = INVITE.as_bytes().to_vec();
                changed[at] = byte;
                let head = Head::parse(&changed);
                let Some(reply) = head.and_then(|head| refusal(&head, peer, "x")) else {
                    continue;
                };
                let names: Vec<_> = reply.split("\r\n").map(|l| l.split(':').next()).collect();
                let [
                    Some("SIP/2.0 503 Overloaded"),
                    Some("Via"),
                    ..,
                    Some(""),
                    Some(""),
                ] = names[..]
                else {
                    panic!("{reply}");
                };
                assert!(names.len() <= 11, "{reply}");
                assert!(
                    !reply.replace("\r\n", "").contains(['\r', '\n', '\0']),
                    "{reply}"
                );
            }
        }
    }

    #[test]
    fn an_address_that_the_sender_claims_to_have_been_told_is_not_sent_on() {
        let peer = "[2001:db8::1]:5060".parse().expect("an address");
        for (via, expected) in [
            (
                "SIP/2.0/UDP h;branch=b",
                Some("SIP/2.0/UDP h;branch=b;received=2001:db8::1;rport=5060"),
            ),
            (
                "SIP/2.0/UDP h ; RPORT ; branch=b",
                Some("SIP/2.0/UDP h;branch=b;received=2001:db8::1;rport=5060"),
            ),
            ("SIP/2.0/UDP h;rport=9;branch=b", None),
            ("SIP/2.0/UDP h;received=192.0.2.1;branch=b", None),
        ] {
            let mut out = String::new();
            let written = write_top_via(&mut out, via, peer).map(|()| out);
            assert_eq!(
                written,
                expected.map(|text| format!("Via: {text}\r\n")),
                "{via}"
            );
        }
    }
}
