//! Failures of library calls: a result code of the header and a text for a person.

use std::borrow::Cow;
use std::fmt;

use crate::abi;
use crate::plumbing::{pointer, text};

/// A result other than `IFE_OK`.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: abi::ife_result,
    pub(crate) text: Cow<'static, str>,
}

impl Failure {
    pub(crate) fn new(code: abi::ife_result, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    /// Returns the failure of a state directory or its file; `doing` names operation and path.
    pub(crate) fn state_dir(doing: impl fmt::Display, source: &std::io::Error) -> Self {
        Self::new(abi::IFE_STATE_DIR, format!("{doing}: {source}"))
    }

    pub(crate) fn null(what: &'static str) -> Self {
        Self::new(abi::IFE_NULL_PARAMETER, what)
    }

    pub(crate) fn invalid(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(abi::IFE_INVALID_PARAMETER, text)
    }
}

/// Returns the result code for C and writes the text to `err` if there is one.
pub(crate) fn report(outcome: Result<(), Failure>, err: *mut abi::ife_error) -> abi::ife_result {
    match outcome {
        Ok(()) => abi::IFE_OK,
        Err(failure) => {
            pointer::write_optional(err, text::error(&failure.text));
            failure.code
        }
    }
}
