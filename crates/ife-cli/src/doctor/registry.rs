//! The registry: valid, in force, and the dates of its experts and keys.

use std::path::Path;

use ife_guard::{
    Registry,
    image::{self, Image},
    registry::{Status, Validity},
};
use ife_words::time;

use super::{report::Report, seen::Seen};
use crate::{registry, text::counted};

const DAY_S: u64 = 86_400;

/// Facts about the registry's file.
#[derive(Debug)]
pub(super) enum File {
    /// There is none.
    Absent,
    /// It cannot be read or is not valid, and why.
    Bad(String),
    /// It is valid; the digest of its image.
    Valid(Box<Registry>, Vec<u8>),
}

/// Facts about the registry.
#[derive(Debug)]
pub(super) struct Facts {
    file: File,
    /// Kamailio's generation, and the digest of that image where it can be read.
    in_force: Option<(u64, Seen<Vec<u8>>)>,
    now_s: u64,
    days: u64,
}

impl Facts {
    pub(super) fn valid(&self) -> Option<&Registry> {
        match &self.file {
            File::Valid(registry, _) => Some(registry),
            File::Absent | File::Bad(_) => None,
        }
    }
}

/// Judges the registry.
pub(super) fn judge(facts: &Facts) -> Report {
    let mut report = Report::new("registry");
    let (registry, digest) = match &facts.file {
        File::Absent => {
            report.skipped("no registry where the options say");
            return report;
        }
        File::Bad(why) => {
            report.error(
                format!("it cannot be used: {why}"),
                "ifectl registry check FILE; a Kamailio that runs keeps the old one, a start fails",
            );
            return report;
        }
        File::Valid(registry, digest) => (registry, digest),
    };
    for hazard in &registry.hazards {
        if registry.expert_for_hazard(&hazard.name).is_none() {
            report.warning(
                format!(
                    "hazard {}: no active expert is in charge of it",
                    hazard.name
                ),
                "escalations about it are refused: give it to an expert, or set default_expert",
            );
        }
    }
    for (who, validity) in dated(registry) {
        judge_dates(&who, validity, facts, &mut report);
    }
    match &facts.in_force {
        Some((generation, Seen::Here(in_force))) if in_force != digest => report.error(
            format!("the file is not what Kamailio has in force (generation {generation})"),
            "kamcmd ife.reload, and systemctl reload ife-bridge",
        ),
        Some((_, Seen::Unreadable(why))) => report.unseen(why.clone(), super::seen::AS_ROOT),
        Some((_, Seen::Here(_) | Seen::Absent)) | None => {}
    }
    let in_force = match &facts.in_force {
        Some((generation, Seen::Here(_))) => format!("in force as generation {generation}"),
        Some((_, Seen::Absent | Seen::Unreadable(_))) | None => {
            "not compared with what is in force".to_owned()
        }
    };
    report.fine_otherwise(format!(
        "valid, {}, {}, no date within {} days, {in_force}",
        counted(registry.experts.len() as u64, "expert", "experts"),
        counted(registry.councils.len() as u64, "council", "councils"),
        facts.days
    ));
    report
}

/// Active experts, and active keys of councils and of active experts, with their dates.
fn dated(registry: &Registry) -> impl Iterator<Item = (String, Validity)> {
    let experts = || {
        registry
            .experts
            .iter()
            .filter(|expert| expert.status == Status::Active)
    };
    let themselves = experts().map(|expert| (format!("expert {}", expert.id), expert.validity));
    let councils = registry.councils.iter();
    let councils = councils.map(|council| (format!("council {}", council.domain), &council.party));
    let parties = experts().map(|expert| (format!("expert {}", expert.id), &expert.party));
    let keys = councils.chain(parties).flat_map(|(who, party)| {
        let active = party
            .signers
            .iter()
            .filter(|signer| signer.status == Status::Active);
        active.map(move |signer| (format!("{who}: key {}", signer.kid), signer.validity))
    });
    themselves.chain(keys)
}

fn judge_dates(who: &str, validity: Validity, facts: &Facts, report: &mut Report) {
    const ROTATE: &str = "a key changes without an interruption: docs/operations.md, Keys; an \
        expert's not_after in the registry, then reload";
    let end = time::of_s(validity.not_after);
    if facts.now_s > validity.not_after {
        report.error(format!("{who} expired {end}: it is refused"), ROTATE);
    } else if validity.not_after - facts.now_s <= facts.days.saturating_mul(DAY_S) {
        report.warning(format!("{who} expires {end}"), ROTATE);
    }
    if facts.now_s < validity.not_before {
        let begin = time::of_s(validity.not_before);
        report.warning(
            format!("{who} is not valid before {begin}"),
            "nothing, if that is meant; is the host's clock right?",
        );
    }
}

