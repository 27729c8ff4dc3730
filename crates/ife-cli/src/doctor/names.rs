//! Names of hosts in the registry, the gateways' list and the bridge's configuration: whether they
//! resolve, as SIP does it (RFC 3263) where SIP uses them, and how long that takes.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ife_guard::{Registry, registry::Channel};
use tokio::time::{Instant, timeout};

use super::{
    dns::{self, Answer, Kind},
    report::Report,
};

/// Names that are looked up, and targets of the service records of one.
const NAMES_MAX: usize = 64;
const TARGETS_MAX: usize = 8;
/// A look-up takes so long at most; resolvers try again after 2 to 5 s.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(6);
/// All of them together.
const TIME_MAX: Duration = Duration::from_secs(30);
/// A server that does not answer shows by this much.
const SLOW_MS: u128 = 1_500;

/// Who looks a name up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum User {
    Kamailio,
    Bridge,
    /// An expert's browser, which may ask other servers than this host.
    Browser,
}

/// A name of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// Where it is written.
    of: String,
    host: String,
    user: User,
    /// Names of services under which the host's ports are looked up; none with a port.
    services: &'static [&'static str],
}

impl Name {
    pub(super) fn new(of: impl Into<String>, host: String, user: User) -> Name {
        Name {
            of: of.into(),
            host,
            user,
            services: &[],
        }
    }
}

