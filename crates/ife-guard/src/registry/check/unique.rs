//! Checks for names that occur twice and globs that contradict each other.

use std::collections::{BTreeMap, HashMap};

use super::super::errors::{At, ERRORS_MAX};
use super::Problems;
use crate::pattern::Pattern;

/// The owner of a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    Council(usize),
    Expert(usize),
}

impl std::fmt::Display for Where {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Council(index) => write!(f, "councils[{index}]"),
            Self::Expert(index) => write!(f, "experts[{index}]"),
        }
    }
}

/// The names seen, with their owners.
#[derive(Default)]
pub(super) struct Seen<'r> {
    hazards: HashMap<&'r str, usize>,
    domains: HashMap<String, usize>,
    ids: HashMap<&'r str, usize>,
    kids: HashMap<&'r str, (Where, usize)>,
    exact: HashMap<String, (Where, usize)>,
    globs: Vec<(Pattern, Where, usize)>,
}

impl<'r> Seen<'r> {
    /// Reserves room for `parties` parties.
    pub(super) fn with_room(parties: usize) -> Self {
        Self {
            ids: HashMap::with_capacity(parties),
            kids: HashMap::with_capacity(parties),
            exact: HashMap::with_capacity(parties),
            ..Self::default()
        }
    }

    pub(super) fn hazard(
        &mut self,
        problems: &mut Problems,
        at: &At<'_>,
        name: &'r str,
        index: usize,
    ) {
        if let Some(first) = self.hazards.get(name) {
            problems.add(
                at,
                "this hazard is there twice",
                Some(format!("first at hazards[{first}]")),
            );
        } else {
            self.hazards.insert(name, index);
        }
    }

    pub(super) fn hazard_index(&self, name: &str) -> Option<usize> {
        self.hazards.get(name).copied()
    }

    pub(super) fn hazard_names(&self) -> impl Iterator<Item = &'r str> {
        self.hazards.keys().copied()
    }

    pub(super) fn domain(
        &mut self,
        problems: &mut Problems,
        at: &At<'_>,
        domain: &str,
        index: usize,
    ) {
        if let Some(first) = self.domains.insert(domain.to_owned(), index) {
            problems.add(
                at,
                "this domain is there twice",
                Some(format!("first at councils[{first}]")),
            );
        }
    }

    pub(super) fn id(&mut self, problems: &mut Problems, at: &At<'_>, id: &'r str, index: usize) {
        if let Some(first) = self.ids.insert(id, index) {
            problems.add(
                at,
                "this id is there twice",
                Some(format!("first at experts[{first}]")),
            );
        }
    }

    pub(super) fn kid(
        &mut self,
        problems: &mut Problems,
        at: &At<'_>,
        kid: &'r str,
        owner: Where,
        index: usize,
    ) {
        if let Some((first, position)) = self.kids.insert(kid, (owner, index)) {
            problems.add(
                at,
                "this kid is there twice",
                Some(format!("first at {first}.signers[{position}]")),
            );
        }
    }

    pub(super) fn aor(
        &mut self,
        problems: &mut Problems,
        at: &At<'_>,
        pattern: &Pattern,
        owner: Where,
        index: usize,
    ) {
        if pattern.is_glob() {
            self.globs.push((pattern.clone(), owner, index));
        }
        if let Some((first, position)) = self
            .exact
            .insert(pattern.as_str().to_owned(), (owner, index))
        {
            let hint = format!("first at {first}.aors[{position}]");
            problems.add(
                at,
                format!("`{}` is there twice", pattern.as_str()),
                Some(hint),
            );
        }
    }

    /// Finds globs of different parties that overlap without either being a special case of the
    /// other.
    ///
    /// Each glob is compared with globs of a shorter prefix of its own prefix, and of those only
    /// with the ones whose suffix extends its own: found by their reversed suffix in order, so that
    /// 100,000 globs on one host stay cheap.
    pub(super) fn crossing_globs(&self, problems: &mut Problems) {
        let mut by_prefix: HashMap<(&str, &str), BTreeMap<Vec<u8>, usize>> = HashMap::new();
        for (number, (glob, ..)) in self.globs.iter().enumerate() {
            by_prefix
                .entry((glob.host(), glob.prefix()))
                .or_default()
                .insert(reversed(glob.suffix()), number);
        }
        let before = problems.count;
        for (glob, owner, index) in &self.globs {
            if problems.count - before >= ERRORS_MAX {
                return;
            }
            let suffix = reversed(glob.suffix());
            for (cut, _) in glob.prefix().char_indices() {
                let shorter = glob.prefix().get(..cut).unwrap_or_default();
                let Some(candidates) = by_prefix.get(&(glob.host(), shorter)) else {
                    continue;
                };
                for (_, number) in candidates
                    .range(suffix.clone()..)
                    .take_while(|(s, _)| s.starts_with(&suffix))
                {
                    let Some((other, other_owner, other_index)) = self.globs.get(*number) else {
                        continue;
                    };
                    if owner != other_owner && glob.crosses(other) {
                        let both = format!("{}*{}", glob.prefix(), other.suffix());
                        problems.push(super::Problem {
                            path: format!("{owner}.aors[{index}]"),
                            message: format!(
                                "`{}` and `{}` both match `{both}` and neither is a special case \
                                 of the other",
                                glob.as_str(),
                                other.as_str()
                            ),
                            hint: Some(format!(
                                "narrow this one or {other_owner}.aors[{other_index}]"
                            )),
                        });
                    }
                }
            }
        }
    }
}

fn reversed(text: &str) -> Vec<u8> {
    text.bytes().rev().collect()
}
