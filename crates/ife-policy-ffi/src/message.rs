//! `ife_message` in the types of the guard and the witness.

use std::net::{IpAddr, SocketAddr};

use ife_guard::{HeaderValue, Request, Transport};

use crate::abi;
use crate::address::{Malformed, Uris};
use crate::plumbing::failure::Failure;
use crate::plumbing::pointer::{self, bytes};

/// A SIP message, checked for errors of the C side. Its bytes are untrusted.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    /// `None` for a message made by this server or received over an unknown transport.
    pub(crate) transport: Option<Transport>,
    pub(crate) peer: Option<SocketAddr>,
    /// 0 for a request.
    pub(crate) status_code: u32,
    pub(crate) reason_phrase: &'a [u8],
    pub(crate) method: &'a [u8],
    pub(crate) ruri: &'a [u8],
    pub(crate) from_uri: &'a [u8],
    pub(crate) from_tag: &'a [u8],
    pub(crate) to_uri: &'a [u8],
    pub(crate) to_tag: &'a [u8],
    pub(crate) call_id: &'a [u8],
    /// Body of the first Contact header field.
    pub(crate) contact: &'a [u8],
    pub(crate) cseq: u32,
    pub(crate) trace_id: HeaderValue<'a>,
    pub(crate) hazard: HeaderValue<'a>,
    pub(crate) signature: HeaderValue<'a>,
    pub(crate) content_type: &'a [u8],
    pub(crate) body: &'a [u8],
    pub(crate) raw: &'a [u8],
    /// Route and Record-Route, from top to bottom.
    pub(crate) routes: Fields<'a>,
    pub(crate) record_routes: Fields<'a>,
    /// The other one of current and received Request-URI, if the server has changed it.
    pub(crate) other_ruri: &'a [u8],
    /// Whether any header field is one of the gate's.
    pub(crate) has_if_header: bool,
}

/// Bodies of the header fields of one name.
#[derive(Clone, Copy, Default)]
pub(crate) struct Fields<'a>(&'a [abi::ife_str]);

impl<'a> Fields<'a> {
    fn read(first: *const abi::ife_str, count: u32, what: &'static str) -> Result<Self, Failure> {
        pointer::strings(first, count, abi::IFE_ROUTES_MAX, what).map(Self)
    }

    pub(crate) fn uris(self) -> impl Iterator<Item = Result<&'a [u8], Malformed>> {
        // `read` checked the pointers.
        let fields = self
            .0
            .iter()
            .map(|field| bytes(*field, "").unwrap_or_default());
        fields.flat_map(Uris::of)
    }
}

impl<'a> Message<'a> {
    /// Reads the struct that `ptr` points at.
    pub(crate) fn read(ptr: *const abi::ife_message) -> Result<Self, Failure> {
        let msg: &'a abi::ife_message = pointer::reference(ptr, "msg")?;
        if msg.struct_size as usize != size_of::<abi::ife_message>() {
            return Err(Failure::new(
                abi::IFE_ABI_MISMATCH,
                "msg: struct_size is not that of this library",
            ));
        }
        Ok(Self {
            transport: Transport::from_number(msg.transport),
            peer: peer(msg)?,
            status_code: msg.status_code,
            reason_phrase: bytes(msg.reason_phrase, "msg.reason_phrase")?,
            method: bytes(msg.method, "msg.method")?,
            ruri: bytes(msg.ruri, "msg.ruri")?,
            from_uri: bytes(msg.from_uri, "msg.from_uri")?,
            from_tag: bytes(msg.from_tag, "msg.from_tag")?,
            to_uri: bytes(msg.to_uri, "msg.to_uri")?,
            to_tag: bytes(msg.to_tag, "msg.to_tag")?,
            call_id: bytes(msg.call_id, "msg.call_id")?,
            contact: bytes(msg.contact, "msg.contact")?,
            cseq: msg.cseq,
            trace_id: header(msg.trace_id, "msg.trace_id")?,
            hazard: header(msg.hazard, "msg.hazard")?,
            signature: header(msg.signature, "msg.signature")?,
            content_type: bytes(msg.content_type, "msg.content_type")?,
            body: bytes(msg.body, "msg.body")?,
            raw: bytes(msg.raw, "msg.raw")?,
            routes: Fields::read(msg.routes, msg.route_count, "msg.routes")?,
            record_routes: Fields::read(
                msg.record_routes,
                msg.record_route_count,
                "msg.record_routes",
            )?,
            other_ruri: bytes(msg.other_ruri, "msg.other_ruri")?,
            has_if_header: msg.if_header_count > 0,
        })
    }

    /// Returns an empty message, for an event of a call without a message.
    pub(crate) fn of_call(call_id: &'a [u8]) -> Self {
        let none = HeaderValue::Absent;
        Self {
            transport: None,
            peer: None,
            status_code: 0,
            reason_phrase: &[],
            method: &[],
            ruri: &[],
            from_uri: &[],
            from_tag: &[],
            to_uri: &[],
            to_tag: &[],
            call_id,
            contact: &[],
            cseq: 0,
            trace_id: none,
            hazard: none,
            signature: none,
            content_type: &[],
            body: &[],
            raw: &[],
            routes: Fields::default(),
            record_routes: Fields::default(),
            other_ruri: &[],
            has_if_header: false,
        }
    }

    /// Returns the request for the gates. Errors if the peer is unknown.
    pub(crate) fn request(&self) -> Result<Request<'a>, Failure> {
        if self.status_code != 0 {
            return Err(Failure::invalid(
                "msg.status_code: the gate is for requests",
            ));
        }
        let transport = self
            .transport
            .ok_or_else(|| Failure::invalid("msg.transport: not an ife_transport"))?;
        let peer = self
            .peer
            .ok_or_else(|| Failure::invalid("msg.peer_ip: not given"))?;
        Ok(Request {
            method: self.method,
            transport,
            peer,
            ruri: self.ruri,
            from: self.from_uri,
            from_tag: self.from_tag,
            to_tag: self.to_tag,
            call_id: self.call_id,
            cseq: self.cseq,
            trace_id: self.trace_id,
            hazard: self.hazard,
            signature: self.signature,
            body: self.body,
        })
    }
}

fn header<'a>(header: abi::ife_header, what: &'static str) -> Result<HeaderValue<'a>, Failure> {
    Ok(HeaderValue::new(header.count, bytes(header.value, what)?))
}

fn peer(msg: &abi::ife_message) -> Result<Option<SocketAddr>, Failure> {
    let text = pointer::utf8(msg.peer_ip, "msg.peer_ip")?;
    if text.is_empty() {
        return Ok(None);
    }
    let ip: IpAddr = text
        .parse()
        .map_err(|_| Failure::invalid("msg.peer_ip: not an IP address"))?;
    let port =
        u16::try_from(msg.peer_port).map_err(|_| Failure::invalid("msg.peer_port: over 65535"))?;
    Ok(Some(SocketAddr::new(ip, port)))
}
