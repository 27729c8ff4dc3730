//! Findings of the checks of a host, and their sum. Pure.

use serde_json::{Value, json};

use crate::text::harmless;

/// Lines of one level that one check may have; the rest is a number.
const LINES_MAX: usize = 20;

/// How bad a line is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// A person must act.
    Error,
    /// It works, and will not or should not for long.
    Warning,
    /// The part is there and could not be looked at.
    Unseen,
    /// Looked at, nothing to do.
    Fine,
    /// The part is not on this host.
    Skipped,
}

impl Level {
    const ALL: [Level; 5] = [
        Level::Error,
        Level::Warning,
        Level::Unseen,
        Level::Fine,
        Level::Skipped,
    ];

    fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Unseen => "unseen",
            Level::Fine => "ok",
            Level::Skipped => "skipped",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Which check.
    pub(super) check: &'static str,
    /// How bad it is.
    pub(super) level: Level,
    /// The observation.
    pub(super) what: String,
    /// What to do about it.
    pub(super) todo: Option<String>,
}

/// The lines of one check.
#[derive(Debug)]
pub(super) struct Report {
    check: &'static str,
    lines: Vec<Line>,
    left_out: [usize; Level::ALL.len()],
}

impl Report {
    pub(super) fn new(check: &'static str) -> Report {
        Report {
            check,
            lines: Vec::new(),
            left_out: [0; Level::ALL.len()],
        }
    }

    pub(super) fn error(&mut self, what: impl Into<String>, todo: impl Into<String>) {
        self.add(Level::Error, what.into(), Some(todo.into()));
    }

    pub(super) fn warning(&mut self, what: impl Into<String>, todo: impl Into<String>) {
        self.add(Level::Warning, what.into(), Some(todo.into()));
    }

    pub(super) fn unseen(&mut self, what: impl Into<String>, todo: impl Into<String>) {
        self.add(Level::Unseen, what.into(), Some(todo.into()));
    }

    pub(super) fn fine(&mut self, what: impl Into<String>) {
        self.add(Level::Fine, what.into(), None);
    }

    pub(super) fn skipped(&mut self, what: impl Into<String>) {
        self.add(Level::Skipped, what.into(), None);
    }

    /// Adds a line that nothing is wrong, unless something is.
    pub(super) fn fine_otherwise(&mut self, what: impl Into<String>) {
        if self.lines.is_empty() {
            self.fine(what);
        }
    }

    fn add(&mut self, level: Level, what: String, todo: Option<String>) {
        let same = self.lines.iter().filter(|line| line.level == level);
        if same.count() >= LINES_MAX {
            self.left_out[level as usize] += 1;
            return;
        }
        self.lines.push(Line {
            check: self.check,
            level,
            what,
            todo,
        });
    }

    /// The lines, with one more for those of a level that were too many.
    pub(super) fn lines(mut self) -> Vec<Line> {
        for level in Level::ALL {
            let count = self.left_out[level as usize];
            if count > 0 {
                self.lines.push(Line {
                    check: self.check,
                    level,
                    what: format!("and {count} more like these"),
                    todo: None,
                });
            }
        }
        self.lines
    }
}

/// What all lines come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// All that is there was looked at, and nothing is to be done.
    Fine,
    /// Something is to be done.
    Findings,
    /// Nothing was found, but not everything could be looked at, or nothing is there.
    Unanswered,
}

/// Judges all lines.
pub(super) fn answer(lines: &[Line]) -> Answer {
    let has = |level| lines.iter().any(|line| line.level == level);
    if has(Level::Error) || has(Level::Warning) {
        Answer::Findings
    } else if has(Level::Unseen) || !has(Level::Fine) {
        Answer::Unanswered
    } else {
        Answer::Fine
    }
}

/// The lines for a person, the worst first, with a sum.
pub(super) fn paint(lines: &[Line]) -> Vec<String> {
    let mut painted = Vec::new();
    for level in Level::ALL {
        for line in lines.iter().filter(|line| line.level == level) {
            let name = match level {
                Level::Error | Level::Warning => level.name().to_uppercase(),
                Level::Unseen | Level::Fine | Level::Skipped => level.name().to_owned(),
            };
            painted.push(format!(
                "{name:<8} {:<12} {}",
                line.check,
                harmless(&line.what)
            ));
            let todo = line.todo.iter();
            painted.extend(todo.map(|todo| format!("{:21} -> {}", "", harmless(todo))));
        }
    }
    let count = |level| lines.iter().filter(|line| line.level == level).count();
    let sums = Level::ALL.map(|level| format!("{} {}", count(level), level.name()));
    painted.push(sums.join(", "));
    painted
}

/// The lines for a program.
pub(super) fn as_json(lines: &[Line]) -> Value {
    let answer = match answer(lines) {
        Answer::Fine => "ok",
        Answer::Findings => "findings",
        Answer::Unanswered => "unanswered",
    };
    let of = |line: &Line| {
        let mut value = json!({"check": line.check, "level": line.level.name(), "what": line.what});
        if let Some(todo) = &line.todo {
            value["do"] = json!(todo);
        }
        value
    };
    json!({"answer": answer, "lines": lines.iter().map(of).collect::<Vec<_>>()})
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// `level what` of each line, for the tests of the judgements.
    pub(in crate::doctor) fn told(report: Report) -> Vec<String> {
        let of = |line: Line| format!("{} {}", line.level.name(), line.what);
        report.lines().into_iter().map(of).collect()
    }

    fn lines(levels: &[Level]) -> Vec<Line> {
        let mut report = Report::new("test");
        for level in levels {
            report.add(*level, "x".into(), None);
        }
        report.lines()
    }

    #[test]
    fn a_finding_outweighs_what_could_not_be_seen() {
        for (levels, wanted) in [
            (&[][..], Answer::Unanswered),
            (&[Level::Skipped], Answer::Unanswered),
            (&[Level::Fine, Level::Skipped], Answer::Fine),
            (&[Level::Fine, Level::Unseen], Answer::Unanswered),
            (
                &[Level::Fine, Level::Unseen, Level::Warning],
                Answer::Findings,
            ),
            (&[Level::Error], Answer::Findings),
        ] {
            assert_eq!(answer(&lines(levels)), wanted, "{levels:?}");
        }
    }

    #[test]
    fn the_worst_comes_first_and_control_characters_are_escaped() {
        let mut report = Report::new("test");
        report.fine("good");
        report.error("bad\u{1b}[2J", "mend it");
        let painted = paint(&report.lines());
        assert!(
            painted[0].starts_with("ERROR    test         bad\\u{1b}[2J"),
            "{painted:?}"
        );
        assert!(painted[1].ends_with("-> mend it"), "{painted:?}");
        assert_eq!(
            painted.last().map(String::as_str),
            Some("1 error, 0 warning, 0 unseen, 1 ok, 0 skipped")
        );
    }

    #[test]
    fn lines_are_bounded() {
        let many = lines(&[Level::Warning; LINES_MAX + 7]);
        assert_eq!(many.len(), LINES_MAX + 1);
        assert_eq!(many[LINES_MAX].what, "and 7 more like these");
        assert_eq!(many[LINES_MAX].level, Level::Warning);
    }
}
