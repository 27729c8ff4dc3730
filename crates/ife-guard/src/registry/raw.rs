//! The registry as serde_yaml reads it, with types checked. The only file that uses serde_yaml.

use std::borrow::Cow;

use serde::Deserialize;

use super::{chunks, locate};

/// Text, borrowed from the file where it is verbatim there. In a struct of several texts, one field
/// with `borrow` gives the whole its lifetime.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Str<'y>(#[serde(borrow)] Cow<'y, str>);

impl std::ops::Deref for Str<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Registry<'y> {
    pub(super) version: u64,
    pub(super) freshness_s: Option<u64>,
    pub(super) flood: Option<Flood>,
    pub(super) quota: Option<Quota>,
    #[serde(borrow)]
    pub(super) legacy_store: Option<Str<'y>>,
    pub(super) hazards: Vec<Hazard<'y>>,
    pub(super) councils: Vec<Council<'y>>,
    pub(super) experts: Vec<Expert<'y>>,
    pub(super) default_expert: Option<Str<'y>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flood {
    pub(super) rate_per_s: Option<u64>,
    pub(super) burst: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quota {
    pub(super) per_minute: Option<u64>,
    pub(super) concurrent: Option<u64>,
    pub(super) max_call_s: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hazard<'y> {
    #[serde(borrow)]
    pub(super) name: Str<'y>,
    pub(super) description: Option<Str<'y>>,
    pub(super) decision_assurance: Option<Vec<Str<'y>>>,
    pub(super) acceptance: Option<Str<'y>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Council<'y> {
    #[serde(borrow)]
    pub(super) domain: Str<'y>,
    pub(super) aors: Vec<Str<'y>>,
    pub(super) signers: Vec<Signer<'y>>,
    pub(super) sources: Vec<Str<'y>>,
    pub(super) transports: Vec<Str<'y>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expert<'y> {
    #[serde(borrow)]
    pub(super) id: Str<'y>,
    pub(super) name: Option<Str<'y>>,
    pub(super) aors: Vec<Str<'y>>,
    pub(super) contact: Option<Str<'y>>,
    pub(super) hazards: Vec<Str<'y>>,
    pub(super) status: Option<Str<'y>>,
    pub(super) not_before: Option<Str<'y>>,
    pub(super) not_after: Option<Str<'y>>,
    pub(super) signers: Vec<Signer<'y>>,
    pub(super) sources: Vec<Str<'y>>,
    pub(super) transports: Vec<Str<'y>>,
    pub(super) quota: Option<Quota>,
    pub(super) acceptance: Option<Str<'y>>,
    pub(super) notify: Option<Vec<Channel<'y>>>,
    pub(super) passkeys: Option<Vec<Passkey<'y>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Channel<'y> {
    #[serde(borrow)]
    pub(super) webhook: Option<Str<'y>>,
    pub(super) secret: Option<Str<'y>>,
    pub(super) mail: Option<Str<'y>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Passkey<'y> {
    #[serde(borrow)]
    pub(super) id: Str<'y>,
    pub(super) public_key: Str<'y>,
    pub(super) rp_id: Str<'y>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signer<'y> {
    #[serde(borrow)]
    pub(super) kid: Str<'y>,
    pub(super) public_key: Str<'y>,
    pub(super) status: Option<Str<'y>>,
    pub(super) not_before: Option<Str<'y>>,
    pub(super) not_after: Option<Str<'y>>,
    pub(super) covers: Option<Vec<Str<'y>>>,
    pub(super) legacy_signature: Option<bool>,
}

/// The error of a text that is no registry: serde_yaml's, or that of a limit.
pub(super) struct SyntaxError {
    /// Line and column, from 1.
    pub(super) location: Option<(usize, usize)>,
    pub(super) message: String,
}

/// Parses a registry. `head` holds the rest of the text when its long list is parsed in pieces.
pub(super) fn parse<'y>(yaml: &'y str, head: &'y mut String) -> Result<Registry<'y>, SyntaxError> {
    if let Some(registry) = parse_in_chunks(yaml, head) {
        return Ok(registry);
    }
    if has_many_brackets(yaml)
        && let Some(position) = locate::too_deep(yaml)
    {
        return Err(SyntaxError {
            location: Some(position),
            message: "nested deeper than any registry".to_owned(),
        });
    }
    serde_yaml::from_str(yaml).map_err(|error| SyntaxError {
        location: error.location().map(|at| (at.line(), at.column())),
        message: error.to_string(),
    })
}

/// The parser's time is quadratic in the number of `%TAG` directives; a registry needs none.
const DIRECTIVES_MAX: usize = 100;

/// The breaks of lines in YAML 1.1, by which serde_yaml reads.
const LINE_BREAKS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

/// Returns the line of the first directive beyond the limit. Such a text must not be parsed.
pub(super) fn excess_directive(yaml: &str) -> Option<usize> {
    let before = |(at, _)| yaml.get(..at).unwrap_or_default();
    let begins_line = |before: &&str| before.is_empty() || before.ends_with(LINE_BREAKS);
    let mut directives = yaml.match_indices('%').map(before).filter(begins_line);
    let excess = directives.nth(DIRECTIVES_MAX)?;
    Some(excess.matches('\n').count() + 1)
}

/// serde_yaml's time is quadratic in the depth of brackets; up to this many of them it is small.
const BRACKETS_MAX: usize = 2_000;

fn has_many_brackets(yaml: &str) -> bool {
    let brackets = yaml.bytes().filter(|b| matches!(b, b'[' | b'{'));
    brackets.take(BRACKETS_MAX + 1).count() > BRACKETS_MAX
}

/// Parses a piece by [`serde_yaml::from_str`], unless its brackets may be nested deep.
fn piece<'y, T: Deserialize<'y>>(yaml: &'y str) -> Option<T> {
    if has_many_brackets(yaml) && locate::too_deep(yaml).is_some() {
        return None;
    }
    serde_yaml::from_str(yaml).ok()
}

/// Parses the list of experts in pieces. serde_yaml keeps every event of a document until it is
/// done: with 100,000 experts 700 MB. `None` when the list cannot be found or a piece is faulty:
/// then the whole text is parsed and its errors are reported.
fn parse_in_chunks<'y>(yaml: &'y str, head: &'y mut String) -> Option<Registry<'y>> {
    let list = chunks::experts(yaml)?;
    *head = list.without(yaml);
    let mut registry: Registry<'y> = piece(head)?;
    for chunk in list.chunks(yaml) {
        registry.experts.extend(piece::<Vec<Expert<'y>>>(chunk)?);
    }
    Some(registry)
}
