//! Limits of processes and sockets of the host, as /proc has them.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::{
    report::Report,
    seen::{AS_ROOT, Seen},
};

/// Open files that each program needs at least; the bridge's unit has 8,192.
const OPEN_FILES_MIN: u64 = 1_024;
const OPEN_FILES_MIN_OF_BRIDGE: u64 = 4_096;
/// Sockets that are looked at.
const SOCKETS_MAX: usize = 65_536;

/// Open files of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenFiles {
    limit: u64,
    used: u64,
}

/// Facts about one process.
#[derive(Debug)]
pub(super) struct Facts {
    who: &'static str,
    pid: u32,
    files: Seen<OpenFiles>,
}

/// Judges limits.
pub(super) fn judge(processes: &[Facts]) -> Report {
    let mut report = Report::new("limits");
    let mut looked_at = Vec::new();
    for Facts { who, pid, files } in processes {
        let files = match files {
            Seen::Here(files) => files,
            Seen::Unreadable(why) => {
                report.unseen(why.clone(), AS_ROOT);
                continue;
            }
            // It ended, which another check reports.
            Seen::Absent => continue,
        };
        let min = if *who == "ife-bridge" {
            OPEN_FILES_MIN_OF_BRIDGE
        } else {
            OPEN_FILES_MIN
        };
        if files.limit < min {
            report.warning(
                format!("{who} (process {pid}) may open {} files", files.limit),
                "LimitNOFILE= in its unit; the shipped units have enough",
            );
        }
        if files.used.saturating_mul(100) > files.limit.saturating_mul(80) {
            report.error(
                format!(
                    "{who} (process {pid}) has {} of {} files open",
                    files.used, files.limit
                ),
                "who holds connections (ss -p); a higher LimitNOFILE= in its unit, then a restart",
            );
        }
        looked_at.push(format!("{who} {} of {} files", files.used, files.limit));
    }
    if looked_at.is_empty() {
        report.skipped("no process to look at");
    } else {
        report.fine_otherwise(looked_at.join(", "));
    }
    report
}

/// Reads /proc.
pub(super) fn gather(processes: &[(&'static str, Option<u32>)]) -> Vec<Facts> {
    let known = processes
        .iter()
        .filter_map(|(who, pid)| Some((*who, (*pid)?)));
    known
        .map(|(who, pid)| Facts {
            who,
            pid,
            files: look(pid),
        })
        .collect()
}

fn look(pid: u32) -> Seen<OpenFiles> {
    let dir = format!("/proc/{pid}");
    let found = fs::read_to_string(format!("{dir}/limits")).and_then(|limits| {
        let limit =
            open_files(&limits).ok_or_else(|| io::Error::other("no limit of open files"))?;
        let used = fs::read_dir(format!("{dir}/fd"))?.count() as u64;
        Ok(OpenFiles { limit, used })
    });
    Seen::of(dir.as_ref(), found)
}

/// The soft limit in the text of /proc/PID/limits.
fn open_files(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        soft => soft.parse().ok(),
    }
}

/// A socket that listens (TCP), or that datagrams come to (UDP).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) is_udp: bool,
    pub(super) address: SocketAddr,
    /// The kernel's number of it.
    pub(super) inode: u64,
    /// Datagrams lost to a full queue.
    pub(super) drops: u64,
}

/// The tables of /proc/net, and the state of a socket in each that listens or takes datagrams.
const TABLES: [(&str, bool, &str); 4] = [
    ("udp", true, "07"),
    ("udp6", true, "07"),
    ("tcp", false, "0A"),
    ("tcp6", false, "0A"),
];

/// The sockets of the host that others can reach; `read` gives a table of /proc/net.
pub(super) fn sockets(read: impl Fn(&str) -> io::Result<String>) -> Vec<Socket> {
    let mut found = Vec::new();
    for (name, is_udp, state) in TABLES {
        let table = read(name).unwrap_or_default();
        let lines = table.lines().skip(1).take(SOCKETS_MAX);
        found.extend(lines.filter_map(|line| socket(line, is_udp, state)));
    }
    found
}

/// A line of a table: the local address is the second word, the state the fourth, the inode the
/// tenth, and of UDP the drops are the last.
fn socket(line: &str, is_udp: bool, state: &str) -> Option<Socket> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (address, port) = words.get(1)?.split_once(':')?;
    let address = SocketAddr::new(
        kernel_address(address)?,
        u16::from_str_radix(port, 16).ok()?,
    );
    (*words.get(3)? == state).then_some(())?;
    Some(Socket {
        is_udp,
        address,
        inode: words.get(9)?.parse().ok()?,
        drops: if is_udp {
            words.last()?.parse().ok()?
        } else {
            0
        },
    })
}

/// The kernel writes an address as words of 32 bits of the host's order.
fn kernel_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = hex.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (at, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(at)?);
            }
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::report::tests::told, *};

    fn process(who: &'static str, limit: u64, used: u64) -> Facts {
        Facts {
            who,
            pid: 7,
            files: Seen::Here(OpenFiles { limit, used }),
        }
    }

    #[test]
    fn limits_are_judged() {
        let found = told(judge(&[
            process("kamailio", 1_024, 100),
            process("ife-bridge", 1_024, 900),
        ]));
        assert_eq!(
            found,
            [
                "warning ife-bridge (process 7) may open 1024 files",
                "error ife-bridge (process 7) has 900 of 1024 files open"
            ]
        );
        let fine = told(judge(&[process("kamailio", 8_192, 100)]));
        assert_eq!(fine, ["ok kamailio 100 of 8192 files"]);
        assert!(told(judge(&[]))[0].starts_with("skipped"));
    }

    #[test]
    fn the_soft_limit_is_read() {
        let text = "Limit  Soft Limit  Hard Limit  Units\nMax open files   1024   524288   files\n";
        assert_eq!(open_files(text), Some(1_024));
        assert_eq!(
            open_files("Max open files unlimited unlimited files"),
            Some(u64::MAX)
        );
        assert_eq!(open_files("Max locked memory 1 1 bytes"), None);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_tables_are_read() {
        let tables = |name: &str| match name {
            "udp" => Ok(
                "head\n  1: 0100007F:13C6 00000000:0000 07 0:0 00:0 0 0 0 1 2 0 0\n\
                  2: 00000000:13C4 00000000:0000 07 0:0 00:0 0 0 0 1 2 0 17\nbroken\n"
                    .to_owned(),
            ),
            "udp6" => Ok(
                "head\n 1: 00000000000000000000000001000000:13C6 0:0 07 0 0 0 0 0 9 0 0 3\n"
                    .to_owned(),
            ),
            "tcp" => Ok(
                "head\n 0: 0100007F:1F90 00000000:0000 0A 0:0 00:0 0 0 0 77 1 0 100 0 0 10 0\n\
                  1: 0100007F:1F91 0100007F:0050 01 0:0 00:0 0 0 0 78 1 0 100 0 0 10 0\n"
                    .to_owned(),
            ),
            _ => Err(io::ErrorKind::NotFound.into()),
        };
        let found = sockets(tables);
        let texts: Vec<String> = found
            .iter()
            .map(|s| format!("{} {} {}", s.address, s.inode, s.drops))
            .collect();
        assert_eq!(
            texts,
            [
                "127.0.0.1:5062 1 0",
                "0.0.0.0:5060 1 17",
                "[::1]:5062 9 3",
                "127.0.0.1:8080 77 0"
            ]
        );
        assert!(!found[3].is_udp);
    }
}
