//! How a subcommand ends.

use std::{fmt, io, path::Path};

/// Exit codes. They are documented in the help and never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or: yes.
    Ok = 0,
    /// Looked at, and the answer is no: invalid, refused, does not verify, not found; a call that
    /// failed.
    No = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Something needed could not be read, written or reached, so there is no answer.
    Io = 3,
}

/// A finding; the subcommand has printed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done, or: yes.
    Yes,
    /// The answer is no.
    No,
}

impl Outcome {
    /// The answer to a yes-or-no question.
    #[must_use]
    pub fn of(yes: bool) -> Outcome {
        if yes { Outcome::Yes } else { Outcome::No }
    }

    pub(crate) fn exit(self) -> Exit {
        match self {
            Outcome::Yes => Exit::Ok,
            Outcome::No => Exit::No,
        }
    }
}

/// Why there is no outcome, for someone who is on call: what went wrong with which file, and what
/// to do about it.
#[derive(Debug)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// What went wrong, beginning with the file if there is one.
    pub what: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Failure {
    pub(crate) fn usage(what: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::Usage,
            what: what.into(),
            hint: None,
        }
    }

    pub(crate) fn no(what: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::No,
            what: what.into(),
            hint: None,
        }
    }

    /// Something could not be read, written or reached.
    pub(crate) fn unanswered(what: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::Io,
            what: what.into(),
            hint: None,
        }
    }

    /// `what` could not be done to `path`.
    pub(crate) fn io(path: &Path, what: &str, error: &io::Error) -> Failure {
        Failure::unanswered(format!("{}: cannot {what}: {error}", path.display()))
    }

    /// Whether the same may succeed later: something could not be reached.
    pub(crate) fn is_passing(&self) -> bool {
        match self.exit {
            Exit::Io => true,
            Exit::Ok | Exit::No | Exit::Usage => false,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}
