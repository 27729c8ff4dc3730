//! Refusals of an overloaded server.
#![allow(unsafe_code)]

use std::net::{IpAddr, SocketAddr};

use ife_guard::network::canonical;

use super::on_policy;
use crate::abi;
use crate::overload;
use crate::plumbing::failure::Failure;
use crate::plumbing::pointer;

/// See `if_policy.h`.
///
/// # Safety
/// `datagram`, `peer_ip`, `out_len` and `err` are NULL or valid as the header requires; `buf` has
/// room for `buf_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_overload_reply(
    policy: *mut abi::ife_policy,
    datagram: abi::ife_str,
    peer_ip: abi::ife_str,
    peer_port: u32,
    buf: *mut core::ffi::c_char,
    buf_len: usize,
    out_len: *mut usize,
    err: *mut abi::ife_error,
) -> abi::ife_result {
    on_policy(policy, err, |policy| {
        let datagram = pointer::bytes(datagram, "datagram")?;
        let ip: IpAddr = pointer::utf8(peer_ip, "peer_ip")?
            .parse()
            .map_err(|_| Failure::invalid("peer_ip: not an IP address"))?;
        let port =
            u16::try_from(peer_port).map_err(|_| Failure::invalid("peer_port: over 65535"))?;
        pointer::check_output(out_len, "out_len")?;
        if buf_len < abi::IFE_OVERLOAD_REPLY_SIZE as usize {
            return Err(Failure::new(
                abi::IFE_BUFFER_TOO_SMALL,
                "buf_len: less than IFE_OVERLOAD_REPLY_SIZE",
            ));
        }
        let reply = overload::reply(policy, datagram, SocketAddr::new(canonical(ip), port))?;
        pointer::write_text(&reply, buf, buf_len, out_len)
    })
}
