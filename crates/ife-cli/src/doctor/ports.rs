//! Ports that the configuration names: whether they are free, held by their own program, or by
//! another one.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, SocketAddr, UdpSocket},
    path::Path,
};

use super::{
    process::{self, Socket},
    report::Report,
    seen::AS_ROOT,
};

/// Processes, and open files of each, that are looked at.
const PROCESSES_MAX: usize = 65_536;
const FILES_MAX: usize = 65_536;

/// A socket that a program is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Where it is written.
    pub(super) of: &'static str,
    /// As /proc names it.
    pub(super) program: &'static str,
    /// Whether the program answers.
    pub(super) runs: bool,
    pub(super) is_udp: bool,
    pub(super) address: SocketAddr,
}

/// A process that has a socket open.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    pid: u32,
    name: String,
}

/// The state of a wanted socket.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// No interface has the address.
    NoAddress,
    Free,
    /// By these processes; none if they belong to other users.
    Held(Vec<Holder>),
}

/// Facts about ports.
#[derive(Debug, Default)]
pub(super) struct Facts(Vec<(Wanted, State)>);

/// Judges ports.
pub(super) fn judge(facts: &Facts) -> Report {
    let mut report = Report::new("ports");
    let (mut own, mut free) = (0, 0);
    for (wanted, state) in &facts.0 {
        let Wanted { of, program, .. } = wanted;
        let socket = format!("{} {}", kind(wanted), wanted.address);
        match state {
            State::NoAddress => report.error(
                format!("{socket} ({of}): no interface of this host has the address"),
                format!("`ip address`; {program} cannot start before the address is there"),
            ),
            State::Free if wanted.runs => report.error(
                format!("{socket} ({of}): {program} runs, and nothing is open there"),
                format!("it has read another configuration: restart {program}"),
            ),
            State::Free => free += 1,
            State::Held(holders) if holders.iter().any(|holder| holder.name == *program) => {
                own += 1;
            }
            State::Held(holders) => match holders.first() {
                Some(Holder { pid, name }) => report.error(
                    format!("{socket} ({of}): held by {name} (process {pid}), not by {program}"),
                    format!("stop that program, or give {program} another port"),
                ),
                // It is the program's own, or the program would not have started.
                None if wanted.runs => own += 1,
                None => report.unseen(
                    format!("{socket} ({of}): held by a process of another user"),
                    AS_ROOT,
                ),
            },
        }
    }
    if facts.0.is_empty() {
        report.skipped("no configuration names a port");
    } else {
        report.fine_otherwise(format!("{own} held by their programs, {free} free"));
    }
    report
}

fn kind(wanted: &Wanted) -> &'static str {
    if wanted.is_udp { "UDP" } else { "TCP" }
}

/// Looks at the sockets of this host.
pub(super) fn gather(wanted: Vec<Wanted>) -> Facts {
    let open = process::sockets(|table| fs::read_to_string(Path::new("/proc/net").join(table)));
    let held: Vec<Vec<u64>> = wanted
        .iter()
        .map(|wanted| {
            let same = open.iter().filter(|socket| is_held_by(wanted, socket));
            same.map(|socket| socket.inode).collect()
        })
        .collect();
    let holders = holders(&held.concat());
    let state = |(wanted, inodes): (Wanted, Vec<u64>)| {
        let state = if !inodes.is_empty() {
            let of = inodes.iter().filter_map(|inode| holders.get(inode));
            State::Held(of.flatten().cloned().collect())
        } else if has_address(wanted.address.ip()) {
            State::Free
        } else {
            State::NoAddress
        };
        (wanted, state)
    };
    Facts(wanted.into_iter().zip(held).map(state).collect())
}

/// Whether an open socket takes the wanted place, so that a second one could not be opened there.
fn is_held_by(wanted: &Wanted, socket: &Socket) -> bool {
    let (a, b) = (
        wanted.address.ip().to_canonical(),
        socket.address.ip().to_canonical(),
    );
    let covers =
        |all: IpAddr, other: IpAddr| all.is_unspecified() && (all.is_ipv6() || other.is_ipv4());
    socket.is_udp == wanted.is_udp
        && socket.address.port() == wanted.address.port()
        && (a == b || covers(a, b) || covers(b, a))
}

/// Whether a program could bind to the address: a port that the kernel chooses is enough.
fn has_address(ip: IpAddr) -> bool {
    match UdpSocket::bind(SocketAddr::new(ip, 0)) {
        Ok(_) => true,
        Err(error) => error.kind() != std::io::ErrorKind::AddrNotAvailable,
    }
}