/// Reads the file, and the image of the generation that Kamailio has.
pub(super) fn gather(
    path: &Path,
    state_dir: &Path,
    generation: Option<u64>,
    days: u64,
    now_s: u64,
) -> Facts {
    let in_force = generation.map(|generation| {
        let image = state_dir.join(format!("registry.{generation}.img"));
        let read = std::fs::read(&image).and_then(|bytes| {
            let image = Image::open_trusted(&bytes).map_err(std::io::Error::other)?;
            Ok(image.digest().to_vec())
        });
        (generation, Seen::of(&image, read))
    });
    Facts {
        file: file(path),
        in_force,
        now_s,
        days,
    }
}

fn file(path: &Path) -> File {
    if matches!(path.try_exists(), Ok(false)) {
        return File::Absent;
    }
    let registry = match registry::load(path) {
        Ok(registry) => registry,
        Err(failure) => {
            let first = failure.what.lines().next().unwrap_or_default();
            return File::Bad(first.to_owned());
        }
    };
    match image::compile(&registry) {
        Ok(bytes) => match Image::open_trusted(&bytes) {
            Ok(image) => {
                let digest = image.digest().to_vec();
                File::Valid(Box::new(registry), digest)
            }
            Err(error) => File::Bad(error.to_string()),
        },
        Err(error) => File::Bad(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::report::tests::told, *};

    const NOW_S: u64 = 1_800_000_000;

    fn registry() -> Registry {
        let yaml = include_str!("../../../../docs/examples/registry.yaml");
        ife_guard::registry::load(yaml, "registry.yaml").expect("the shipped example is valid")
    }

    fn facts(registry: Registry) -> Facts {
        let in_force = Some((3, Seen::Here(vec![7])));
        Facts {
            file: File::Valid(Box::new(registry), vec![7]),
            in_force,
            now_s: NOW_S,
            days: 30,
        }
    }

    /// The example without any dates.
    fn timeless() -> Registry {
        let mut registry = registry();
        let always = Validity {
            not_before: 0,
            not_after: u64::MAX,
        };
        for council in &mut registry.councils {
            council
                .party
                .signers
                .iter_mut()
                .for_each(|signer| signer.validity = always);
        }
        for expert in &mut registry.experts {
            expert.validity = always;
            expert
                .party
                .signers
                .iter_mut()
                .for_each(|signer| signer.validity = always);
        }
        registry
    }

    #[test]
    fn a_registry_in_force_without_near_dates_is_fine() {
        let found = told(judge(&facts(timeless())));
        assert!(
            found.len() == 1 && found[0].starts_with("ok valid"),
            "{found:?}"
        );
    }

    #[test]
    fn dates_of_active_keys_and_experts_are_judged() {
        let kid = registry().experts[0].party.signers[0].kid.clone();
        let id = registry().experts[0].id.clone();
        for (not_after, wanted) in [
            (NOW_S - 1, Some("error")),
            (NOW_S + 29 * DAY_S, Some("warning")),
            (NOW_S + 31 * DAY_S, None),
        ] {
            let mut registry = timeless();
            registry.experts[0].party.signers[0].validity.not_after = not_after;
            let found = told(judge(&facts(registry)));
            let begin = wanted.map(|level| format!("{level} expert {id}: key {kid} expire"));
            match begin {
                Some(begin) => assert!(found[0].starts_with(&begin), "{found:?}"),
                None => assert!(found[0].starts_with("ok"), "{found:?}"),
            }
        }
        let mut revoked = timeless();
        revoked.experts[0].party.signers[0].validity.not_after = 1;
        revoked.experts[0].party.signers[0].status = Status::Revoked;
        assert!(told(judge(&facts(revoked)))[0].starts_with("ok"));
    }

    #[test]
    fn a_file_that_is_not_in_force_and_one_that_is_not_valid_are_errors() {
        let mut other = facts(timeless());
        other.in_force = Some((4, Seen::Here(vec![8])));
        assert_eq!(
            told(judge(&other)),
            ["error the file is not what Kamailio has in force (generation 4)"]
        );
        other.file = File::Bad("registry.yaml:3:1: wrong".into());
        assert!(told(judge(&other))[0].starts_with("error it cannot be used: registry.yaml:3:1"));
        other.file = File::Absent;
        assert!(told(judge(&other))[0].starts_with("skipped"));
    }
}
