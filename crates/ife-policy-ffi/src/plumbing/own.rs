//! The server's own addresses, known through its callback.
#![allow(unsafe_code)]

use core::ffi::c_void;

use crate::abi;
use crate::address::Address;

/// The callback of `ife_options`, if any.
#[derive(Clone, Copy)]
pub(crate) struct Own {
    callback: abi::ife_is_own_callback,
    context: *mut c_void,
}

impl Own {
    pub(crate) fn new(callback: abi::ife_is_own_callback, context: *mut c_void) -> Self {
        Self { callback, context }
    }

    /// Returns true if requests to this address reach this server.
    pub(crate) fn is(&self, address: &Address<'_>) -> bool {
        self.asks(address.host, address.port)
    }

    /// Returns true if this server has the host at any port. An IPv6 address may have brackets.
    pub(crate) fn is_host(&self, host: &[u8]) -> bool {
        let bare = host.strip_prefix(b"[").and_then(|h| h.strip_suffix(b"]"));
        self.asks(bare.unwrap_or(host), 0)
    }

    fn asks(&self, host: &[u8], port: u16) -> bool {
        let Some(callback) = self.callback else {
            return false;
        };
        let host = abi::ife_str {
            ptr: host.as_ptr().cast(),
            len: host.len(),
        };
        // Two listeners may differ in the transport alone, and both are this server.
        let (port, any_transport) = (u32::from(port), 0);
        // SAFETY: the header makes the callback valid for the life of the handle, in every process
        // that inherits it, and bounds its use of `host` to the call.
        unsafe { callback(self.context, host, port, any_transport) != 0 }
    }
}