/// Which processes have sockets open, by the sockets' inodes.
fn holders(inodes: &[u64]) -> BTreeMap<u64, Vec<Holder>> {
    let mut found: BTreeMap<u64, Vec<Holder>> = BTreeMap::new();
    let Ok(processes) = fs::read_dir("/proc") else {
        return found;
    };
    if inodes.is_empty() {
        return found;
    }
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids.take(PROCESSES_MAX) {
        // Processes of other users are closed to this one.
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            continue;
        };
        let links = files.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        let mut sockets: Vec<u64> = links
            .take(FILES_MAX)
            .filter_map(|link| inode(&link))
            .collect();
        sockets.sort_unstable();
        sockets.dedup();
        for inode in sockets.into_iter().filter(|inode| inodes.contains(inode)) {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let name = name.trim_end().to_owned();
            found.entry(inode).or_default().push(Holder { pid, name });
        }
    }
    found
}

/// The number in `socket:[123]`.
fn inode(link: &Path) -> Option<u64> {
    let number = link.to_str()?.strip_prefix("socket:[")?;
    number.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::{super::report::tests::told, *};

    fn wanted(address: &str, runs: bool) -> Wanted {
        Wanted {
            of: "listen.tcp",
            program: "ife-bridge",
            runs,
            is_udp: false,
            address: address.parse().expect("an address"),
        }
    }

    fn held_by(names: &[&str]) -> State {
        let of = |name: &&str| Holder {
            pid: 7,
            name: (*name).to_owned(),
        };
        State::Held(names.iter().map(of).collect())
    }

    #[test]
    fn ports_are_judged() {
        let place = "TCP 192.0.2.1:443 (listen.tcp): ";
        for (state, runs, end) in [
            (State::Free, false, "ok 0 held by their programs, 1 free"),
            (
                State::Free,
                true,
                "ife-bridge runs, and nothing is open there",
            ),
            (
                held_by(&["ife-bridge"]),
                true,
                "ok 1 held by their programs, 0 free",
            ),
            // systemd may have opened it for the bridge.
            (
                held_by(&["systemd", "ife-bridge"]),
                true,
                "ok 1 held by their programs, 0 free",
            ),
            (
                held_by(&["nginx"]),
                false,
                "held by nginx (process 7), not by ife-bridge",
            ),
            (held_by(&[]), true, "ok 1 held by their programs, 0 free"),
            (held_by(&[]), false, "held by a process of another user"),
            (
                State::NoAddress,
                false,
                "no interface of this host has the address",
            ),
        ] {
            let found = told(judge(&Facts(vec![(
                wanted("192.0.2.1:443", runs),
                state.clone(),
            )])));
            let level = if state == held_by(&[]) {
                "unseen"
            } else {
                "error"
            };
            let expected = match end.strip_prefix("ok ") {
                Some(_) => end.to_owned(),
                None => format!("{level} {place}{end}"),
            };
            assert_eq!(found, [expected], "{state:?} {runs}");
        }
        assert!(told(judge(&Facts::default()))[0].starts_with("skipped"));
    }

    #[test]
    fn a_place_is_taken_by_the_same_address_and_by_all_of_them() {
        let socket = |address: &str| Socket {
            is_udp: false,
            address: address.parse().expect("an address"),
            inode: 1,
            drops: 0,
        };
        for (at, open, taken) in [
            ("192.0.2.1:443", "192.0.2.1:443", true),
            ("192.0.2.1:443", "192.0.2.1:444", false),
            ("192.0.2.1:443", "192.0.2.2:443", false),
            ("192.0.2.1:443", "0.0.0.0:443", true),
            ("0.0.0.0:443", "192.0.2.1:443", true),
            ("192.0.2.1:443", "[::]:443", true),
            ("192.0.2.1:443", "[::ffff:192.0.2.1]:443", true),
            ("[2001:db8::1]:443", "0.0.0.0:443", false),
        ] {
            assert_eq!(
                is_held_by(&wanted(at, true), &socket(open)),
                taken,
                "{at} {open}"
            );
        }
        let mut udp = wanted("192.0.2.1:443", true);
        udp.is_udp = true;
        assert!(!is_held_by(&udp, &socket("192.0.2.1:443")));
    }

    #[test]
    fn the_holder_of_a_port_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let Facts(seen) = gather(vec![
            wanted(&address, false),
            wanted("192.0.2.1:443", false),
        ]);
        let State::Held(holders) = &seen[0].1 else {
            panic!("{seen:?}");
        };
        let own = std::process::id();
        assert!(
            holders.iter().any(|holder| holder.pid == own),
            "{holders:?}"
        );
        assert_eq!(seen[1].1, State::NoAddress);
    }
}
