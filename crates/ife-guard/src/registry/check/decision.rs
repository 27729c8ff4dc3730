//! What may sign decisions.

use ife_message::decision::Assurance;

use super::super::{
    errors::{At, did_you_mean},
    raw,
};
use super::Problems;

/// Returns the kinds of signature that are enough for a hazard; every kind without a list.
pub(super) fn assurance(
    problems: &mut Problems,
    at: &At<'_>,
    raw: Option<&[raw::Str<'_>]>,
) -> Vec<Assurance> {
    let Some(raw) = raw else {
        return Assurance::ALL.to_vec();
    };
    let mut found = Vec::new();
    for (index, name) in problems
        .listed(at, raw, Assurance::ALL.len())
        .iter()
        .enumerate()
    {
        let item = at.index(index);
        let shown = name.escape_debug();
        match Assurance::of(name) {
            Some(kind) if found.contains(&kind) => {
                problems.add(&item, format!("`{shown}` is listed twice"), None);
            }
            Some(kind) => found.push(kind),
            None => {
                let names = Assurance::ALL.map(Assurance::as_str);
                let hint = did_you_mean(name, names).unwrap_or_else(|| names.join(", "));
                problems.hint(&item, format!("unknown assurance `{shown}`"), hint);
            }
        }
    }
    found
}
