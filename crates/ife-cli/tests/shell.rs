//! Completions, man pages and the help.

mod common;

use std::fs;

use common::TestDir;

#[test]
fn completions_are_made_for_the_usual_shells() {
    let place = TestDir::new("completions");
    for shell in ["bash", "zsh", "fish"] {
        place
            .run(&["completions", shell])
            .with(0)
            .says(&["ifectl", "check-proof"]);
    }
    place.run(&["completions", "tcsh"]).with(2);
}

#[test]
fn there_is_a_man_page_for_every_subcommand() {
    let place = TestDir::new("man");
    place.run(&["man", "pages"]).with(0);
    for page in [
        "ifectl.1",
        "ifectl-keygen.1",
        "ifectl-registry-check.1",
        "ifectl-witness-check-proof.1",
        "ifectl-escalate.1",
        "ifectl-rooms-mute.1",
    ] {
        let text = fs::read_to_string(place.root.join("pages").join(page))
            .unwrap_or_else(|e| panic!("{page}: {e}"));
        assert!(text.contains(".TH ifectl"), "{page}");
    }
    let main = fs::read_to_string(place.root.join("pages/ifectl.1")).expect("the page");
    assert!(main.contains("Exit codes"));
}

#[test]
fn the_help_documents_the_exit_codes() {
    let place = TestDir::new("help");
    place.run(&["--help"]).with(0).says(&[
        "Exit codes:",
        "  3  something could not be read, written or reached",
    ]);
    place.run(&[]).with(2);
    place.run(&["--version"]).with(0).says(&["ifectl 1.0.0"]);
}
