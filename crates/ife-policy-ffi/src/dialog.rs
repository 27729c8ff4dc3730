//! Dialogs (RFC 3261 12): the sender of a request, its next hop, and the lesson of a message about
//! its sender.
//!
//! A Contact or a Record-Route decides only where its own sender is reached, and only at an address
//! where that side was heard or that the registry names for it. No name is resolved.

use std::net::{IpAddr, SocketAddr};

use ife_guard::image::{Party as RegistryParty, PartyKind};
use ife_guard::network::canonical;
use ife_guard::{Direction, Image, Transport};
use ife_message::Aor;

use crate::address::{Address, Uris};
use crate::message::Message;
use crate::plumbing::own::Own;
use crate::policy::Policy;
use crate::shared::calls::{Call, CallRef, Dialog, Known, NextHop, Side, Tags};

/// Longest route set of one side.
const ROUTES_MAX: usize = 16;

/// Methods permitted in a dialog, and whether each refreshes the remote target (RFC 3261 12.2).
const METHODS: [(&[u8], bool); 7] = [
    (b"INVITE", true),
    (b"ACK", false),
    (b"BYE", false),
    (b"UPDATE", true),
    (b"PRACK", false),
    (b"INFO", false),
    (b"OPTIONS", false),
];

/// Reasons to refuse a request of an approved dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The source is not an address of its sender.
    Source,
    /// Request-URI or Route name an address that the other side never gave.
    Target,
    /// The target is this server.
    Loop,
    /// The method is not permitted in a dialog.
    Method,
}

impl Stop {
    /// Returns code, public reason and private detail of the refusal.
    pub(crate) fn refusal(self) -> (u16, &'static str, &'static str) {
        const NO_PARTY: &str = "Not A Party Of This Call";
        match self {
            Self::Source => (403, NO_PARTY, "the sender is not known at this address"),
            Self::Target => (
                403,
                NO_PARTY,
                "Request-URI or Route names no address of the other side",
            ),
            Self::Loop => (482, "Loop Detected", "the Request-URI names this server"),
            Self::Method => (
                405,
                "Method Not Allowed",
                "the method has no business in this dialog",
            ),
        }
    }
}

/// The part of a message from which its sender's party learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lesson {
    /// The source address only.
    Source,
    /// The Contact too: the remote target.
    Target,
    /// The Contact and the Record-Route, which is the route set: of an INVITE that begins a call,
    /// and of the replies to it.
    RouteSet,
}

/// Decides where a request of an approved dialog goes.
pub(crate) fn route(
    policy: &Policy,
    image: Option<&Image<'_>>,
    msg: &Message<'_>,
    call_ref: CallRef,
    call: &Call,
    dialog: Dialog,
) -> Result<NextHop, Stop> {
    let calls = policy.shared.calls();
    let Some((method, _)) = METHODS.iter().find(|(method, _)| *method == msg.method) else {
        return Err(Stop::Method);
    };
    let peer = msg.peer.ok_or(Stop::Source)?;
    let is_known = calls
        .party(call_ref, dialog.from())
        .knows(canonical(peer.ip()))
        != Known::No;
    let may_move = || {
        *method == b"INVITE"
            && image.is_some_and(|image| {
                let party = registry_party(image, msg, call, dialog.from());
                party.is_some_and(|party| {
                    party.calls_from(peer.ip()) && msg.transport.is_some_and(|t| party.allows(t))
                })
            })
    };
    if !is_known && !may_move() {
        return Err(Stop::Source);
    }
    let other = calls.party(call_ref, dialog.to());
    let (target, routes) = destination(&policy.options.own, msg)?;
    if !other.has_target(target.hash(calls.key())) {
        return Err(Stop::Target);
    }
    // A request without the route set is accepted: the next hop is the dialog's in any case.
    let routes = route_set_hash(policy, &routes);
    if routes != 0 && routes != other.routes() {
        return Err(Stop::Target);
    }
    other.next_hop().ok_or(Stop::Target)
}

/// Returns the lesson of a request in a dialog.
pub(crate) fn lesson_of_request(method: &[u8]) -> Lesson {
    if METHODS.contains(&(method, true)) {
        Lesson::Target
    } else {
        Lesson::Source
    }
}

