//! The writer of the log: `witnessd.json`, rings, free space.

use std::{fs, path::Path};

use serde::Deserialize;

use super::{
    report::Report,
    seen::{AS_ROOT, Seen},
};
use crate::text::counted;

/// The writer renews its status every second; alerts begin at this age.
const AGE_MS_MAX: u64 = 5_000;
/// Entries that wait for publication; more than a second's worth of a busy host.
const UNPUBLISHED_MAX: u64 = 10_000;
const MIB: u64 = 1 << 20;

/// Content of `witnessd.json`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Status {
    pub(super) state: String,
    pub(super) pid: u32,
    pub(super) size: u64,
    published_size: u64,
    missing_since_start: u64,
    rings: u64,
    sync_us_max: u64,
    updated_unix_ms: u64,
    /// Absent where an older writer runs.
    #[serde(default)]
    pub(super) version: Option<String>,
}

/// Free and whole space of a file system, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Space {
    free: u64,
    total: u64,
}

/// Names in `rings/`.
#[derive(Debug, Clone, Default)]
pub(super) struct Rings {
    whole: u64,
    damaged: Vec<String>,
}

/// Facts about the writer.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) status: Seen<Status>,
    rings: Seen<Rings>,
    /// Of the log's file system.
    disk: Seen<Space>,
    /// Of the state directory's.
    memory: Seen<Space>,
    now_ms: u64,
    min_free_mib: u64,
}

/// Judges the writer.
pub(super) fn judge(facts: &Facts) -> Report {
    let mut report = Report::new("witness log");
    match (&facts.status, &facts.disk) {
        (Seen::Absent, Seen::Absent) => {
            report.skipped("no log directory and no witnessd.json: the log is on another host");
            return report;
        }
        (Seen::Absent, Seen::Unreadable(_) | Seen::Here(_)) => report.error(
            "ife-witnessd has written no witnessd.json into the state directory",
            "systemctl status ife-witnessd; is --state-dir the same as its own and Kamailio's?",
        ),
        (Seen::Unreadable(why), _) => report.unseen(why.clone(), AS_ROOT),
        (Seen::Here(status), _) => running(status, facts, &mut report),
    }
    rings(facts, &mut report);
    space(facts, &mut report);
    if let Seen::Here(status) = &facts.status {
        report.fine_otherwise(format!(
            "{}, {} published, {}, slowest sync {} ms",
            status.state,
            counted(status.published_size, "entry", "entries"),
            counted(status.rings, "ring", "rings"),
            status.sync_us_max / 1_000
        ));
    }
    report
}

fn running(status: &Status, facts: &Facts, report: &mut Report) {
    const LOOK: &str = "systemctl status ife-witnessd; journalctl -u ife-witnessd; if it refuses \
        to start: docs/operations.md, When something refuses to start";
    let age_ms = facts.now_ms.saturating_sub(status.updated_unix_ms);
    if status.state == "stopped" {
        report.error("ife-witnessd was stopped", "systemctl start ife-witnessd");
    } else if age_ms > AGE_MS_MAX {
        let seconds = counted(age_ms / 1_000, "second", "seconds");
        report.error(
            format!("ife-witnessd is down or stuck: its status is {seconds} old"),
            LOOK,
        );
    } else if status.state == "stalled" {
        report.error(
            "ife-witnessd takes nothing in: too little free disk",
            "make room, never in the log's directory (docs/operations.md, Disk full); it goes on \
             by itself",
        );
    }
    if status.missing_since_start > 0 {
        report.warning(
            format!(
                "{} lost by producers since the writer's start",
                counted(status.missing_since_start, "entry was", "entries were")
            ),
            "the log names them as GAP: `ifectl witness verify`; a process was killed, or its ring \
             was full",
        );
    }
    let unpublished = status.size.saturating_sub(status.published_size);
    if unpublished > UNPUBLISHED_MAX {
        let entries = counted(unpublished, "entry waits", "entries wait");
        report.warning(
            format!("{entries} for publication"),
            "the disk's load; look again in a minute",
        );
    }
}

fn rings(facts: &Facts, report: &mut Report) {
    let rings = match &facts.rings {
        Seen::Here(rings) => rings,
        Seen::Unreadable(why) => return report.unseen(why.clone(), AS_ROOT),
        Seen::Absent => return,
    };
    for name in &rings.damaged {
        report.warning(
            format!("rings/{name}: the ring was damaged and set aside"),
            "restart Kamailio, so that its processes attach anew; keep the file for the search of \
             the cause",
        );
    }
    if let Seen::Here(status) = &facts.status
        && status.state == "running"
        && status.rings < rings.whole
    {
        report.warning(
            format!("the writer reads {} of {} rings", status.rings, rings.whole),
            "journalctl -u ife-witnessd: `a ring cannot be opened` has the reason",
        );
    }
}

fn space(facts: &Facts, report: &mut Report) {
    match &facts.disk {
        Seen::Here(space) => {
            let (free_mib, min) = (space.free / MIB, facts.min_free_mib);
            let todo = "make room, never in the log's directory: docs/operations.md, Disk full";
            if free_mib < min {
                report.error(
                    format!("{free_mib} MiB are free for the log, {min} are needed"),
                    todo,
                );
            } else if free_mib < min.saturating_mul(4) {
                report.warning(
                    format!("{free_mib} MiB are free for the log; below {min} it takes nothing in"),
                    todo,
                );
            }
        }
        Seen::Unreadable(why) => report.unseen(why.clone(), AS_ROOT),
        Seen::Absent => {}
    }
    if let Seen::Here(space) = &facts.memory
        && space.free < space.total / 20
    {
        report.warning(
            format!(
                "{} MiB of the state directory's tmpfs are free",
                space.free / MIB
            ),
            "a new process gets no ring and a reload no image there: a larger size= in /etc/fstab",
        );
    }
}

