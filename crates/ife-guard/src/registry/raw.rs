//! The registry as serde_yaml gives it, unchecked but for types. The only file that knows serde_yaml.

use std::borrow::Cow;

use serde::Deserialize;

use super::chunks;

/// Text, borrowed from the file where it stands there as it is.
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
    #[serde(borrow)]
    pub(super) hazards: Vec<Hazard<'y>>,
    #[serde(borrow)]
    pub(super) councils: Vec<Council<'y>>,
    #[serde(borrow)]
    pub(super) experts: Vec<Expert<'y>>,
    #[serde(borrow)]
    pub(super) default_expert: Option<Str<'y>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flood {
    pub(super) rate_per_s: Option<u64>,
    pub(super) burst: Option<u64>,
}

#[derive(Deserialize, Default)]
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
    #[serde(borrow)]
    pub(super) description: Option<Str<'y>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Council<'y> {
    #[serde(borrow)]
    pub(super) domain: Str<'y>,
    #[serde(borrow)]
    pub(super) aors: Vec<Str<'y>>,
    #[serde(borrow)]
    pub(super) signers: Vec<Signer<'y>>,
    #[serde(borrow)]
    pub(super) sources: Vec<Str<'y>>,
    #[serde(borrow)]
    pub(super) transports: Vec<Str<'y>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expert<'y> {
    #[serde(borrow)]
    pub(super) id: Str<'y>,
    #[serde(borrow)]
    pub(super) name: Option<Str<'y>>,
    #[serde(borrow)]
    pub(super) aors: Vec<Str<'y>>,
    #[serde(borrow)]
    pub(super) contact: Option<Str<'y>>,
    #[serde(borrow)]
    pub(super) hazards: Vec<Str<'y>>,
    #[serde(borrow)]
    pub(super) status: Option<Str<'y>>,
    #[serde(borrow)]
    pub(super) not_before: Option<Str<'y>>,
    #[serde(borrow)]
    pub(super) not_after: Option<Str<'y>>,
    #[serde(borrow)]
    pub(super) signers: Vec<Signer<'y>>,
    #[serde(borrow)]
    pub(super) sources: Vec<Str<'y>>,
    #[serde(borrow)]
    pub(super) transports: Vec<Str<'y>>,
    pub(super) quota: Option<Quota>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signer<'y> {
    #[serde(borrow)]
    pub(super) kid: Str<'y>,
    #[serde(borrow)]
    pub(super) public_key: Str<'y>,
    #[serde(borrow)]
    pub(super) status: Option<Str<'y>>,
    #[serde(borrow)]
    pub(super) not_before: Option<Str<'y>>,
    #[serde(borrow)]
    pub(super) not_after: Option<Str<'y>>,
    #[serde(borrow)]
    pub(super) covers: Option<Vec<Str<'y>>>,
    pub(super) legacy_signature: Option<bool>,
}

/// What serde_yaml says of a text that is no registry.
pub(super) struct SyntaxError {
    /// Line and column, from 1.
    pub(super) location: Option<(usize, usize)>,
    pub(super) message: String,
}

/// Parses a registry. `head` is room for what is left of the text when its long list is parsed in pieces.
pub(super) fn parse<'y>(yaml: &'y str, head: &'y mut String) -> Result<Registry<'y>, SyntaxError> {
    if let Some(registry) = parse_in_chunks(yaml, head) {
        return Ok(registry);
    }
    serde_yaml::from_str(yaml).map_err(|error| SyntaxError {
        location: error.location().map(|at| (at.line(), at.column())),
        message: error.to_string(),
    })
}

/// serde_yaml keeps every event of a document until it is done: with 100,000 experts 700 MB, and a third of the speed. `None`
/// when the list of experts cannot be told apart or any piece is faulty: then the whole text decides, and is the one complained of.
fn parse_in_chunks<'y>(yaml: &'y str, head: &'y mut String) -> Option<Registry<'y>> {
    let list = chunks::experts(yaml)?;
    *head = list.without(yaml);
    let mut registry: Registry<'y> = serde_yaml::from_str(head).ok()?;
    for chunk in list.chunks(yaml) {
        registry
            .experts
            .extend(serde_yaml::from_str::<Vec<Expert<'y>>>(chunk).ok()?);
    }
    Some(registry)
}
