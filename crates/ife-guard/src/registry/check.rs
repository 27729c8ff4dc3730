//! Checks of a registry's meaning: values in range, references that resolve, unique names.

mod decision;
mod notify;
mod party;
mod problems;
mod unique;

use std::collections::HashSet;

use ife_words::Acceptance;

use super::errors::{At, Problem, did_you_mean};
use super::limits::{
    CALL_S_MAX, CONTACT_LEN_MAX, COUNCILS_MAX, EXPERTS_MAX, FRESHNESS_S_MAX, HAZARDS_MAX,
    ID_LEN_MAX, NAME_LEN_MAX,
};
use super::{Council, Expert, Flood, Hazard, Quota, Registry, Status, Validity, raw};
use crate::Transport;
use crate::time::parse_instant;
pub(super) use problems::Problems;
use unique::{Seen, Where};

const FRESHNESS_S: u32 = 60;
const FLOOD: Flood = Flood {
    rate_per_s: 50,
    burst: 100,
};
const QUOTA: Quota = Quota {
    per_minute: 10,
    concurrent: 2,
    max_call_s: 14_400,
};

/// Transports to reach a contact. WebSocket is none: there the phone connects (RFC 7118 5).
const CONTACT_TRANSPORTS: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

/// Checks everything, up to [`COUNTED_MAX`] errors.
pub(super) fn check(
    raw: &raw::Registry<'_>,
    known_keys: &HashSet<[u8; 32]>,
) -> Result<Registry, Problems> {
    let mut problems = Problems::default();
    let registry = Checker {
        problems: &mut problems,
        seen: Seen::with_room(raw.experts.len() + raw.councils.len()),
        quota: QUOTA,
        legacy: false,
        known_keys,
    }
    .registry(raw);
    if problems.count == 0 {
        Ok(registry)
    } else {
        Err(problems)
    }
}

struct Checker<'p, 'r> {
    problems: &'p mut Problems,
    seen: Seen<'r>,
    /// For experts without one of their own.
    quota: Quota,
    /// Whether any signer has the legacy form.
    legacy: bool,
    /// Keys of the registry in force.
    known_keys: &'p HashSet<[u8; 32]>,
}

