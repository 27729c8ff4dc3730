//! The registry as serde_yaml reads it, with types checked. The only file that uses serde_yaml.

use std::borrow::Cow;

use serde::Deserialize;

use super::quick::{self, Node};
use super::{chunks, locate};

/// Text, borrowed from the file where it is verbatim there.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(transparent)]
pub(super) struct Str<'y>(#[serde(borrow)] Cow<'y, str>);

impl std::ops::Deref for Str<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, PartialEq, Deserialize)]
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

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flood {
    pub(super) rate_per_s: Option<u64>,
    pub(super) burst: Option<u64>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quota {
    pub(super) per_minute: Option<u64>,
    pub(super) concurrent: Option<u64>,
    pub(super) max_call_s: Option<u64>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hazard<'y> {
    #[serde(borrow)]
    pub(super) name: Str<'y>,
    #[serde(borrow)]
    pub(super) description: Option<Str<'y>>,
}

#[derive(Debug, PartialEq, Deserialize)]
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

#[derive(Debug, PartialEq, Deserialize)]
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

#[derive(Debug, PartialEq, Deserialize)]
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

/// serde_yaml's error for a text that is no registry.
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
        && let Some((position, message)) = locate::too_deep(yaml)
    {
        return Err(SyntaxError {
            location: Some(position),
            message,
        });
    }
    serde_yaml::from_str(yaml).map_err(|error| SyntaxError {
        location: error.location().map(|at| (at.line(), at.column())),
        message: error.to_string(),
    })
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

/// Reads a list of experts in the plain part of YAML.
fn experts(chunk: &str) -> Option<Vec<Expert<'_>>> {
    quick::list(chunk)?.into_iter().map(Expert::read).collect()
}

/// Reads a node as serde_yaml would; `None` where that is an error, or not certain.
trait Read<'y>: Sized {
    fn read(node: Node<'y>) -> Option<Self>;
}

impl<'y> Read<'y> for Str<'y> {
    fn read(node: Node<'y>) -> Option<Self> {
        match node {
            Node::Scalar { text, .. } => Some(Self(Cow::Borrowed(text))),
            Node::List(_) | Node::Map(_) => None,
        }
    }
}

impl Read<'_> for u64 {
    fn read(node: Node<'_>) -> Option<Self> {
        match node {
            Node::Scalar { text, plain: true }
                if text.len() < 16 && text.bytes().all(|b| b.is_ascii_digit()) =>
            {
                let canonical = text.len() == 1 || !text.starts_with('0');
                if canonical { text.parse().ok() } else { None }
            }
            Node::Scalar { .. } | Node::List(_) | Node::Map(_) => None,
        }
    }
}

impl Read<'_> for bool {
    fn read(node: Node<'_>) -> Option<Self> {
        match node {
            Node::Scalar {
                text: "true",
                plain: true,
            } => Some(true),
            Node::Scalar {
                text: "false",
                plain: true,
            } => Some(false),
            Node::Scalar { .. } | Node::List(_) | Node::Map(_) => None,
        }
    }
}

impl<'y, T: Read<'y>> Read<'y> for Vec<T> {
    fn read(node: Node<'y>) -> Option<Self> {
        match node {
            Node::List(items) => items.into_iter().map(T::read).collect(),
            Node::Scalar { .. } | Node::Map(_) => None,
        }
    }
}

/// Reads a mapping into a struct: required fields, then optional ones; no others, none twice.
macro_rules! read_map {
    ($name:ty, $lifetime:lifetime, [$($must:ident),*], [$($may:ident),*]) => {
        impl<$lifetime> Read<$lifetime> for $name {
            fn read(node: Node<$lifetime>) -> Option<Self> {
                let Node::Map(entries) = node else { return None };
                $(let mut $must = None;)*
                $(let mut $may = None;)*
                for (key, value) in entries {
                    match key {
                        $(stringify!($must) if $must.is_none() => {
                            $must = Some(Read::read(value)?);
                        })*
                        $(stringify!($may) if $may.is_none() => $may = Some(Read::read(value)?),)*
                        _ => return None,
                    }
                }
                Some(Self { $($must: $must?,)* $($may,)* })
            }
        }
    };
}

