//! The host's clock: whether it is synchronised, and the newest entry of the log.

use std::{
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use ife_witness::reader::{self, LogDir};
use ife_words::time;

use super::report::Report;

/// An entry may be ahead of the clock by so much: processes read it at different moments.
const AHEAD_MS_MAX: u64 = 2_000;
/// `timedatectl` asks a service over D-Bus.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(3);

/// Facts about the clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// Output of `timedatectl`; `None` where there is none.
    is_synchronised: Option<bool>,
    /// Time of the newest entry, Unix ms.
    newest_ms: Option<u64>,
    now_ms: u64,
}

/// Judges the clock.
pub(super) fn judge(facts: &Facts) -> Report {
    let mut report = Report::new("clock");
    if facts.is_synchronised == Some(false) {
        report.error(
            "the clock is not synchronised",
            "timedatectl set-ntp true, or start chrony; signatures are refused by gate freshness \
             when the clocks of caller and proxy differ",
        );
    }
    let ahead_ms = facts
        .newest_ms
        .map_or(0, |newest| newest.saturating_sub(facts.now_ms));
    if ahead_ms > AHEAD_MS_MAX {
        report.error(
            format!(
                "the newest entry of the log is {} s ahead of the clock",
                ahead_ms / 1_000
            ),
            "the clock was set back: until it has caught up, gate replay refuses new signatures \
             (docs/kamailio.md, When something is wrong)",
        );
    }
    let newest = facts
        .newest_ms
        .map(|at| format!("; newest entry of the log {}", time::of_ms(at)));
    let newest = newest.unwrap_or_default();
    match facts.is_synchronised {
        Some(_) => report.fine_otherwise(format!("synchronised{newest}")),
        None => report.skipped(format!(
            "timedatectl does not say whether the clock is synchronised{newest}"
        )),
    }
    report
}

/// Asks for them.
pub(super) fn gather(log_dir: &Path, now_ms: u64) -> Facts {
    Facts {
        is_synchronised: ask_timedatectl(),
        newest_ms: newest(log_dir),
        now_ms,
    }
}

fn newest(log_dir: &Path) -> Option<u64> {
    let dir = LogDir::new(log_dir);
    let size = dir.head(&[]).ok()?.size;
    let entry = reader::entry(&dir, size, size.checked_sub(1)?).ok()??;
    let entry: serde_json::Value = serde_json::from_slice(&entry).ok()?;
    Some(time::parse_ns(entry["time"].as_str()?)? / 1_000_000)
}

fn ask_timedatectl() -> Option<bool> {
    let mut child = Command::new("timedatectl")
        .args(["show", "--property=NTPSynchronized", "--value"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let begun = Instant::now();
    loop {
        match child.try_wait().ok()? {
            Some(_) => break,
            None if begun.elapsed() > ANSWER_TIME_MAX => {
                // Its answer would come too late.
                _ = child.kill();
                _ = child.wait();
                return None;
            }
            None => thread::sleep(Duration::from_millis(20)),
        }
    }
    let output = child.wait_with_output().ok()?;
    match output.stdout.as_slice() {
        b"yes\n" => Some(true),
        b"no\n" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::report::tests::told, *};

    fn facts(is_synchronised: Option<bool>, newest_ms: Option<u64>) -> Facts {
        Facts {
            is_synchronised,
            newest_ms,
            now_ms: 1_000_000,
        }
    }

    #[test]
    fn a_clock_is_judged_by_its_source_and_by_the_log() {
        let fine = told(judge(&facts(Some(true), Some(1_001_000))));
        assert_eq!(
            fine,
            ["ok synchronised; newest entry of the log 1970-01-01T00:16:41.000Z"]
        );
        let free = told(judge(&facts(Some(false), None)));
        assert_eq!(free, ["error the clock is not synchronised"]);
        let back = told(judge(&facts(Some(true), Some(1_060_000))));
        assert_eq!(
            back,
            ["error the newest entry of the log is 60 s ahead of the clock"]
        );
        assert!(told(judge(&facts(None, None)))[0].starts_with("skipped"));
        assert_eq!(told(judge(&facts(None, Some(1_060_000)))).len(), 2);
    }
}