/// The end of a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
enum LookUp {
    Addresses(usize),
    /// It has NAPTR records, which are not followed here.
    Naptr,
    /// Targets of its service records that have no address.
    LostTargets(Vec<String>),
    Failed(String),
    /// It has no address, and no server answers whether it has service records.
    Unsure(String),
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
    let mut report = Report::new("names");
    for (name, end, took_ms) in &facts.looked_up {
        judge_one(name, end, *took_ms, &mut report);
    }
    if facts.looked_up.is_empty() {
        report.skipped("no names: contacts, gateways and the bridge's hosts have addresses");
        return report;
    }
    let took = facts.looked_up.iter().map(|(_, _, took)| took);
    let slowest = took.max().unwrap_or(&0);
    let addresses = facts.looked_up.iter().map(|(_, end, _)| match end {
        LookUp::Addresses(count) => *count,
        LookUp::Naptr
        | LookUp::LostTargets(_)
        | LookUp::Failed(_)
        | LookUp::Unsure(_)
        | LookUp::Silent => 0,
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

fn judge_one(name: &Name, end: &LookUp, took_ms: u128, report: &mut Report) {
    let place = format!("{} ({})", name.host, name.of);
    match end {
        LookUp::Silent => report.error(format!("{place}: the DNS does not answer"), advice(name)),
        LookUp::Failed(why) if name.user == User::Browser => report.warning(
            format!("{place} does not resolve on this host: {why}"),
            "experts' browsers must find it: ask the DNS that they use",
        ),
        LookUp::Failed(why) => {
            let nor = if name.services.is_empty() {
                ""
            } else {
                ", and it has no SRV or NAPTR records"
            };
            report.error(
                format!("{place} does not resolve: {why}{nor}"),
                advice(name),
            );
        }
        LookUp::Unsure(why) => report.warning(
            format!("{place} has no address of its own: {why}"),
            "fine if it has SRV or NAPTR records, which Kamailio looks up: kamcmd dns.view",
        ),
        LookUp::LostTargets(targets) => report.error(
            format!(
                "{place}: targets of its SRV records do not resolve: {}",
                targets.join(", ")
            ),
            advice(name),
        ),
        LookUp::Addresses(_) | LookUp::Naptr if took_ms > SLOW_MS => report.warning(
            format!("{place} took {took_ms} ms"),
            "a server of /etc/resolv.conf is silent; no call waits, but changes come late",
        ),
        LookUp::Addresses(_) | LookUp::Naptr => {}
    }
}

fn advice(name: &Name) -> &'static str {
    match name.user {
        User::Kamailio => {
            "the servers of /etc/resolv.conf; `kamcmd dns.view` has what Kamailio uses; \
             its log has `... is not resolved` with the consequence"
        }
        User::Bridge => {
            "the servers of /etc/resolv.conf, or the name where it is written; the bridge asks \
             anew whenever it uses the name"
        }
        User::Browser => "the servers of /etc/resolv.conf; experts' browsers may ask others",
    }
}

/// Looks all names up, one after the other.
pub(super) async fn gather(names: Vec<Name>) -> Facts {
    let servers = dns::servers();
    let begun = Instant::now();
    let mut facts = Facts {
        left_out: names.len(),
        ..Facts::default()
    };
    for name in names.into_iter().take(NAMES_MAX) {
        if begun.elapsed() > TIME_MAX {
            break;
        }
        let asked = Instant::now();
        let end = look_up(&name, &servers).await;
        // The next name would wait as long.
        let is_silent = end == LookUp::Silent;
        let took_ms = asked.elapsed().as_millis();
        facts.looked_up.push((name, end, took_ms));
        facts.left_out -= 1;
        if is_silent {
            break;
        }
    }
    facts
}

async fn look_up(name: &Name, servers: &[SocketAddr]) -> LookUp {
    let mut is_known = true;
    let mut targets = Vec::new();
    for service in name.services {
        match dns::ask(servers, &format!("{service}.{}", name.host), Kind::Srv).await {
            Answer::Records(found) => targets.extend(found),
            Answer::Nothing => {}
            Answer::Silent => {
                is_known = false;
                break;
            }
        }
    }
    // A dot stands for "no such service" (RFC 2782).
    targets.retain(|target| !target.is_empty());
    if !targets.is_empty() {
        return look_up_targets(targets).await;
    }
    let end = addresses_of(&name.host).await;
    if name.services.is_empty() {
        return end;
    }
    let LookUp::Failed(why) = end else {
        return end;
    };
    if is_known {
        match dns::ask(servers, &name.host, Kind::Naptr).await {
            Answer::Records(_) => return LookUp::Naptr,
            Answer::Nothing => return LookUp::Failed(why),
            Answer::Silent => {}
        }
    }
    LookUp::Unsure(why)
}

async fn look_up_targets(mut targets: Vec<String>) -> LookUp {
    targets.sort_unstable();
    targets.dedup();
    targets.truncate(TARGETS_MAX);
    let mut sum = 0;
    let mut lost = Vec::new();
    for target in targets {
        match addresses_of(&target).await {
            LookUp::Addresses(count) => sum += count,
            LookUp::Silent => return LookUp::Silent,
            LookUp::Failed(_) | LookUp::Naptr | LookUp::LostTargets(_) | LookUp::Unsure(_) => {
                lost.push(target)
            }
        }
    }
    if lost.is_empty() {
        LookUp::Addresses(sum)
    } else {
        LookUp::LostTargets(lost)
    }
}

async fn addresses_of(host: &str) -> LookUp {
    match timeout(ANSWER_TIME_MAX, tokio::net::lookup_host((host, 0))).await {
        Ok(Ok(addresses)) => {
            // The resolver may give an address once for each kind of socket.
            LookUp::Addresses(addresses.collect::<HashSet<_>>().len())
        }
        Ok(Err(error)) => LookUp::Failed(error.to_string()),
        Err(_) => LookUp::Silent,
    }
}

/// The names in a registry, in a list of gateways and in the bridge's configuration, each once.
pub(super) fn names(registry: Option<&Registry>, gateways: &str, bridge: Vec<Name>) -> Vec<Name> {
    let experts = registry
        .map(|registry| registry.experts.as_slice())
        .unwrap_or_default();
    let contacts = experts
        .iter()
        .filter_map(|expert| sip_name(expert.contact.as_deref()?, format!("expert {}", expert.id)));
    let channels = experts
        .iter()
        .flat_map(|expert| expert.notify.iter().map(move |channel| (expert, channel)));
    let hooks = channels.filter_map(|(expert, channel)| match channel {
        Channel::Webhook { url, .. } => {
            let of = format!("webhook of expert {}", expert.id);
            Some(Name::new(of, host_of(url)?, User::Bridge))
        }
        Channel::Mail { .. } => None,
    });
    let lines = gateways
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let uris = lines.filter_map(|line| line.split_whitespace().nth(1));
    let gateways = uris.filter_map(|uri| sip_name(uri, "gateways' list".to_owned()));
    let mut seen = HashSet::new();
    let all = contacts.chain(gateways).chain(bridge).chain(hooks);
    all.filter(|name| seen.insert((name.host.clone(), name.services)))
        .collect()
}

/// The host of a SIP URI, if it is a name, with the services that are looked up for the URI's
/// transport (RFC 3263 4.1).
fn sip_name(uri: &str, of: String) -> Option<Name> {
    let (scheme, rest) = uri.split_once(':')?;
    let (_, parameters) = rest.split_once(';').unwrap_or((rest, ""));
    let parameters = parameters.to_ascii_lowercase();
    let mut transports = parameters
        .split(';')
        .filter_map(|parameter| parameter.strip_prefix("transport="));
    let authority = rest.split([';', '?', '>']).next()?;
    let has_port = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host)
        .contains(':');
    let services: &[&str] = match transports.next() {
        _ if has_port => &[],
        Some("tls") => &["_sips._tcp"],
        _ if scheme.eq_ignore_ascii_case("sips") => &["_sips._tcp"],
        Some("udp") => &["_sip._udp"],
        Some("tcp") => &["_sip._tcp"],
        Some(_) | None => &["_sip._udp", "_sip._tcp", "_sips._tcp"],
    };
    let name = Name::new(of, host_of(authority)?, User::Kamailio);
    Some(Name { services, ..name })
}

/// The host in a URL, a URI or `host:port`, if it is a name.
pub(super) fn host_of(text: &str) -> Option<String> {
    let text = text.trim();
    let rest = match text.split_once("://") {
        Some((_, rest)) => rest,
        None => ["turn:", "turns:", "stun:", "stuns:"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme))
            .unwrap_or(text),
    };
    let rest = rest.split(['/', '?', '#']).next()?;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if rest.starts_with('[') {
        return None;
    }
    let host = rest.split(':').next()?;
    let is_address = host.is_empty() || host.parse::<IpAddr>().is_ok();
    (!is_address).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{super::report::tests::told, *};

