//! Where a bridge listens.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

use reqwest::Url;

/// Longest path of a Unix socket, in bytes (`sun_path` of unix(7), less its end).
const SOCKET_PATH_LEN_MAX: usize = 107;

/// `unix:/path`, `https://host:port`, or `http://` to this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BridgeAddress {
    /// Path of the socket.
    Unix(PathBuf),
    /// Scheme, host and port; no path.
    Tcp(Url),
}

impl FromStr for BridgeAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<BridgeAddress, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.len() > SOCKET_PATH_LEN_MAX {
                return Err(format!(
                    "a socket's path has 1 to {SOCKET_PATH_LEN_MAX} bytes"
                ));
            }
            return Ok(BridgeAddress::Unix(path.into()));
        }
        let url: Url = text
            .parse()
            .map_err(|_| "must be unix:/path or https://host:port".to_owned())?;
        match url.scheme() {
            "https" => {}
            // A token must not cross a network in the clear, and the bridge does not offer it.
            "http" if is_this_host(&url) => {}
            "http" => {
                return Err("plain http only to this host (127.0.0.1, [::1], localhost)".to_owned());
            }
            _ => return Err("must be unix:/path or https://host:port".to_owned()),
        }
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err("scheme, host and port, and nothing else".to_owned());
        }
        Ok(BridgeAddress::Tcp(url))
    }
}

fn is_this_host(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    host == "localhost" || address.is_ok_and(|address: IpAddr| address.is_loopback())
}

impl BridgeAddress {
    /// The path of a Unix socket.
    pub(crate) fn socket(&self) -> Option<&PathBuf> {
        match self {
            BridgeAddress::Unix(path) => Some(path),
            BridgeAddress::Tcp(_) => None,
        }
    }
}

impl fmt::Display for BridgeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BridgeAddress::Unix(path) => write!(f, "unix:{}", path.display()),
            BridgeAddress::Tcp(url) => f.write_str(url.as_str().trim_end_matches('/')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_as_they_are_written() {
        for text in [
            "unix:/run/if-escalate/bridge.sock",
            "https://bridge.council.example:8443",
            "https://[2001:db8::1]:8443",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://localhost:8080",
        ] {
            assert_eq!(text.parse::<BridgeAddress>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in [
            "",
            "unix:",
            "/run/bridge.sock",
            "ftp://host/",
            "http://bridge.council.example",
            "http://127.0.0.1.example",
            "https://host/path",
            "https://user:secret@host",
            "https://host/?token=1",
        ] {
            assert!(text.parse::<BridgeAddress>().is_err(), "{text}");
        }
        assert!(
            format!("unix:/{}", "x".repeat(200))
                .parse::<BridgeAddress>()
                .is_err()
        );
    }
}
