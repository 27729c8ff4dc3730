//! Files that the bridge's configuration and Kamailio's TLS configuration name. Neither is judged
//! here: `ife-bridge check` and `kamailio -c` do that.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// Paths by what they are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct BridgeFiles {
    /// Keys, tokens, passwords.
    pub(super) secrets: Vec<PathBuf>,
    /// Private keys of TLS.
    pub(super) tls_keys: Vec<PathBuf>,
    /// Certificates, with what each is for.
    pub(super) certificates: Vec<(&'static str, PathBuf)>,
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
    credentials_file: Option<PathBuf>,
    ca: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Notify {
    secrets: BTreeMap<String, PathBuf>,
    ca: Option<PathBuf>,
    mail: Mail,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Mail {
    password_file: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Evidence {
    listen: Tcp,
    signing_key: Option<PathBuf>,
    turn: Turn,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Turn {
    secret_file: Option<PathBuf>,
}

/// Reads the paths; relative ones are relative to `base`, the file's directory.
pub(super) fn files(yaml: &str, base: &Path) -> Result<BridgeFiles, String> {
    let config: Config = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
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
    Ok(BridgeFiles {
        secrets: secrets.map(at).collect(),
        tls_keys: [api.key, page.key].into_iter().flatten().map(at).collect(),
        certificates: certificates.collect(),
    })
}

/// Adds what Kamailio's TLS configuration names: `name = path` in sections.
pub(super) fn add_tls(text: &str, to: &mut BridgeFiles) {
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
        let mut found = BridgeFiles::default();
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
        let found = files(yaml, Path::new("/etc/x")).expect("YAML");
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
    fn the_shipped_example_is_read_and_a_bad_file_is_refused() {
        let example = include_str!("../../../../docs/examples/bridge.yaml");
        let found = files(example, Path::new("/etc/if-escalate")).expect("YAML");
        assert_eq!(found.secrets.len(), 2, "{found:?}");
        for bad in ["a: [", "council: 5"] {
            assert!(files(bad, Path::new("/")).is_err(), "{bad:?}");
        }
    }
}