read_map!(Quota, 'y, [], [per_minute, concurrent, max_call_s]);
read_map!(
    Signer<'y>, 'y,
    [kid, public_key],
    [status, not_before, not_after, covers, legacy_signature]
);
read_map!(
    Expert<'y>, 'y,
    [id, aors, hazards, signers, sources, transports],
    [name, contact, status, not_before, not_after, quota]
);

/// Parses the list of experts in pieces. serde_yaml keeps every event of a document until it is
/// done: with 100,000 experts 700 MB, and a third of the speed. `None` when the list cannot be
/// found or a piece is faulty: then the whole text is parsed and its errors are reported.
fn parse_in_chunks<'y>(yaml: &'y str, head: &'y mut String) -> Option<Registry<'y>> {
    let list = chunks::experts(yaml)?;
    *head = list.without(yaml);
    let mut registry: Registry<'y> = piece(head)?;
    for chunk in list.chunks(yaml) {
        let experts = match experts(chunk) {
            Some(experts) => experts,
            None => piece(chunk)?,
        };
        registry.experts.extend(experts);
    }
    Some(registry)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ITEM: &str = "
- id: expert-1@external.advisor
  name: Expert no 1
  aors: [\"sip:expert-1@external.advisor\", 'sip:e-*@external.advisor']
  contact: sip:expert-1@192.0.2.1:5061;transport=tls
  # who takes what
  hazards: [safety, alignment]
  status: active
  not_before: 2026-01-01
  not_after: 2026-12-31T23:59:59Z
  signers:
    - kid: one-2026a
      public_key: \"ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"
      covers: [base, cid]
    - {kid: two, public_key: ed25519:AAAA+B/=, legacy_signature: true, covers: [ base ]}
  sources:
  - 192.0.2.0/24
  - \"2001:db8::/32\"
  transports: [udp,tls]
  quota: {per_minute: 10, concurrent: 2}
";

    /// Returns whether both parsers agree on a text that the quick one reads.
    fn agree(text: &str) -> Result<bool, TestCaseError> {
        let Some(quick) = experts(text) else {
            return Ok(false);
        };
        let full: Vec<Expert<'_>> =
            serde_yaml::from_str(text).map_err(|e| TestCaseError::fail(format!("{e}: {text}")))?;
        prop_assert_eq!(quick, full, "{}", text);
        Ok(true)
    }

    #[test]
    fn the_usual_shapes_are_read_quickly() {
        for text in [
            ITEM.to_owned(),
            ITEM.repeat(3),
            ITEM.replace('\n', "\n    "),
            ITEM.replace("name: Expert no 1", "name: \"# 'x' [y]: z\""),
        ] {
            assert!(agree(&text).unwrap_or_else(|e| panic!("{e}")), "{text}");
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_full_parser() {
        for (from, to) in [
            ("Expert no 1", "Expert no 1 # comment"),
            ("Expert no 1", "&a Expert"),
            ("Expert no 1", "!!str x"),
            ("Expert no 1", "|\n    text"),
            ("Expert no 1", "two\n    lines"),
            ("Expert no 1", "\"a\\nb\""),
            ("Expert no 1", "'it''s'"),
            ("Expert no 1", "null"),
            ("Expert no 1", "~"),
            ("Expert no 1", ""),
            ("Expert no 1", "a: b"),
            ("Expert no 1", "Zo\u{eb}"),
            ("Expert no 1", "x\r"),
            ("Expert no 1", "a\tb"),
            ("per_minute: 10", "per_minute: \"10\""),
            ("per_minute: 10", "per_minute: 010"),
            ("per_minute: 10", "per_minute: 1e1"),
            ("legacy_signature: true", "legacy_signature: yes"),
            (
                "hazards: [safety, alignment]",
                "hazards: [safety,\n    alignment]",
            ),
            (
                "hazards: [safety, alignment]",
                "hazards: [safety, alignment,]",
            ),
            ("hazards: [safety, alignment]", "hazards: safety"),
            ("status: active", "status: active\n  status: active"),
            ("status: active", "colour: blue"),
            ("  status: active", "   status: active"),
            ("- id:", "-  id:"),
        ] {
            let text = ITEM.replacen(from, to, 1);
            assert!(text != ITEM && experts(&text).is_none(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn any_change_is_read_the_same_or_declined(
            changes in prop::collection::vec(
                (
                    any::<prop::sample::Index>(),
                    0_usize..6,
                    "[ \\n:#,'\"\\[\\]{}&*!|>~?%@`a-z0-9.=-]{0,4}",
                ),
                1..4,
            ),
        ) {
            let mut text = ITEM.to_owned();
            for (at, len, new) in changes {
                let start = at.index(text.len());
                let end = (start + len).min(text.len());
                text.replace_range(start..end, &new);
            }
            agree(&text)?;
        }

        #[test]
        fn any_scalar_is_read_the_same_or_declined(scalar in "[ -~]{1,8}") {
            for word in ["Expert no 1", "alignment", "10"] {
                let text = ITEM.replacen(word, &scalar, 1);
                agree(&text)?;
            }
        }
    }
}