    #[test]
    fn names_are_found_in_uris_with_their_services_and_addresses_are_not() {
        const ALL: &[&str] = &["_sip._udp", "_sip._tcp", "_sips._tcp"];
        for (uri, wanted) in [
            (
                "sip:a@Phone.example:5070;transport=tcp",
                Some(("phone.example", &[][..])),
            ),
            ("sip:a@phone.example", Some(("phone.example", ALL))),
            (
                "sip:a@phone.example;Transport=TCP",
                Some(("phone.example", &["_sip._tcp"][..])),
            ),
            (
                "sips:phone.example",
                Some(("phone.example", &["_sips._tcp"][..])),
            ),
            ("sip:a@192.0.2.1:5060", None),
            ("sip:a@[2001:db8::1]:5060", None),
            ("nonsense", None),
        ] {
            let found = sip_name(uri, "x".into());
            let found = found
                .as_ref()
                .map(|name| (name.host.as_str(), name.services));
            assert_eq!(found, wanted, "{uri}");
        }
        let list =
            "# gateways\n1 sip:gw.example:5060 0 10\n1 sip:gw.example:5060 0 5 # again\n\n1\n";
        assert_eq!(names(None, list, Vec::new()).len(), 1);
        let bridge = vec![Name::new("x", "gw.example".into(), User::Bridge)];
        assert_eq!(names(None, list, bridge).len(), 1);
    }

    #[test]
    fn hosts_are_found_in_urls() {
        for (text, wanted) in [
            ("https://Bridge.example:8443/x?y", Some("bridge.example")),
            ("https://bridge.example?y", Some("bridge.example")),
            ("tls://user:x@nats.example:4222", Some("nats.example")),
            (
                "turns:turn.example:5349?transport=tcp",
                Some("turn.example"),
            ),
            ("turn:192.0.2.1:3478", None),
            ("files.example:8443", Some("files.example")),
            ("https://[2001:db8::1]/", None),
            ("", None),
        ] {
            assert_eq!(host_of(text).as_deref(), wanted, "{text}");
        }
    }

    fn name_of(services: &'static [&'static str], user: User) -> Name {
        Name {
            services,
            ..Name::new("x", "h".into(), user)
        }
    }

    fn judged(name: &Name, end: LookUp, took: u128) -> Vec<String> {
        told(judge(&Facts {
            looked_up: vec![(name.clone(), end, took)],
            left_out: 0,
        }))
    }

    #[test]
    fn names_that_resolve_are_counted_and_a_slow_one_is_warned_of() {
        let by_port = name_of(&[], User::Kamailio);
        let by_service = name_of(&["_sip._udp"], User::Kamailio);
        for (name, end, took, wanted) in [
            (
                &by_port,
                LookUp::Addresses(2),
                3,
                "ok 1 names have 2 addresses, the slowest took 3 ms",
            ),
            (
                &by_port,
                LookUp::Addresses(1),
                5_000,
                "warning h (x) took 5000 ms",
            ),
            (
                &by_service,
                LookUp::Naptr,
                3,
                "ok 1 names have 0 addresses, the slowest took 3 ms",
            ),
        ] {
            assert_eq!(judged(name, end, took), [wanted]);
        }
        assert!(told(judge(&Facts::default()))[0].starts_with("skipped"));
    }

    #[test]
    fn a_look_up_that_fails_is_judged_by_the_user_of_the_name() {
        let by_port = name_of(&[], User::Kamailio);
        let by_service = name_of(&["_sip._udp"], User::Kamailio);
        let browser = name_of(&[], User::Browser);
        let failed = LookUp::Failed("no".into());
        let lost = LookUp::LostTargets(vec!["a".into(), "b".into()]);
        for (name, end, wanted) in [
            (&by_port, failed.clone(), "error h (x) does not resolve: no"),
            (
                &by_service,
                failed.clone(),
                "error h (x) does not resolve: no, and it has no SRV or NAPTR records",
            ),
            (
                &browser,
                failed,
                "warning h (x) does not resolve on this host: no",
            ),
            (
                &by_service,
                LookUp::Unsure("no".into()),
                "warning h (x) has no address of its own: no",
            ),
            (
                &by_service,
                lost,
                "error h (x): targets of its SRV records do not resolve: a, b",
            ),
            (
                &by_port,
                LookUp::Silent,
                "error h (x): the DNS does not answer",
            ),
        ] {
            assert_eq!(judged(name, end, 3), [wanted]);
        }
    }
}
