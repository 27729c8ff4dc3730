//! Where results go: stdout for the answer, stderr for everything else.
//!
//! A reader that closes the pipe early (`| head`) ends the program quietly.

use std::{
    io::{self, BufWriter, IsTerminal, StdoutLock, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use once_cell::sync::Lazy;
use serde_json::Value;

use crate::{Exit, Failure};

/// Answer and remarks of one subcommand.
pub(crate) struct Output {
    stdout: BufWriter<StdoutLock<'static>>,
    json: bool,
    quiet: bool,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Output {
            stdout: BufWriter::with_capacity(1 << 16, io::stdout().lock()),
            json,
            quiet,
        }
    }

    /// Whether the answer is for a program.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Columns of the terminal that shows the answer.
    pub(crate) fn width(&self) -> Option<usize> {
        let (_, columns) = console::Term::stdout().size_checked()?;
        io::stdout().is_terminal().then_some(usize::from(columns))
    }

    /// One line of the answer.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> Result<(), Failure> {
        self.bytes(text.as_ref().as_bytes())?;
        self.bytes(b"\n")
    }

    /// A part of the answer, as it is.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.stdout
            .write_all(bytes)
            .map_err(|error| stdout_failed(&error))
    }

    /// One JSON value on one line.
    pub(crate) fn value(&mut self, value: &Value) -> Result<(), Failure> {
        self.line(value.to_string())
    }

    /// Hands everything written so far to the reader.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.stdout.flush().map_err(|error| stdout_failed(&error))
    }

    /// A remark for a person; not with `--quiet`.
    pub(crate) fn remark(&mut self, text: impl AsRef<str>) {
        if !self.quiet {
            // Without stderr there is no reader.
            _ = writeln!(io::stderr(), "ifectl: {}", text.as_ref());
        }
    }

    /// A failure, always printed.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        _ = self.stdout.flush();
        _ = writeln!(io::stderr(), "ifectl: {failure}");
        if let Some(hint) = &failure.hint {
            _ = writeln!(io::stderr(), "  {hint}");
        }
    }

    /// A bar on stderr for work over `total` steps; invisible unless a person is watching.
    pub(crate) fn progress(&self, what: &'static str, total: u64) -> ProgressBar {
        let watched = io::stderr().is_terminal() && !self.quiet && !self.json;
        let target = if watched {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(total), target).with_message(what);
        bar.set_style(BAR.clone());
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}

/// Parsed once: commands that look through the log make a bar for each pass.
static BAR: Lazy<ProgressStyle> = Lazy::new(|| {
    let template = "{msg} {bar:30} {human_pos}/{human_len} {per_sec} {eta}";
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
});

fn stdout_failed(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        // The reader has seen enough; no reader is left.
        std::process::exit(Exit::Ok as i32);
    }
    Failure::unanswered(format!("cannot write to stdout: {error}"))
}
