//! Errors of a registry, for its author.

use std::fmt;

/// Most errors reported at once.
pub const ERRORS_MAX: usize = 20;
/// Errors after which the check stops.
pub(super) const COUNTED_MAX: usize = 1_000;
/// Longest word that is compared with known ones.
const WORD_LEN_MAX: usize = 64;

/// The errors of a registry, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryErrors {
    /// At most [`ERRORS_MAX`].
    pub errors: Vec<RegistryError>,
    /// How many more were found. The check stops at about a thousand errors.
    pub more: usize,
}

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryError {
    /// The name given to [`super::load`].
    pub file: String,
    /// From 1; 0 when unknown.
    pub line: usize,
    /// In characters from 1; 0 when unknown.
    pub column: usize,
    /// For example `experts[3].signers[0].public_key`; empty for the file as a whole.
    pub path: String,
    /// The fault.
    pub message: String,
    /// A remedy.
    pub hint: Option<String>,
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for RegistryErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        match self.more {
            0 => Ok(()),
            more if more + ERRORS_MAX >= COUNTED_MAX => {
                write!(f, "\nand {more} more; the rest was not checked")
            }
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for RegistryError {}
impl std::error::Error for RegistryErrors {}

/// An error without its position in the file.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) path: String,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// A path in the document, a chain on the stack so that a registry without errors costs nothing.
#[derive(Clone, Copy)]
pub(super) struct At<'p> {
    parent: Option<&'p At<'p>>,
    step: Step,
}

#[derive(Clone, Copy)]
enum Step {
    Root,
    Key(&'static str),
    Index(usize),
}

impl At<'_> {
    pub(super) const ROOT: At<'static> = At {
        parent: None,
        step: Step::Root,
    };

    pub(super) fn key<'c>(&'c self, key: &'static str) -> At<'c> {
        At {
            parent: Some(self),
            step: Step::Key(key),
        }
    }

    pub(super) fn index<'c>(&'c self, index: usize) -> At<'c> {
        At {
            parent: Some(self),
            step: Step::Index(index),
        }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => match self.parent.map(|parent| parent.step) {
                Some(Step::Root) => f.write_str(key),
                None | Some(Step::Key(_) | Step::Index(_)) => write!(f, ".{key}"),
            },
        }
    }
}

/// Returns "did you mean `x`?" for the nearest of `known`, if near enough to be a slip.
pub(super) fn did_you_mean<'k>(
    word: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<String> {
    if word.len() > WORD_LEN_MAX {
        return None;
    }
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(word, k), k))
        .min()
        .filter(|(distance, k)| *distance <= 1 + k.len() / 4)
        .map(|(_, k)| format!("did you mean `{k}`?"))
}
