//! The input of the gate: one SIP request, as raw bytes.

use std::net::SocketAddr;

/// One SIP request as received. Every byte string is untrusted.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Request method, for example `INVITE`.
    pub method: &'a [u8],
    /// Transport of the request.
    pub transport: Transport,
    /// Source address and port of the request (not those of Via or Contact).
    pub peer: SocketAddr,
    /// Request-URI: the real target of the call.
    pub ruri: &'a [u8],
    /// URI of the From header: the caller.
    pub from: &'a [u8],
    /// Tag of the From header.
    pub from_tag: &'a [u8],
    /// Tag of the To header; empty outside a dialog.
    pub to_tag: &'a [u8],
    /// Body of the Call-ID header.
    pub call_id: &'a [u8],
    /// Number of the CSeq header.
    pub cseq: u32,
    /// `X-IF-Trace-ID`.
    pub trace_id: HeaderValue<'a>,
    /// `X-IF-Hazard`.
    pub hazard: HeaderValue<'a>,
    /// `X-IF-Signature`.
    pub signature: HeaderValue<'a>,
    /// Message body, empty when there is none.
    pub body: &'a [u8],
}

/// One header field as found in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderValue<'a> {
    /// Not in the request.
    Absent,
    /// Exactly once: everything between the colon and the final CRLF, folding included.
    One(&'a [u8]),
    /// This many times, two or more.
    Many(u32),
}

impl<'a> HeaderValue<'a> {
    /// Returns the value for a count and the body of the first occurrence.
    #[must_use]
    pub fn new(count: u32, first: &'a [u8]) -> Self {
        match count {
            0 => Self::Absent,
            1 => Self::One(first),
            many => Self::Many(many),
        }
    }
}

ife_words::words! {
    /// SIP transport. The numbers are those of `ife_transport` in `if_policy.h`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[repr(u8)]
    pub enum Transport {
        /// RFC 3261 over UDP.
        Udp(1) = "udp",
        /// RFC 3261 over TCP.
        Tcp(2) = "tcp",
        /// RFC 3261 over TLS.
        Tls(3) = "tls",
        /// RFC 4168.
        Sctp(4) = "sctp",
        /// RFC 7118 over plain WebSocket.
        Ws(5) = "ws",
        /// RFC 7118 over secure WebSocket.
        Wss(6) = "wss",
    }
}

impl Transport {
    /// Returns the transport of a number of `ife_transport`.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|t| *t as u32 == number)
    }

    /// Returns one bit per transport, for sets.
    pub(crate) fn bit(self) -> u8 {
        1 << (self as u8)
    }
}