/// Notes the lesson of `msg` about `side`, its sender.
pub(crate) fn learn(
    policy: &Policy,
    image: Option<&Image<'_>>,
    msg: &Message<'_>,
    (call_ref, call): (CallRef, &Call),
    side: Side,
    lesson: Lesson,
) {
    let (Some(peer), Some(transport)) = (msg.peer, msg.transport) else {
        return;
    };
    let calls = policy.shared.calls();
    let party = calls.party(call_ref, side);
    let peer = SocketAddr::new(canonical(peer.ip()), peer.port());
    party.hear(peer.ip());
    let heard = NextHop {
        address: peer,
        transport,
        is_named: false,
    };
    let before = party.next_hop();
    let own = &policy.options.own;
    let contact = contact(msg).filter(|contact| !own.is(contact));
    if lesson != Lesson::Source
        && let Some(contact) = &contact
    {
        party.learn_target(contact.hash(calls.key()));
        if let Some(ip) = contact.ip {
            party.announce(ip);
        }
    }
    // The transport observed outranks the Contact's, which a proxy's Record-Route may change.
    let contact = contact.filter(|contact| is_spoken(contact, transport));
    let named = match lesson {
        Lesson::Source => None,
        Lesson::Target if party.routes() != 0 => None,
        Lesson::Target => contact,
        Lesson::RouteSet => {
            let routes = record_routes(own, msg).unwrap_or_default();
            party.set_routes(route_set_hash(policy, &routes));
            routes.first().copied().or(contact)
        }
    };
    let is_allowed = |ip: IpAddr| {
        party.knows(ip) == Known::Heard
            || image.is_some_and(|image| vouches(image, msg, call, side, ip))
    };
    let named = named.and_then(|address| named_hop(&address, is_allowed));
    let is_kept = match lesson {
        Lesson::Source => true,
        Lesson::Target => party.routes() != 0,
        Lesson::RouteSet => false,
    };
    let kept = before.filter(|hop| hop.is_named && is_kept);
    let hop = named.or(kept).unwrap_or(heard);
    if Some(hop) != before {
        party.set_next_hop(hop);
    }
}

/// Returns whether `msg`, a reply that belongs to no transaction, may go to `via`.
pub(crate) fn may_reply(policy: &Policy, msg: &Message<'_>, via: IpAddr, now_s: u64) -> bool {
    let calls = policy.shared.calls();
    let tags = Tags {
        from: msg.from_tag,
        to: msg.to_tag,
    };
    let is_answer = (200..300).contains(&msg.status_code) && msg.method == b"INVITE";
    let (Some(peer), true) = (msg.peer, is_answer) else {
        return false;
    };
    let Some((call_ref, _, dialog)) = calls.find_dialog(msg.call_id, tags, now_s) else {
        return false;
    };
    let heard = |side, ip| calls.party(call_ref, side).knows(canonical(ip)) == Known::Heard;
    heard(dialog.to(), peer.ip()) && heard(dialog.from(), via)
}

/// Returns whether `msg`, a reply from another address than its request was sent to, is accepted.
pub(crate) fn may_answer(policy: &Policy, msg: &Message<'_>, now_s: u64) -> bool {
    let calls = policy.shared.calls();
    let Some(peer) = msg.peer.map(|peer| canonical(peer.ip())) else {
        return false;
    };
    let tags = Tags {
        from: msg.from_tag,
        to: msg.to_tag,
    };
    let image = policy.registry.image().ok();
    let is_vouched = |call: &Call, side| {
        let image = image.as_ref();
        image.is_some_and(|image| vouches(image, msg, call, side, peer))
    };
    if let Some((call_ref, call, dialog)) = calls.find_dialog(msg.call_id, tags, now_s) {
        let party = calls.party(call_ref, dialog.to());
        return party.knows(peer) == Known::Heard || is_vouched(&call, dialog.to());
    }
    match calls.find_caller(msg.call_id, msg.from_tag, now_s) {
        // A phone that has not answered before is any callee of the call.
        Some((_, call)) => is_vouched(&call, Side::Callee(0)),
        None => calls.find_call_id(msg.call_id, now_s).is_none(),
    }
}