/// Reads them.
pub(super) fn gather(state_dir: &Path, log_dir: &Path, min_free_mib: u64, now_ms: u64) -> Facts {
    Facts {
        status: status(&state_dir.join("witnessd.json")),
        rings: look_at_rings(&state_dir.join("rings")),
        disk: look_at_space(log_dir),
        memory: look_at_space(state_dir),
        now_ms,
        min_free_mib,
    }
}

fn status(path: &Path) -> Seen<Status> {
    match Seen::of(path, super::read_small(path)) {
        Seen::Absent => Seen::Absent,
        Seen::Unreadable(why) => Seen::Unreadable(why),
        Seen::Here(bytes) => match serde_json::from_slice(&bytes) {
            Ok(status) => Seen::Here(status),
            Err(error) => Seen::Unreadable(format!("{}: {error}", path.display())),
        },
    }
}

/// Rings that are counted; a host has one for each process.
const RINGS_MAX: usize = 4_096;

fn look_at_rings(dir: &Path) -> Seen<Rings> {
    let listed = fs::read_dir(dir).map(|entries| {
        let mut rings = Rings::default();
        for entry in entries.flatten().take(RINGS_MAX) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.contains(".damaged-") {
                rings.damaged.push(name);
            } else if name.ends_with(".ring") {
                rings.whole += 1;
            }
        }
        rings
    });
    Seen::of(dir, listed)
}

fn look_at_space(path: &Path) -> Seen<Space> {
    let found = rustix::fs::statvfs(path).map_err(std::io::Error::from);
    let space = found.map(|found| Space {
        free: found.f_bavail.saturating_mul(found.f_frsize),
        total: found.f_blocks.saturating_mul(found.f_frsize),
    });
    Seen::of(path, space)
}

#[cfg(test)]
mod tests {
    use super::{super::report::tests::told, *};

    const NOW_MS: u64 = 1_800_000_000_000;

    fn status() -> Status {
        Status {
            state: "running".into(),
            size: 40,
            published_size: 40,
            rings: 3,
            updated_unix_ms: NOW_MS - 900,
            ..Status::default()
        }
    }

    fn facts(status: Seen<Status>) -> Facts {
        Facts {
            status,
            rings: Seen::Here(Rings {
                whole: 3,
                damaged: Vec::new(),
            }),
            disk: Seen::Here(Space {
                free: 900 * MIB,
                total: 1_000 * MIB,
            }),
            memory: Seen::Here(Space {
                free: 90 * MIB,
                total: 100 * MIB,
            }),
            now_ms: NOW_MS,
            min_free_mib: 64,
        }
    }

    #[test]
    fn a_writer_that_runs_is_fine() {
        let found = told(judge(&facts(Seen::Here(status()))));
        assert_eq!(
            found,
            ["ok running, 40 entries published, 3 rings, slowest sync 0 ms"]
        );
    }

    #[test]
    fn each_trouble_of_the_writer_is_a_line() {
        type Change = fn(&mut Status);
        let cases: [(Change, &str); 6] = [
            (
                |s| s.updated_unix_ms -= 60_000,
                "error ife-witnessd is down or stuck: its status is 60 seconds old",
            ),
            (
                |s| s.state = "stopped".into(),
                "error ife-witnessd was stopped",
            ),
            (
                |s| s.state = "stalled".into(),
                "error ife-witnessd takes nothing in: too little free disk",
            ),
            (
                |s| s.missing_since_start = 2,
                "warning 2 entries were lost by producers since the writer's start",
            ),
            (
                |s| s.size = 20_040,
                "warning 20,000 entries wait for publication",
            ),
            (|s| s.rings = 2, "warning the writer reads 2 of 3 rings"),
        ];
        for (change, wanted) in cases {
            let mut status = status();
            change(&mut status);
            assert_eq!(told(judge(&facts(Seen::Here(status)))), [wanted]);
        }
    }

    #[test]
    fn a_clock_that_was_set_back_is_no_age() {
        let mut status = status();
        status.updated_unix_ms = NOW_MS + 60_000;
        assert_eq!(told(judge(&facts(Seen::Here(status)))).len(), 1);
    }

    #[test]
    fn space_and_set_aside_rings_are_judged() {
        let mut low = facts(Seen::Here(status()));
        low.disk = Seen::Here(Space {
            free: 63 * MIB,
            total: 1_000 * MIB,
        });
        low.memory = Seen::Here(Space {
            free: MIB,
            total: 100 * MIB,
        });
        low.rings = Seen::Here(Rings {
            whole: 3,
            damaged: vec!["k-1.ring.damaged-1".into()],
        });
        assert_eq!(
            told(judge(&low)),
            [
                "warning rings/k-1.ring.damaged-1: the ring was damaged and set aside",
                "error 63 MiB are free for the log, 64 are needed",
                "warning 1 MiB of the state directory's tmpfs are free",
            ]
        );
        low.disk = Seen::Here(Space {
            free: 200 * MIB,
            total: 1_000 * MIB,
        });
        assert!(told(judge(&low)).contains(
            &"warning 200 MiB are free for the log; below 64 it takes nothing in".to_owned()
        ));
    }

    #[test]
    fn a_log_without_a_writer_is_an_error_and_a_host_without_a_log_none() {
        let mut facts = facts(Seen::Absent);
        assert!(told(judge(&facts))[0].starts_with("error ife-witnessd has written no"));
        facts.disk = Seen::Absent;
        assert!(told(judge(&facts))[0].starts_with("skipped"));
    }
}
