//! Files, ports and hosts that the bridge's configuration names, and files that Kamailio's TLS
//! configuration does. Neither is judged here: `ife-bridge check` and `kamailio -c` do that.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::names::{Name, User, host_of};

/// Files and addresses that the configurations name, by kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Keys, tokens, passwords.
    pub(super) secrets: Vec<PathBuf>,
    /// Private keys of TLS.
    pub(super) tls_keys: Vec<PathBuf>,
    /// Certificates, with what each is for.
    pub(super) certificates: Vec<(&'static str, PathBuf)>,
    /// Where the bridge listens: the field, whether it is UDP, and the address.
    pub(super) ports: Vec<(&'static str, bool, SocketAddr)>,
    /// Hosts that the bridge or an expert's browser goes to.
    pub(super) hosts: Vec<Name>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    ami: Ami,
    council: Signer,
    listen: Listen,
    nats: Nats,
    notify: Notify,
    evidence: Evidence,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ami {
    secret_file: Option<PathBuf>,
    tls: Ca,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ca {
    ca: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Signer {
    signing_key: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Listen {
    tcp: Tcp,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tcp {
    address: Option<SocketAddr>,
    token_file: Option<PathBuf>,
    tls: ServerTls,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServerTls {
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Nats {
    url: String,
    credentials_file: Option<PathBuf>,
    ca: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Notify {
    allowed_hosts: Vec<String>,
    secrets: BTreeMap<String, PathBuf>,
    ca: Option<PathBuf>,
    mail: Mail,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Mail {
    server: String,
    password_file: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Evidence {
    public_url: String,
    listen: Tcp,
    udp: Option<SocketAddr>,
    allowed_hosts: Vec<String>,
    signing_key: Option<PathBuf>,
    turn: Turn,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Turn {
    urls: Vec<String>,
    secret_file: Option<PathBuf>,
}

/// Reads the names; relative paths are relative to `base`, the file's directory.
pub(super) fn named(yaml: &str, base: &Path) -> Result<Named, String> {
    let config: Config = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
    let (ports, hosts) = (ports(&config), hosts(&config));
    let at = |path: PathBuf| base.join(path);
    let secrets = [
        config.ami.secret_file,
        config.council.signing_key,
        config.listen.tcp.token_file,
        config.nats.credentials_file,
        config.notify.mail.password_file,
        config.evidence.signing_key,
        config.evidence.turn.secret_file,
    ];
    let secrets = secrets
        .into_iter()
        .flatten()
        .chain(config.notify.secrets.into_values());
    let (api, page) = (config.listen.tcp.tls, config.evidence.listen.tls);
    let certificates = [
        ("the API's certificate", api.cert),
        ("authority of the API's clients", api.client_ca),
        ("the evidence listener's certificate", page.cert),
        ("authority of its clients", page.client_ca),
        ("AMI's authority", config.ami.tls.ca),
        ("NATS' authority", config.nats.ca),
        ("authority of notifications", config.notify.ca),
    ];
    let certificates = certificates
        .into_iter()
        .filter_map(|(of, path)| Some((of, at(path?))));
    Ok(Named {
        secrets: secrets.map(at).collect(),
        tls_keys: [api.key, page.key].into_iter().flatten().map(at).collect(),
        certificates: certificates.collect(),
        ports,
        hosts,
    })
}

fn ports(config: &Config) -> Vec<(&'static str, bool, SocketAddr)> {
    let places = [
        ("listen.tcp", false, config.listen.tcp.address),
        ("evidence.listen", false, config.evidence.listen.address),
        ("evidence.udp", true, config.evidence.udp),
    ];
    let places = places
        .into_iter()
        .filter_map(|(of, is_udp, address)| Some((of, is_udp, address?)));
    // The kernel chooses port 0.
    places
        .filter(|(_, _, address)| address.port() > 0)
        .collect()
}

fn hosts(config: &Config) -> Vec<Name> {
    let evidence = &config.evidence;
    let one = std::slice::from_ref;
    let servers: Vec<String> = config.nats.url.split(',').map(str::to_owned).collect();
    let places = [
        ("nats.url", User::Bridge, &servers[..]),
        (
            "notify.allowed_hosts",
            User::Bridge,
            &config.notify.allowed_hosts,
        ),
        ("notify.mail", User::Bridge, one(&config.notify.mail.server)),
        (
            "evidence.allowed_hosts",
            User::Bridge,
            &evidence.allowed_hosts,
        ),
        (
            "evidence.public_url",
            User::Browser,
            one(&evidence.public_url),
        ),
        ("evidence.turn", User::Browser, &evidence.turn.urls),
    ];
    let names = places.into_iter().flat_map(|(of, user, texts)| {
        let hosts = texts.iter().filter_map(|text| host_of(text));
        hosts.map(move |host| Name::new(of, host, user))
    });
    names.collect()
}

/// Adds what Kamailio's TLS configuration names: `name = path` in sections.
pub(super) fn add_tls(text: &str, to: &mut Named) {
    let set = text.lines().filter_map(|line| line.trim().split_once('='));
    for (name, path) in set {
        let path = PathBuf::from(path.trim().trim_matches('"'));
        let listed = |paths: &[PathBuf]| paths.contains(&path);
        let known = to.certificates.iter().any(|(_, known)| *known == path);
        match name.trim() {
            "certificate" if !known => to.certificates.push(("Kamailio's certificate", path)),
            "ca_list" if !known => to.certificates.push(("Kamailio's authorities", path)),
            "private_key" if !listed(&to.tls_keys) => to.tls_keys.push(path),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_kamailios_tls_are_found_once() {
        let mut found = Named::default();
        add_tls(
            include_str!("../../../../docs/examples/tls.cfg"),
            &mut found,
        );
        let dir = Path::new("/etc/if-escalate/tls");
        let certificates: Vec<_> = found
            .certificates
            .into_iter()
            .map(|(_, path)| path)
            .collect();
        assert_eq!(certificates, [dir.join("server.crt"), dir.join("ca.crt")]);
        assert_eq!(found.tls_keys, [dir.join("server.key")]);
    }

    #[test]
    fn paths_are_found_and_relative_ones_belong_to_the_file() {
        let yaml = "node: n\nami: {secret_file: ami-secret, tls: {ca: /ca.pem, name: n}}\n\
            council: {signing_key: keys/b.key, guardians: []}\n\
            listen: {unix: b.sock, tcp: {token_file: t, tls: {cert: c.pem, key: k.pem}}}\n\
            notify: {secrets: {pager: p}, mail: {server: s}}\n";
        let found = named(yaml, Path::new("/etc/x")).expect("YAML");
        let paths = |list: &[&str]| list.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(
            found.secrets,
            paths(&[
                "/etc/x/ami-secret",
                "/etc/x/keys/b.key",
                "/etc/x/t",
                "/etc/x/p"
            ])
        );
        assert_eq!(found.tls_keys, paths(&["/etc/x/k.pem"]));
        let certificates: Vec<_> = found
            .certificates
            .into_iter()
            .map(|(_, path)| path)
            .collect();
        assert_eq!(certificates, paths(&["/etc/x/c.pem", "/ca.pem"]));
    }

    #[test]
    fn ports_and_hosts_are_found() {
        let yaml = "listen: {tcp: {address: '[::1]:8443'}}\n\
            nats: {url: 'tls://Nats.example:4222, nats://192.0.2.1:4222'}\n\
            notify: {allowed_hosts: ['hooks.example:8443'], mail: {server: smtp.example}}\n\
            evidence: {public_url: 'https://b.example/x', udp: '0.0.0.0:0',\n\
              turn: {urls: ['turns:turn.example:5349?transport=tcp']}}\n";
        let found = named(yaml, Path::new("/")).expect("YAML");
        let ports: Vec<_> = found
            .ports
            .iter()
            .map(|(of, _, at)| (*of, at.port()))
            .collect();
        assert_eq!(ports, [("listen.tcp", 8443)]);
        let bridge = |of, host: &str| Name::new(of, host.to_owned(), User::Bridge);
        let browser = |of, host: &str| Name::new(of, host.to_owned(), User::Browser);
        assert_eq!(
            found.hosts,
            [
                bridge("nats.url", "nats.example"),
                bridge("notify.allowed_hosts", "hooks.example"),
                bridge("notify.mail", "smtp.example"),
                browser("evidence.public_url", "b.example"),
                browser("evidence.turn", "turn.example"),
            ]
        );
    }

    #[test]
    fn the_shipped_example_is_read_and_a_bad_file_is_refused() {
        let example = include_str!("../../../../docs/examples/bridge.yaml");
        let found = named(example, Path::new("/etc/if-escalate")).expect("YAML");
        assert_eq!(found.secrets.len(), 2, "{found:?}");
        for bad in ["a: [", "council: 5"] {
            assert!(named(bad, Path::new("/")).is_err(), "{bad:?}");
        }
    }
}
