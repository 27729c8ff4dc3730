//! The words of the prompts, and the names of their files.

use std::collections::BTreeMap;

use ife_engine::shell::{Prompt, Spoken};
use ife_words::hex;
use sha2::{Digest, Sha256};

/// Most characters that a speech command is given.
const SPOKEN_CHARS_MAX: usize = 1_000;

/// The words of each prompt: the configuration's, else these.
pub(super) fn words_of(prompt: Prompt, texts: &BTreeMap<String, String>) -> &str {
    if let Some(text) = texts.get(prompt.as_str()) {
        return text;
    }
    match prompt {
        Prompt::Briefing => "The council at {council} is calling about {hazard}. {reason}",
        Prompt::Menu => {
            "Press 1 to accept. Press 2 to decline. Press 3 to pass the call on. \
             Press 9 to hear this again."
        }
        Prompt::Page => {
            "Please accept this call on the page whose link you were sent. Press 2 to decline. \
             Press 3 to pass the call on. Press 9 to hear this again."
        }
        Prompt::Accepted => "Accepted. Star zero reads your choices.",
        Prompt::Declined => "Declined. Goodbye.",
        Prompt::PassedOn => "The next expert is called. Goodbye.",
        Prompt::NoKey => "No key was pressed. Goodbye.",
        Prompt::WrongKey => "That key has no meaning here.",
        Prompt::Choice => "Star {number}: {choice}.",
        Prompt::Confirm => "Press 1 to confirm this decision, or another key to go back.",
        Prompt::Decided => "Your decision is recorded.",
        Prompt::NotDecided => "Your decision was not recorded.",
    }
}

/// The briefing of one call.
pub(super) fn briefing(template: &str, spoken: &Spoken<'_>) -> String {
    // The reason comes last, so that no mark in it is filled in.
    let text = template.replace("{council}", spoken.council);
    let text = text.replace("{hazard}", spoken.hazard);
    text.replace("{reason}", spoken.reason.unwrap_or_default())
}

/// One choice with its number.
pub(super) fn choice(template: &str, number: u8, choice: &str) -> String {
    // The choice comes last, so that no mark in it is filled in.
    let text = template.replace("{number}", &number.to_string());
    text.replace("{choice}", choice)
}

/// Text as a speech command gets it, on its standard input: words alone, without the marks by which
/// engines take orders (SSML, and the phonemes of espeak in brackets).
pub(super) fn plain(text: &str) -> String {
    let is_mark = |c: char| c.is_control() || "<>[]{}|\\^~`#*_".contains(c);
    let text: String = text
        .chars()
        .map(|c| if is_mark(c) { ' ' } else { c })
        .collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(SPOKEN_CHARS_MAX).collect()
}

/// Name of the file of a prompt that a command speaks: another command or text is another file.
pub(super) fn file_name(prompt: Prompt, command: &[String], text: &str) -> String {
    let mut hash = Sha256::new();
    for part in command.iter().map(String::as_str).chain([text]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    format!("{prompt}-{}", hex::text(&digest[..12]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_cannot_become_an_order() {
        let cases = [
            ("A model; $(reboot)\r\nnow", "A model; $(reboot) now"),
            ("<speak>[[h@'loU]] `id` \\pau", "speak h@'loU id pau"),
            ("{council} {hazard}", "council hazard"),
            ("Ünïcödé, 日本", "Ünïcödé, 日本"),
            (" \u{7}\u{0}", ""),
        ];
        for (text, wanted) in cases {
            assert_eq!(plain(text), wanted);
        }
        assert_eq!(plain(&"x".repeat(5_000)).len(), SPOKEN_CHARS_MAX);
    }

    #[test]
    fn a_briefing_says_who_and_why() {
        let spoken = Spoken {
            council: "council.example",
            hazard: "safety",
            reason: Some("A {hazard} {reason}"),
            choices: &[],
        };
        let texts = BTreeMap::new();
        let template = words_of(Prompt::Briefing, &texts);
        assert_eq!(
            briefing(template, &spoken),
            "The council at council.example is calling about safety. A {hazard} {reason}"
        );
        let silent = Spoken {
            reason: None,
            ..spoken
        };
        let wanted = "The council at council.example is calling about safety. ";
        assert_eq!(briefing(template, &silent), wanted);
    }

    #[test]
    fn the_configuration_has_the_last_word() {
        let texts = BTreeMap::from([("menu".to_owned(), "Eins.".to_owned())]);
        assert_eq!(words_of(Prompt::Menu, &texts), "Eins.");
        assert_ne!(words_of(Prompt::NoKey, &texts), "Eins.");
    }

    #[test]
    fn another_text_or_command_is_another_file() {
        let command = |words: &[&str]| -> Vec<String> {
            words.iter().map(|word| (*word).to_owned()).collect()
        };
        let names: std::collections::BTreeSet<String> = [
            file_name(Prompt::Menu, &command(&["say"]), "one"),
            file_name(Prompt::Menu, &command(&["say"]), "two"),
            file_name(Prompt::Menu, &command(&["say", "one"]), ""),
            file_name(Prompt::Menu, &command(&["sayone"]), ""),
            file_name(Prompt::Page, &command(&["say"]), "one"),
        ]
        .into();
        assert_eq!(names.len(), 5);
        let name = names.first().expect("five");
        assert!(name.starts_with("menu-") && name.len() == "menu-".len() + 24);
    }
}
