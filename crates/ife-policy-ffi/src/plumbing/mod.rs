//! The C boundary: pointers, errors, panics, handles, text buffers and the log callback.

pub(crate) mod boundary;
pub(crate) mod failure;
pub(crate) mod handle;
pub(crate) mod log;
pub(crate) mod own;
pub(crate) mod pointer;
pub(crate) mod text;
