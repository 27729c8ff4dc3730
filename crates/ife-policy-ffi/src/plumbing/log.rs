//! The server's log, reached through its callback and nothing else: stdout and stderr are not ours.
#![allow(unsafe_code)]

use core::ffi::c_void;

use crate::abi;

/// Levels of syslog(3), with the one meaning each that the project gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// A person must act.
    Error = 3,
    /// Degraded.
    Warning = 4,
    /// One line per rare event.
    Info = 6,
}

/// The callback of `ife_options`, if any.
#[derive(Clone, Copy)]
pub(crate) struct Log {
    callback: abi::ife_log_callback,
    context: *mut c_void,
}

impl Log {
    pub(crate) fn new(callback: abi::ife_log_callback, context: *mut c_void) -> Self {
        Self { callback, context }
    }

    /// One line. Line feeds and what is not seen are escaped, so that no input makes a line of its own.
    pub(crate) fn line(&self, level: Level, text: &str) {
        let Some(callback) = self.callback else {
            return;
        };
        // An error of several lines stays readable as one.
        let clean = ife_message::printable::escaped(&text.replace('\n', " "));
        // SAFETY: the header makes the callback valid for the life of the handle, in every process that inherits it, and
        // bounds its use of `text` to the call.
        unsafe {
            callback(
                self.context,
                level as i32,
                clean.as_ptr().cast(),
                clean.len(),
            )
        }
    }
}
