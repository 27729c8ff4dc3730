//! What experts hear on the phone: prompts spoken by a command, once each, or recordings of the
//! operator. Asterisk plays the files.

mod text;

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use ife_engine::shell::{Prompt, Said, Spoken};
use thiserror::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    sync::Semaphore,
    time::timeout,
};
use tracing::{info, warn};

use crate::config;

/// A command that takes longer is ended.
const COMMAND_MAX: Duration = Duration::from_secs(10);
/// Largest sound that a command may give: three minutes at 44.1 kHz in stereo.
const SOUND_LEN_MAX: u64 = 32 << 20;
/// Commands at once.
const COMMANDS_MAX: usize = 2;
/// Briefings that wait to be spoken. More are not spoken at all: their calls ring meanwhile.
const WAITING_MAX: u32 = 64;
/// Prompts of calls that are kept for calls about the same.
const KEPT_MAX: usize = 1_000;
/// Converts a command's output to Asterisk's format.
const CONVERT: [&str; 13] = [
    "sox",
    "--ignore-length",
    "-t",
    "wav",
    "-",
    "-t",
    "wav",
    "-r",
    "8000",
    "-c",
    "1",
    "-b",
    "16",
];

/// Seconds of silence before the words: a phone that has just answered swallows the first ones.
const PAD: [&str; 2] = ["pad", "0.4"];

/// Why experts cannot be spoken to.
#[derive(Debug, Error)]
pub enum SpeechError {
    /// The directory of the prompts.
    #[error("speech.dir: {path}: {source}")]
    Dir {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A prompt that every call needs cannot be spoken.
    #[error("speech: the prompt `{prompt}` cannot be made: {why}")]
    Prompt {
        /// Which.
        prompt: Prompt,
        /// Why.
        why: String,
    },
}

/// Makes prompts, and knows their files.
#[derive(Debug, Clone)]
pub struct Speech(Arc<Maker>);

#[derive(Debug)]
struct Maker {
    config: config::Speech,
    /// Recordings of the operator, as they were found at the start.
    recordings: BTreeMap<Prompt, PathBuf>,
    /// The prompts that are the same for all calls.
    same: Vec<Said>,
    commands: Semaphore,
    waiting: AtomicU32,
}

impl Speech {
    /// Makes the prompts that are the same for all calls, where they are not there yet.
    ///
    /// # Errors
    /// The directory cannot be written, or the command does not speak.
    pub async fn open(config: &config::Speech) -> Result<Speech, SpeechError> {
        let dir = &config.dir;
        let made = fs::create_dir_all(dir);
        made.map_err(|source| SpeechError::Dir {
            path: dir.clone(),
            source,
        })?;
        let mut maker = Maker {
            config: config.clone(),
            recordings: recordings(config),
            same: Vec::new(),
            commands: Semaphore::new(COMMANDS_MAX),
            waiting: AtomicU32::new(0),
        };
        for prompt in Prompt::ALL {
            if !is_of_call(prompt) {
                let text = text::words_of(prompt, &config.texts);
                let made = maker.make(prompt, text).await;
                made.map_err(|why| SpeechError::Prompt { prompt, why })?;
                maker.same.push(maker.said(prompt, None, text));
            }
        }
        maker.tidy();
        info!(dir = %dir.display(), "prompts are ready");
        Ok(Speech(Arc::new(maker)))
    }

    /// Returns the files of all prompts for a call, without their endings. The briefing and the
    /// choices are made while the phone rings. Needs a tokio runtime.
    pub(crate) fn speak(&self, spoken: &Spoken<'_>) -> Vec<Said> {
        let maker = &self.0;
        let words = |prompt| text::words_of(prompt, &maker.config.texts);
        let mut all = maker.same.clone();
        let briefing = text::briefing(words(Prompt::Briefing), spoken);
        all.push(maker.said(Prompt::Briefing, None, &briefing));
        let mut own = vec![(Prompt::Briefing, briefing)];
        for (number, choice) in (1..=9).zip(spoken.choices) {
            let text = text::choice(words(Prompt::Choice), number, choice);
            all.push(maker.said(Prompt::Choice, Some(number), &text));
            own.push((Prompt::Choice, text));
        }
        if maker.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            maker.waiting.fetch_sub(1, Ordering::Relaxed);
            warn!("too many briefings wait to be spoken: one is left out");
        } else {
            tokio::spawn(maker.clone().speak(own));
        }
        all
    }
}

