//! The server's log, reached through its callback only: stdout and stderr belong to the server.
#![allow(unsafe_code)]

use core::ffi::c_void;

use crate::abi;

/// Levels of syslog(3), each with the project's one meaning.
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

    /// Writes one line. Line feeds and invisible characters are escaped: no input forges a line.
    pub(crate) fn line(&self, level: Level, text: &str) {
        let Some(callback) = self.callback else {
            return;
        };
        // An error of several lines becomes one line.
        let clean = ife_message::printable::escaped(&text.replace('\n', " "));
        // SAFETY: the header makes the callback valid for the life of the handle, in every process
        // that inherits it, and bounds its use of `text` to the call.
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