impl<'r> Checker<'_, 'r> {
    fn registry(mut self, raw: &'r raw::Registry<'r>) -> Registry {
        let root = At::ROOT;
        if raw.version != 1 {
            self.problems.hint(
                &root.key("version"),
                format!("version {} is not known", raw.version),
                "write `version: 1`",
            );
        }
        let freshness_s = self.problems.number(
            &root.key("freshness_s"),
            raw.freshness_s,
            1..=FRESHNESS_S_MAX,
            FRESHNESS_S,
        );
        let flood = self.flood(raw.flood.as_ref());
        self.quota = self.quota(&root.key("quota"), raw.quota.as_ref());
        let hazards = self.hazards(&raw.hazards);
        let councils = self
            .problems
            .listed(&root.key("councils"), &raw.councils, COUNCILS_MAX)
            .iter()
            .enumerate()
            .map(|(i, c)| self.council(i, c))
            .collect();
        let experts: Vec<_> = self
            .problems
            .listed(&root.key("experts"), &raw.experts, EXPERTS_MAX)
            .iter()
            .enumerate()
            .map_while(|(i, e)| (!self.problems.is_full()).then(|| self.expert(i, e)))
            .collect();
        self.seen.crossing_globs(self.problems);
        let legacy_store = self.legacy_store(raw.legacy_store.as_deref());
        let default_expert = raw
            .default_expert
            .as_deref()
            .and_then(|id| self.default_expert(id, &experts));
        Registry {
            freshness_s,
            flood,
            legacy_store,
            hazards,
            councils,
            experts,
            default_expert,
        }
    }

    fn flood(&mut self, raw: Option<&raw::Flood>) -> Flood {
        let at = At::ROOT.key("flood");
        let (rate, burst) = raw.map_or((None, None), |f| (f.rate_per_s, f.burst));
        Flood {
            rate_per_s: self.problems.number(
                &at.key("rate_per_s"),
                rate,
                1..=1_000_000,
                FLOOD.rate_per_s,
            ),
            burst: self
                .problems
                .number(&at.key("burst"), burst, 1..=1_000_000, FLOOD.burst),
        }
    }

    fn quota(&mut self, at: &At<'_>, raw: Option<&raw::Quota>) -> Quota {
        let Some(raw) = raw else { return self.quota };
        let default = self.quota;
        Quota {
            per_minute: self.problems.number(
                &at.key("per_minute"),
                raw.per_minute,
                1..=1_000_000,
                default.per_minute,
            ),
            concurrent: self.problems.number(
                &at.key("concurrent"),
                raw.concurrent,
                1..=1_000_000,
                default.concurrent,
            ),
            max_call_s: self.problems.number(
                &at.key("max_call_s"),
                raw.max_call_s,
                1..=CALL_S_MAX,
                default.max_call_s,
            ),
        }
    }

    fn hazards(&mut self, raw: &'r [raw::Hazard<'r>]) -> Vec<Hazard> {
        let root = At::ROOT;
        let list = root.key("hazards");
        self.problems.count(&list, raw.len(), HAZARDS_MAX);
        let mut hazards = Vec::with_capacity(raw.len());
        for (index, hazard) in raw.iter().enumerate() {
            let item = list.index(index);
            let at = item.key("name");
            let parsed = ife_message::Hazard::parse(hazard.name.as_bytes());
            if parsed.map_or(true, |p| p.as_str() != &*hazard.name) {
                self.problems
                    .hint(&at, "not a hazard's name", "1 to 32 of a-z, 0-9, _ and -");
            }
            self.seen.hazard(self.problems, &at, &hazard.name, index);
            let description = hazard
                .description
                .as_deref()
                .map(|d| self.problems.line(&item.key("description"), d, 1024));
            let acceptance = self.acceptance(&item, hazard.acceptance.as_deref());
            let assurance_at = item.key("decision_assurance");
            let decision_assurance = hazard.decision_assurance.as_deref();
            hazards.push(Hazard {
                name: hazard.name.to_owned(),
                description,
                decision_assurance: decision::assurance(
                    self.problems,
                    &assurance_at,
                    decision_assurance,
                ),
                acceptance,
            });
        }
        hazards
    }

    fn council(&mut self, index: usize, raw: &'r raw::Council<'r>) -> Council {
        let root = At::ROOT;
        let list = root.key("councils");
        let at = list.index(index);
        let domain_at = at.key("domain");
        let domain = raw.domain.to_ascii_lowercase();
        let parsed = ife_message::Aor::parse(format!("sip:x@{domain}").as_bytes());
        if parsed.map_or(true, |aor| aor.host() != domain) {
            self.problems.hint(
                &domain_at,
                "not a domain",
                "a host name or address without port, for example council.example",
            );
        }
        self.seen.domain(self.problems, &domain_at, &domain, index);
        let party = self.party(
            &at,
            Where::Council(index),
            &party::Raw {
                aors: &raw.aors,
                signers: &raw.signers,
                sources: &raw.sources,
                transports: &raw.transports,
            },
        );
        Council { domain, party }
    }

    fn expert(&mut self, index: usize, raw: &'r raw::Expert<'r>) -> Expert {
        let root = At::ROOT;
        let list = root.key("experts");
        let at = list.index(index);
        let id_at = at.key("id");
        let id_ok = |b: u8| {
            b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'@' | b'+' | b':')
        };
        if raw.id.is_empty() || raw.id.len() > ID_LEN_MAX || !raw.id.bytes().all(id_ok) {
            self.problems.hint(
                &id_at,
                "not an expert's id",
                "1 to 128 of A-Z, a-z, 0-9 and ._-@+:, for example expert-safety@external.advisor",
            );
        }
        self.seen.id(self.problems, &id_at, &raw.id, index);
        let name = raw.name.as_deref().map_or_else(
            || raw.id.to_owned(),
            |n| self.problems.line(&at.key("name"), n, NAME_LEN_MAX),
        );
        let party = self.party(
            &at,
            Where::Expert(index),
            &party::Raw {
                aors: &raw.aors,
                signers: &raw.signers,
                sources: &raw.sources,
                transports: &raw.transports,
            },
        );
        Expert {
            id: raw.id.to_owned(),
            name,
            contact: raw
                .contact
                .as_deref()
                .and_then(|c| self.contact(&at.key("contact"), c)),
            hazards: self.expert_hazards(&at.key("hazards"), &raw.hazards),
            status: self.status(
                &at.key("status"),
                raw.status.as_deref(),
                &[Status::Active, Status::Suspended],
            ),
            validity: self.validity(&at, raw.not_before.as_deref(), raw.not_after.as_deref()),
            quota: self.quota(&at.key("quota"), raw.quota.as_ref()),
            acceptance: self.acceptance(&at, raw.acceptance.as_deref()),
            notify: notify::channels(self.problems, &at.key("notify"), raw.notify.as_deref()),
            passkeys: decision::passkeys(
                self.problems,
                &at.key("passkeys"),
                raw.passkeys.as_deref().unwrap_or_default(),
            ),
            party,
        }
    }

    fn contact(&mut self, at: &At<'_>, text: &str) -> Option<String> {
        let bare = text.starts_with("sip:") || text.starts_with("sips:");
        let problem = match ife_message::Aor::parse(text.as_bytes()) {
            Ok(_) if !bare || text.len() > CONTACT_LEN_MAX => {
                "not a bare SIP URI of at most 256 bytes".to_owned()
            }
            Ok(_) => match contact_problem(text) {
                None => return Some(text.to_owned()),
                Some(problem) => problem,
            },
            Err(error) => error.to_string(),
        };
        self.problems.hint(
            at,
            problem,
            "for example sip:expert-safety@192.0.2.10:5061;transport=tls",
        );
        None
    }

    fn expert_hazards(&mut self, at: &At<'_>, raw: &'r [raw::Str<'r>]) -> Vec<u8> {
        let raw = self.problems.listed(at, raw, HAZARDS_MAX);
        let mut hazards = Vec::with_capacity(raw.len());
        for (position, name) in raw.iter().enumerate() {
            let item = at.index(position);
            match self.seen.hazard_index(name) {
                // At most 256 hazards are numbered: their count was checked.
                Some(index) => match u8::try_from(index) {
                    Ok(index) if hazards.contains(&index) => self.problems.add(
                        &item,
                        format!("`{}` is listed twice", name.escape_debug()),
                        None,
                    ),
                    Ok(index) => hazards.push(index),
                    Err(_) => {}
                },
                None => {
                    let hint = did_you_mean(name, self.seen.hazard_names()).unwrap_or_else(|| {
                        "add it to the registry's top-level `hazards`".to_owned()
                    });
                    self.problems.hint(
                        &item,
                        format!("unknown hazard `{}`", name.escape_debug()),
                        hint,
                    );
                }
            }
        }
        hazards.sort_unstable();
        hazards
    }

    fn status(&mut self, at: &At<'_>, text: Option<&str>, allowed: &[Status]) -> Status {
        let Some(text) = text else {
            return Status::Active;
        };
        if let Some(status) = allowed.iter().find(|s| s.as_str() == text) {
            return *status;
        }
        let names: Vec<_> = allowed.iter().map(|s| s.as_str()).collect();
        let hint = did_you_mean(text, names.iter().copied()).unwrap_or_else(|| names.join(" or "));
        self.problems.hint(
            at,
            format!("unknown status `{}`", text.escape_debug()),
            hint,
        );
        Status::Suspended
    }

    fn acceptance(&mut self, of: &At<'_>, text: Option<&str>) -> Option<Acceptance> {
        let text = text?;
        let known = Acceptance::of(text);
        if known.is_none() {
            let names = Acceptance::ALL.map(Acceptance::as_str);
            let hint = did_you_mean(text, names).unwrap_or_else(|| names.join(", "));
            let message = format!("unknown acceptance `{}`", text.escape_debug());
            self.problems.hint(&of.key("acceptance"), message, hint);
        }
        known
    }

    fn validity(
        &mut self,
        at: &At<'_>,
        not_before: Option<&str>,
        not_after: Option<&str>,
    ) -> Validity {
        let before = self.instant(&at.key("not_before"), not_before, 0);
        let after = self.instant(&at.key("not_after"), not_after, u64::MAX);
        if before > after {
            self.problems.hint(
                &at.key("not_after"),
                "earlier than not_before",
                "the two may have been swapped",
            );
        }
        Validity {
            not_before: before,
            not_after: after,
        }
    }

    fn instant(&mut self, at: &At<'_>, text: Option<&str>, open: u64) -> u64 {
        let Some(text) = text else { return open };
        parse_instant(text).unwrap_or_else(|| {
            let message = format!("not an instant: `{}`", text.escape_debug());
            self.problems.hint(
                at,
                message,
                "RFC 3339, for example 2026-12-31T23:59:59Z or 2026-12-31",
            );
            open
        })
    }

    fn legacy_store(&mut self, text: Option<&str>) -> Option<String> {
        let at = At::ROOT.key("legacy_store").to_string();
        let problem = match text {
            None if self.legacy => "needed, because a signer has legacy_signature",
            None => return None,
            Some(path) if path.starts_with('/') && !path.chars().any(char::is_control) => {
                return Some(path.to_owned());
            }
            Some(_) => "not an absolute path",
        };
        self.problems.push(Problem {
            path: at,
            message: problem.to_owned(),
            hint: Some(
                "a file that outlives restarts, for example /var/lib/if-escalate/legacy.store"
                    .to_owned(),
            ),
        });
        None
    }

    fn default_expert(&mut self, id: &str, experts: &[Expert]) -> Option<usize> {
        let found = experts.iter().position(|e| e.id == id);
        if found.is_none() {
            let hint = did_you_mean(id, experts.iter().map(|e| e.id.as_str()))
                .unwrap_or_else(|| "the id of one of `experts`".to_owned());
            self.problems.hint(
                &At::ROOT.key("default_expert"),
                format!("no expert has the id `{}`", id.escape_debug()),
                hint,
            );
        }
        found
    }
}

/// Returns why a call cannot be sent to a contact that is a SIP URI (RFC 3261 19.1.1).
fn contact_problem(uri: &str) -> Option<String> {
    if uri.contains('?') {
        return Some("a contact cannot have ?headers".to_owned());
    }
    let mut transport = None;
    let after_user = uri.rsplit_once('@').map_or(uri, |(_, rest)| rest);
    for parameter in after_user.split(';').skip(1) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if !name.eq_ignore_ascii_case("transport") {
            continue;
        }
        if transport.replace(value).is_some() {
            return Some("`transport` is there twice".to_owned());
        }
        let is_known = CONTACT_TRANSPORTS
            .iter()
            .any(|known| known.as_str().eq_ignore_ascii_case(value));
        if !is_known {
            let names = CONTACT_TRANSPORTS.map(Transport::as_str).join(", ");
            let value = value.escape_debug();
            return Some(format!("transport `{value}` is not one of {names}"));
        }
    }
    None
}