/// The recordings of the operator that are there.
fn recordings(config: &config::Speech) -> BTreeMap<Prompt, PathBuf> {
    let recorded = |prompt: Prompt| {
        let file = config.recordings.as_ref()?.join(prompt.as_str());
        let is_there = file.with_extension("wav").is_file();
        (prompt != Prompt::Choice && is_there).then_some((prompt, file))
    };
    Prompt::ALL.into_iter().filter_map(recorded).collect()
}

/// Whether a prompt is another one for each call.
fn is_of_call(prompt: Prompt) -> bool {
    prompt == Prompt::Briefing || prompt == Prompt::Choice
}

impl Maker {
    /// Speaks the prompts of one call.
    async fn speak(self: Arc<Self>, own: Vec<(Prompt, String)>) {
        for (prompt, text) in own {
            if let Err(why) = self.make(prompt, &text).await {
                warn!("the prompt `{prompt}` of a call cannot be spoken: {why}");
            }
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    fn said(&self, prompt: Prompt, number: Option<u8>, text: &str) -> Said {
        let file = self.file(prompt, text).display().to_string();
        Said {
            prompt,
            number,
            file,
        }
    }

    /// The file of a prompt, without its ending.
    fn file(&self, prompt: Prompt, text: &str) -> PathBuf {
        if let Some(recording) = self.recordings.get(&prompt) {
            return recording.clone();
        }
        let name = text::file_name(prompt, &self.config.command, &text::plain(text));
        self.config.dir.join(name)
    }

    /// Speaks a prompt into its file, unless it is there.
    async fn make(&self, prompt: Prompt, text: &str) -> Result<(), String> {
        let file = self.file(prompt, text).with_extension("wav");
        if self.recordings.contains_key(&prompt) || file.is_file() {
            return Ok(());
        }
        // Never closed.
        let _permit = self.commands.acquire().await;
        let sound = run(&self.config.command, text::plain(text).as_bytes()).await?;
        // Written aside: Asterisk plays whole files alone.
        let aside = aside(&file);
        let convert = CONVERT.iter().map(|word| (*word).to_owned());
        let silence = PAD.map(str::to_owned);
        let convert = convert.chain([aside.display().to_string()]).chain(silence);
        let convert: Vec<String> = convert.collect();
        let written = run(&convert, &sound).await;
        let done = written.and_then(|_| {
            let mode = Permissions::from_mode(0o640);
            fs::set_permissions(&aside, mode)
                .and_then(|()| fs::rename(&aside, &file))
                .map_err(|error| format!("{}: {error}", file.display()))
        });
        if done.is_err() {
            // It may not be there at all.
            let _ = fs::remove_file(&aside);
        } else if is_of_call(prompt) {
            self.tidy();
        }
        done
    }

    /// Removes the prompts of calls that were made first, and what an earlier process left half
    /// made.
    fn tidy(&self) {
        let Ok(entries) = fs::read_dir(&self.config.dir) else {
            return;
        };
        let is_own = |name: &str| name.starts_with("briefing-") || name.starts_with("choice-");
        let mut own: Vec<(SystemTime, PathBuf)> = entries
            .flatten()
            .filter(|entry| is_own(&entry.file_name().to_string_lossy()))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        own.sort();
        let surplus = own.len().saturating_sub(KEPT_MAX);
        for (_, path) in own.iter().take(surplus) {
            // The next one tries again.
            let _ = fs::remove_file(path);
        }
    }
}

fn aside(file: &Path) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    file.with_extension(format!("{process}-{number}.part"))
}

/// Runs a command without a shell, and returns its output.
async fn run(command: &[String], input: &[u8]) -> Result<Vec<u8>, String> {
    let [program, arguments @ ..] = command else {
        return Err("speech.command is empty".to_owned());
    };
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            format!("`{program}` is not installed (Debian: apt install espeak-ng sox)")
        } else {
            format!("`{program}`: {error}")
        }
    })?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(format!("`{program}` has no input or output"));
    };
    let feed = async {
        // A command that does not read its input shows that by its exit.
        let _ = stdin.write_all(input).await;
        drop(stdin);
    };
    let mut sound = Vec::new();
    let mut read = stdout.take(SOUND_LEN_MAX);
    let work = async {
        let (_, read) = tokio::join!(feed, read.read_to_end(&mut sound));
        read?;
        child.wait().await
    };
    match timeout(COMMAND_MAX, work).await {
        Ok(Ok(status)) if status.success() => Ok(sound),
        Ok(Ok(status)) => Err(format!("`{program}` ended with {status}")),
        Ok(Err(error)) => Err(format!("`{program}`: {error}")),
        Err(_) => Err(format!(
            "`{program}` was not done in {} s",
            COMMAND_MAX.as_secs()
        )),
    }
}

#[cfg(test)]
mod tests;
