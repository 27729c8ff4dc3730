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
        let Some(callback) = self.callback else {
            return false;
        };
        let host = abi::ife_str {
            ptr: address.host.as_ptr().cast(),
            len: address.host.len(),
        };
        // Two listeners may differ in the transport alone, and both are this server.
        let (port, any_transport) = (u32::from(address.port), 0);
        // SAFETY: the header makes the callback valid for the life of the handle, in every process
        // that inherits it, and bounds its use of `host` to the call.
        unsafe { callback(self.context, host, port, any_transport) != 0 }
    }
}
