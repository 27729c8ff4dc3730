//! Host names of contacts and gateways: whether they resolve, and how long that takes.

use std::{net::IpAddr, time::Duration};

use ife_guard::Registry;
use tokio::time::{Instant, timeout};

use super::report::Report;

/// Names that are looked up.
const NAMES_MAX: usize = 64;
/// A look-up takes so long at most; resolvers try again after 2 to 5 s.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(6);
/// A server that does not answer shows by this much.
const SLOW_MS: u128 = 1_500;

/// A name in a URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// Where it is written: an expert, or the gateways' list.
    of: String,
    host: String,
    /// Without a port, SRV and NAPTR count as well, which are not looked up here.
    has_port: bool,
}

/// The end of a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
enum LookUp {
    Addresses(usize),
    Failed(String),
    Silent,
}

/// Facts about names.
#[derive(Debug, Default)]
pub(super) struct Facts {
    looked_up: Vec<(Name, LookUp, u128)>,
    left_out: usize,
}

/// Judges names.
pub(super) fn judge(facts: &Facts) -> Report {
    const DNS: &str = "the servers of /etc/resolv.conf; `kamcmd dns.view` has what Kamailio uses; \
        its log has `... is not resolved` with the consequence";
    let mut report = Report::new("names");
    for (Name { of, host, has_port }, end, took_ms) in &facts.looked_up {
        match end {
            LookUp::Silent => report.error(format!("{host} ({of}): the DNS does not answer"), DNS),
            LookUp::Failed(why) if *has_port => {
                report.error(format!("{host} ({of}) does not resolve: {why}"), DNS);
            }
            LookUp::Failed(why) => report.warning(
                format!("{host} ({of}) has no address of its own: {why}"),
                "fine if it has SRV or NAPTR records, which Kamailio looks up: kamcmd dns.view",
            ),
            LookUp::Addresses(_) if *took_ms > SLOW_MS => report.warning(
                format!("{host} ({of}) took {took_ms} ms"),
                "a server of /etc/resolv.conf is silent; no call waits, but changes come late",
            ),
            LookUp::Addresses(_) => {}
        }
    }
    if facts.looked_up.is_empty() {
        report.skipped("contacts and gateways have addresses, no names");
        return report;
    }
    let slowest = facts
        .looked_up
        .iter()
        .map(|(_, _, took)| took)
        .max()
        .unwrap_or(&0);
    let addresses = facts.looked_up.iter().map(|(_, end, _)| match end {
        LookUp::Addresses(count) => *count,
        LookUp::Failed(_) | LookUp::Silent => 0,
    });
    let more = match facts.left_out {
        0 => String::new(),
        more => format!("; {more} more were not looked up"),
    };
    report.fine_otherwise(format!(
        "{} names have {} addresses, the slowest took {slowest} ms{more}",
        facts.looked_up.len(),
        addresses.sum::<usize>()
    ));
    report
}

/// Looks all names up, one after the other.
pub(super) async fn gather(names: Vec<Name>) -> Facts {
    let mut facts = Facts {
        left_out: names.len().saturating_sub(NAMES_MAX),
        ..Facts::default()
    };
    for name in names.into_iter().take(NAMES_MAX) {
        let begun = Instant::now();
        let found = timeout(
            ANSWER_TIME_MAX,
            tokio::net::lookup_host((name.host.as_str(), 5060)),
        );
        let end = match found.await {
            Ok(Ok(addresses)) => LookUp::Addresses(addresses.count()),
            Ok(Err(error)) => LookUp::Failed(error.to_string()),
            Err(_) => LookUp::Silent,
        };
        let is_silent = end == LookUp::Silent;
        facts
            .looked_up
            .push((name, end, begun.elapsed().as_millis()));
        if is_silent {
            // The next name would wait as long.
            break;
        }
    }
    facts
}

/// The names in a registry's contacts and in a list of gateways, each once.
pub(super) fn names(registry: Option<&Registry>, gateways: &str) -> Vec<Name> {
    let experts = registry
        .map(|registry| registry.experts.as_slice())
        .unwrap_or_default();
    let contacts = experts
        .iter()
        .filter_map(|expert| name_of(expert.contact.as_deref()?, format!("expert {}", expert.id)));
    let lines = gateways
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let uris = lines.filter_map(|line| line.split_whitespace().nth(1));
    let gateways = uris.filter_map(|uri| name_of(uri, "gateways' list".to_owned()));
    let mut names: Vec<Name> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for name in contacts.chain(gateways) {
        if seen.insert((name.host.clone(), name.has_port)) {
            names.push(name);
        }
    }
    names
}

/// The host of a SIP URI, if it is a name.
fn name_of(uri: &str, of: String) -> Option<Name> {
    let rest = uri.split_once(':')?.1;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let rest = rest.split([';', '?', '>']).next()?;
    if rest.starts_with('[') {
        return None;
    }
    let (host, has_port) = match rest.split_once(':') {
        Some((host, _)) => (host, true),
        None => (rest, false),
    };
    let is_address = host.is_empty() || host.parse::<IpAddr>().is_ok();
    (!is_address).then(|| Name {
        of,
        host: host.to_ascii_lowercase(),
        has_port,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::report::tests::told, *};

    #[test]
    fn names_are_found_in_uris_and_addresses_are_not() {
        for (uri, wanted) in [
            (
                "sip:a@Phone.example:5070;transport=tcp",
                Some(("phone.example", true)),
            ),
            ("sips:phone.example", Some(("phone.example", false))),
            ("sip:a@192.0.2.1:5060", None),
            ("sip:a@[2001:db8::1]:5060", None),
            ("nonsense", None),
        ] {
            let found = name_of(uri, "x".into());
            let found = found
                .as_ref()
                .map(|name| (name.host.as_str(), name.has_port));
            assert_eq!(found, wanted, "{uri}");
        }
        let list =
            "# gateways\n1 sip:gw.example:5060 0 10\n1 sip:gw.example:5060 0 5 # again\n\n1\n";
        assert_eq!(names(None, list).len(), 1);
    }

    #[test]
    fn look_ups_are_judged() {
        let name = |has_port| Name {
            of: "x".into(),
            host: "h".into(),
            has_port,
        };
        for (end, has_port, took, wanted) in [
            (
                LookUp::Addresses(2),
                true,
                3,
                "ok 1 names have 2 addresses, the slowest took 3 ms",
            ),
            (
                LookUp::Addresses(1),
                true,
                5_000,
                "warning h (x) took 5000 ms",
            ),
            (
                LookUp::Failed("no".into()),
                true,
                3,
                "error h (x) does not resolve: no",
            ),
            (
                LookUp::Failed("no".into()),
                false,
                3,
                "warning h (x) has no address of its own: no",
            ),
            (
                LookUp::Silent,
                true,
                6_000,
                "error h (x): the DNS does not answer",
            ),
        ] {
            let looked_up = vec![(name(has_port), end, took)];
            assert_eq!(
                told(judge(&Facts {
                    looked_up,
                    left_out: 0
                })),
                [wanted]
            );
        }
        assert!(told(judge(&Facts::default()))[0].starts_with("skipped"));
    }
}
