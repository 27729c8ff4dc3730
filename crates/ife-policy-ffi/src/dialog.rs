//! Dialogs (RFC 3261 12): whose request it is, where it goes, and what a message says about its sender.
//!
//! Nothing here follows what a stranger chose: a Contact or a Record-Route decides only where its own sender is reached,
//! and only at an address where that side was heard or that the registry names for it. No name is resolved.

use std::net::{IpAddr, SocketAddr};

use ife_guard::image::{Party as RegistryParty, PartyKind};
use ife_guard::network::canonical;
use ife_guard::{Direction, Image, Transport};
use ife_message::Aor;

use crate::address::{Address, Uris};
use crate::message::Message;
use crate::plumbing::own::Own;
use crate::policy::Policy;
use crate::shared::calls::{Call, Dialog, Known, NextHop, Place, Side, Tags};

/// Longest route set of one side.
const ROUTES_MAX: usize = 16;

/// Methods that have business in an approved dialog, and whether each refreshes the remote target (RFC 3261 12.2).
const METHODS: [(&[u8], bool); 7] = [
    (b"INVITE", true),
    (b"ACK", false),
    (b"BYE", false),
    (b"UPDATE", true),
    (b"PRACK", false),
    (b"INFO", false),
    (b"OPTIONS", false),
];

/// Why a request of an approved dialog goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It does not come from where its sender is known.
    Source,
    /// Its Request-URI or Route names what the other side never gave.
    Target,
    /// It is addressed to this server itself.
    Loop,
    /// Its method has no business here.
    Method,
}

impl Stop {
    /// Code, public reason and private detail of the refusal.
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

/// What a message says about its sender, beside where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lesson {
    /// Nothing.
    Source,
    /// Its Contact is the remote target.
    Target,
    /// The same, and its Record-Route is the route set: of an INVITE that begins a call, of the replies to it.
    RouteSet,
}

/// Decides where a request of an approved dialog goes.
pub(crate) fn route(
    policy: &Policy,
    image: Option<&Image<'_>>,
    msg: &Message<'_>,
    place: Place,
    call: &Call,
    dialog: Dialog,
) -> Result<NextHop, Stop> {
    let calls = policy.shared.calls();
    let Some((method, _)) = METHODS.iter().find(|(method, _)| *method == msg.method) else {
        return Err(Stop::Method);
    };
    let peer = msg.peer.ok_or(Stop::Source)?;
    let is_known = calls
        .party(place, dialog.from())
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
    let other = calls.party(place, dialog.to());
    let (target, routes) = destination(&policy.options.own, msg)?;
    if !other.has_target(target.hash(calls.key())) {
        return Err(Stop::Target);
    }
    // A request without the route set is taken: the next hop is the dialog's in any case.
    let routes = route_set_hash(policy, &routes);
    if routes != 0 && routes != other.routes() {
        return Err(Stop::Target);
    }
    other.next_hop().ok_or(Stop::Target)
}

/// What a request of a dialog teaches about its sender.
pub(crate) fn lesson_of_request(method: &[u8]) -> Lesson {
    if METHODS.contains(&(method, true)) {
        Lesson::Target
    } else {
        Lesson::Source
    }
}

/// Notes what `msg` says about `side`, its sender.
pub(crate) fn learn(
    policy: &Policy,
    image: Option<&Image<'_>>,
    msg: &Message<'_>,
    (place, call): (Place, &Call),
    side: Side,
    lesson: Lesson,
) {
    let (Some(peer), Some(transport)) = (msg.peer, msg.transport) else {
        return;
    };
    let calls = policy.shared.calls();
    let party = calls.party(place, side);
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
    // What the side speaks is better known than what its Contact says: a proxy's Record-Route may change the transport.
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

/// May `msg`, a reply that belongs to no transaction, go to `via`?
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
    let Some((place, _, dialog)) = calls.find_dialog(msg.call_id, tags, now_s) else {
        return false;
    };
    let heard = |side, ip| calls.party(place, side).knows(canonical(ip)) == Known::Heard;
    heard(dialog.to(), peer.ip()) && heard(dialog.from(), via)
}

/// May `msg`, a reply that does not come from where its request was sent, be taken for an answer?
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
    if let Some((place, call, dialog)) = calls.find_dialog(msg.call_id, tags, now_s) {
        let party = calls.party(place, dialog.to());
        return party.knows(peer) == Known::Heard || is_vouched(&call, dialog.to());
    }
    match calls.find_caller(msg.call_id, msg.from_tag, now_s) {
        // A phone that has not answered before: any callee of the call.
        Some((_, call)) => is_vouched(&call, Side::Callee(0)),
        None => calls.find_call_id(msg.call_id, now_s).is_none(),
    }
}

/// The first Contact.
fn contact<'a>(msg: &Message<'a>) -> Option<Address<'a>> {
    Address::of_uri(Uris::of(msg.contact).next()?.ok()?)
}

/// Remote target and route set of a request within a dialog, without this server's own routes. What a strict router sent
/// has the target as its last Route (RFC 3261 16.4).
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

/// The route set that `msg` sets towards its sender, nearest first: of a request all its Record-Route, of a reply what
/// stands above this server's own.
fn record_routes<'a>(own: &Own, msg: &Message<'a>) -> Option<Vec<Address<'a>>> {
    let mut routes = addresses(msg.record_routes.uris())?;
    if msg.status_code != 0 {
        let ours = routes.iter().position(|route| own.is(route))?;
        routes.truncate(ours);
        routes.reverse();
    }
    Some(routes)
}

/// `None` if one is no SIP URI, or there are too many.
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

/// 0 for an empty one.
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

/// Is it reached over the transport that its side speaks? Without one named, only where that is UDP: the way back over
/// another is the connection that the side opened.
fn is_spoken(contact: &Address<'_>, heard: Transport) -> bool {
    contact.transport.unwrap_or(Transport::Udp) == heard
}

/// The hop that an address names; `None` for a name and for an address that is not allowed.
fn named_hop(address: &Address<'_>, is_allowed: impl Fn(IpAddr) -> bool) -> Option<NextHop> {
    let ip = address.ip.filter(|ip| is_allowed(*ip))?;
    Some(NextHop {
        address: SocketAddr::new(ip, address.port),
        transport: address.transport.unwrap_or(Transport::Udp),
        is_named: true,
    })
}

/// Does the registry name `ip` for the sender of `msg`: as one of its sources, or as its contact?
fn vouches(image: &Image<'_>, msg: &Message<'_>, call: &Call, side: Side, ip: IpAddr) -> bool {
    registry_party(image, msg, call, side).is_some_and(|party| {
        let contact = party
            .contact()
            .and_then(|uri| Address::of_uri(uri.as_bytes()));
        party.calls_from(ip) || contact.is_some_and(|contact| contact.ip == Some(ip))
    })
}

/// The registry's entry of `side`, which sent `msg`: the call's expert, or the council whose address the message bears.
fn registry_party<'i>(
    image: &Image<'i>,
    msg: &Message<'_>,
    call: &Call,
    side: Side,
) -> Option<RegistryParty<'i>> {
    let is_expert = match call.direction {
        Direction::ToExpert => side != Side::Caller,
        Direction::ToCouncil => side == Side::Caller,
        Direction::Unknown => return None,
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
