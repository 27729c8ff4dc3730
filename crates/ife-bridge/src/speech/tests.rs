use super::*;

fn config(dir: &Path, command: &[&str]) -> config::Speech {
    config::Speech {
        dir: dir.join("prompts"),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        recordings: None,
        texts: BTreeMap::new(),
        key_s: 15,
        page_s: 120,
    }
}

const SPEAKS: [&str; 5] = ["espeak-ng", "-v", "en", "--stdin", "--stdout"];
const SPOKEN: Spoken<'static> = Spoken {
    council: "council.example",
    hazard: "safety",
    reason: Some("A model; $(touch /tmp/x)\r\nasks -v de --stdout"),
    choices: &[],
};

async fn file_of(speech: &Speech, wanted: Prompt) -> PathBuf {
    let choices = ["approve; $(reboot)".to_owned()];
    let said = speech.speak(&Spoken {
        choices: &choices,
        ..SPOKEN
    });
    let said = said.into_iter().find(|said| said.prompt == wanted);
    let said = said.expect("every prompt has a file");
    assert_eq!(said.number, (wanted == Prompt::Choice).then_some(1));
    let file = PathBuf::from(said.file).with_extension("wav");
    while !file.exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    file
}

/// Rate, channels and bits of a WAV file (RIFF, `fmt ` first).
fn format_of(file: &Path) -> (u32, u16, u16) {
    let bytes = fs::read(file).expect("it is there");
    assert_eq!(
        (&bytes[..4], &bytes[8..16]),
        (&b"RIFF"[..], &b"WAVEfmt "[..])
    );
    assert!(bytes.len() > 8_000, "{} bytes are no speech", bytes.len());
    let short = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let rate = u32::from_le_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]);
    (rate, short(22), short(34))
}

#[tokio::test]
async fn prompts_are_sounds_that_asterisk_plays() {
    let dir = tempfile::tempdir().expect("a directory");
    let speech = Speech::open(&config(dir.path(), &SPEAKS)).await;
    let speech = speech.expect("it speaks");
    for prompt in Prompt::ALL {
        let file = file_of(&speech, prompt).await;
        assert_eq!(format_of(&file), (8_000, 1, 16), "{prompt}");
        let mode = fs::metadata(&file).expect("it is there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o640);
    }
}

#[tokio::test]
async fn a_prompt_is_made_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = config(dir.path(), &SPEAKS);
    let speech = Speech::open(&config).await.expect("it speaks");
    let file = file_of(&speech, Prompt::Menu).await;
    let made = |file: &Path| fs::metadata(file).and_then(|meta| meta.modified());
    let first = made(&file).expect("a time");
    Speech::open(&config).await.expect("it speaks");
    assert_eq!(made(&file).expect("a time"), first);
}

#[tokio::test]
async fn a_recording_of_the_operator_is_played_instead() {
    let dir = tempfile::tempdir().expect("a directory");
    let recordings = dir.path().join("recordings");
    fs::create_dir(&recordings).expect("made");
    fs::write(recordings.join("menu.wav"), "RIFF").expect("written");
    let mut config = config(dir.path(), &SPEAKS);
    config.recordings = Some(recordings.clone());
    let speech = Speech::open(&config).await.expect("it speaks");
    let file = file_of(&speech, Prompt::Menu).await;
    assert_eq!(file, recordings.join("menu.wav"));
}

#[tokio::test]
async fn a_command_that_does_not_speak_is_told_by_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let cases = [
        (&["no-such-voice"][..], "`no-such-voice` is not installed"),
        (&["false"], "`false` ended with exit status: 1"),
        // Reads nothing, writes nothing.
        (&["true"], "`sox` ended with"),
        (&[], "speech.command is empty"),
    ];
    for (command, wanted) in cases {
        let opened = Speech::open(&config(dir.path(), command)).await;
        let error = opened.expect_err("it does not speak").to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let left = fs::read_dir(dir.path().join("prompts")).expect("a directory");
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn old_briefings_go() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = config(dir.path(), &SPEAKS);
    fs::create_dir(&config.dir).expect("made");
    for number in 0..KEPT_MAX + 3 {
        let file = config.dir.join(format!("briefing-{number}.wav"));
        fs::write(file, "").expect("written");
    }
    Speech::open(&config).await.expect("it speaks");
    let left = fs::read_dir(&config.dir).expect("a directory").flatten();
    let left = left.filter(|entry| entry.file_name().to_string_lossy().starts_with("briefing-"));
    assert_eq!(left.count(), KEPT_MAX);
}
