//! The sockets that a configuration of Kamailio names: its `listen` lines, with the definitions and
//! conditions around them. What `kamailio -A` defines is not known here.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

/// Definitions, and whether the lines at hand are read.
#[derive(Default)]
struct Reader<'t> {
    defined: BTreeMap<&'t str, &'t str>,
    /// Of each condition around the line: whether it holds.
    conditions: Vec<bool>,
    found: Vec<(bool, SocketAddr)>,
}

/// Returns the sockets, UDP or not, of a configuration that reads `local` first.
pub(super) fn listeners(main: &str, local: &str) -> Vec<(bool, SocketAddr)> {
    let mut reader = Reader::default();
    local.lines().for_each(|line| reader.line(line));
    // A file ends its own conditions.
    reader.conditions.clear();
    main.lines().for_each(|line| reader.line(line));
    reader.found
}

impl<'t> Reader<'t> {
    fn line(&mut self, line: &'t str) {
        let line = line.trim();
        if let Some(directive) = line.strip_prefix("#!").or_else(|| line.strip_prefix("!!")) {
            return self.directive(directive);
        }
        let is_read = self.conditions.iter().all(|holds| *holds);
        let value = line.strip_prefix("listen").map(str::trim_start);
        if let Some(value) = value.and_then(|value| value.strip_prefix('='))
            && is_read
        {
            let socket = self.socket(value.trim_start());
            self.found.extend(socket);
        }
    }

    fn directive(&mut self, text: &'t str) {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        let (name, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let is_read = self.conditions.iter().all(|holds| *holds);
        let is_defined = self.defined.contains_key(name);
        match word {
            "ifdef" => self.conditions.push(is_defined),
            "ifndef" => self.conditions.push(!is_defined),
            "else" => {
                if let Some(last) = self.conditions.last_mut() {
                    *last = !*last;
                }
            }
            "endif" => {
                self.conditions.pop();
            }
            "trydef" | "trydefine" if is_read && !is_defined => {
                self.defined.insert(name, value.trim());
            }
            "define" | "def" | "redef" | "redefine" if is_read => {
                self.defined.insert(name, value.trim());
            }
            _ => {}
        }
    }

    /// `udp:192.0.2.1:5060`, each part a name that is defined or itself. A name of a host or of an
    /// interface is none: Kamailio resolves it when it starts.
    fn socket(&self, value: &str) -> Option<(bool, SocketAddr)> {
        let value = value.trim_start_matches('"');
        let value = value
            .split(|c: char| c.is_whitespace() || matches!(c, '"' | ';' | '#' | '/'))
            .next()?;
        let (protocol, rest) = value.split_once(':')?;
        let is_udp = match protocol {
            "udp" => true,
            "tcp" | "tls" => false,
            _ => return None,
        };
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                (host, port.strip_prefix(':'))
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let ip: IpAddr = self.known(host).trim_matches(['[', ']']).parse().ok()?;
        let port = match port {
            Some(port) => self.known(port).parse().ok()?,
            None if protocol == "tls" => 5061,
            None => 5060,
        };
        Some((is_udp, SocketAddr::new(ip, port)))
    }

    fn known<'v>(&'v self, name: &'v str) -> &'v str {
        self.defined.get(name).copied().unwrap_or(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(main: &str, local: &str) -> Vec<String> {
        let found = listeners(main, local).into_iter();
        let told = found
            .map(|(is_udp, address)| format!("{} {address}", if is_udp { "udp" } else { "tcp" }));
        told.collect()
    }

    #[test]
    fn the_shipped_configuration_is_read_with_its_local_one() {
        let main = include_str!("../../../../kamailio.cfg");
        assert_eq!(
            found(main, ""),
            ["udp 127.0.0.1:5060", "tcp 127.0.0.1:5060"]
        );
        let local = "#!define SIP_ADDR 192.0.2.10\n#!define WITH_TLS\n#!define TLS_PORT 5071\n";
        assert_eq!(
            found(main, local),
            [
                "udp 192.0.2.10:5060",
                "tcp 192.0.2.10:5060",
                "tcp 192.0.2.10:5071"
            ]
        );
    }

    #[test]
    fn lines_in_other_forms_are_read_or_left_out() {
        for (line, wanted) in [
            ("listen=udp:192.0.2.1", Some("udp 192.0.2.1:5060")),
            (
                "  listen = \"tls:192.0.2.1\" # x",
                Some("tcp 192.0.2.1:5061"),
            ),
            (
                "listen=tcp:[2001:db8::1]:5070 advertise 192.0.2.9:5060",
                Some("tcp [2001:db8::1]:5070"),
            ),
            ("listen=udp:eth0:5060", None),
            ("listen=sctp:192.0.2.1:5060", None),
            ("listen=udp:192.0.2.1:port", None),
            ("# listen=udp:192.0.2.1:5060", None),
            ("listening=udp:192.0.2.1:5060", None),
            ("listen", None),
        ] {
            let wanted: Vec<&str> = wanted.into_iter().collect();
            assert_eq!(found(line, ""), wanted, "{line}");
        }
        let nested = "#!define A\n#!ifdef A\n#!ifdef B\nlisten=udp:192.0.2.1\n#!else\n\
            listen=udp:192.0.2.2\n#!endif\n#!else\nlisten=udp:192.0.2.3\n#!endif\n#!endif\n\
            #!ifndef A\nlisten=udp:192.0.2.4\n#!endif\n";
        assert_eq!(found(nested, ""), ["udp 192.0.2.2:5060"]);
    }
}