fn contact<'a>(msg: &Message<'a>) -> Option<Address<'a>> {
    Address::of_uri(Uris::of(msg.contact).next()?.ok()?)
}

/// Returns remote target and route set of a request within a dialog, without this server's own
/// routes. A request from a strict router has the target as its last Route (RFC 3261 16.4).
fn destination<'a>(own: &Own, msg: &Message<'a>) -> Result<(Address<'a>, Vec<Address<'a>>), Stop> {
    let mut routes = addresses(msg.routes.uris()).ok_or(Stop::Target)?;
    let first = routes.iter().position(|route| !own.is(route));
    routes.drain(..first.unwrap_or(routes.len()));
    let target = Address::of_uri(msg.ruri).ok_or(Stop::Target)?;
    if !own.is(&target) {
        return Ok((target, routes));
    }
    let target = routes.pop().ok_or(Stop::Loop)?;
    Ok((target, routes))
}

/// Returns the route set towards the sender of `msg`, nearest hop first: all Record-Route of a
/// request; of a reply, those above this server's own.
fn record_routes<'a>(own: &Own, msg: &Message<'a>) -> Option<Vec<Address<'a>>> {
    let mut routes = addresses(msg.record_routes.uris())?;
    if msg.status_code != 0 {
        let ours = routes.iter().position(|route| own.is(route))?;
        routes.truncate(ours);
        routes.reverse();
    }
    Some(routes)
}

/// Returns the addresses; `None` if one is no SIP URI, or there are too many.
fn addresses<'a, E>(uris: impl Iterator<Item = Result<&'a [u8], E>>) -> Option<Vec<Address<'a>>> {
    let mut all = Vec::new();
    for uri in uris {
        if all.len() == ROUTES_MAX {
            return None;
        }
        all.push(Address::of_uri(uri.ok()?)?);
    }
    Some(all)
}

/// Returns the hash of a route set; 0 for an empty one.
fn route_set_hash(policy: &Policy, routes: &[Address<'_>]) -> u64 {
    if routes.is_empty() {
        return 0;
    }
    let key = policy.shared.calls().key();
    let hashes = routes
        .iter()
        .flat_map(|route| route.hash(key).to_le_bytes());
    key.hash(&hashes.collect::<Vec<_>>()).low | 1
}

/// Returns whether `contact` is reached over the transport of its side. A Contact without a
/// transport counts for UDP only: over other transports the way back is the connection that the
/// side opened.
fn is_spoken(contact: &Address<'_>, heard: Transport) -> bool {
    contact.transport.unwrap_or(Transport::Udp) == heard
}

/// Returns the hop of an address; `None` for a name and for an address that is not allowed.
fn named_hop(address: &Address<'_>, is_allowed: impl Fn(IpAddr) -> bool) -> Option<NextHop> {
    let ip = address.ip.filter(|ip| is_allowed(*ip))?;
    Some(NextHop {
        address: SocketAddr::new(ip, address.port),
        transport: address.transport.unwrap_or(Transport::Udp),
        is_named: true,
    })
}

/// Returns whether the registry names `ip` for the sender of `msg`, as a source or as its contact.
fn vouches(image: &Image<'_>, msg: &Message<'_>, call: &Call, side: Side, ip: IpAddr) -> bool {
    registry_party(image, msg, call, side).is_some_and(|party| {
        let contact = party
            .contact()
            .and_then(|uri| Address::of_uri(uri.as_bytes()));
        party.calls_from(ip) || contact.is_some_and(|contact| contact.ip == Some(ip))
    })
}

/// Returns the registry's party of `side`, which sent `msg`: the call's expert, or the council
/// whose address the message bears.
fn registry_party<'i>(
    image: &Image<'i>,
    msg: &Message<'_>,
    call: &Call,
    side: Side,
) -> Option<RegistryParty<'i>> {
    let is_expert = match call.direction? {
        Direction::ToExpert => side != Side::Caller,
        Direction::ToCouncil => side == Side::Caller,
    };
    if is_expert {
        return image.expert(&call.expert);
    }
    let uri = if msg.status_code == 0 {
        msg.from_uri
    } else {
        msg.to_uri
    };
    let party = image.party_of(&Aor::parse(uri).ok()?)?;
    (party.kind() == PartyKind::Council).then_some(party)
}
