//! `ifectl keygen`.

mod common;

use std::{fs, os::unix::fs::PermissionsExt};

use common::TestDir;
use ife_message::PrivateKey;

#[test]
fn a_private_key_is_written_for_its_owner_only_and_never_shown() {
    let place = TestDir::new("keygen");
    let run = place
        .run(&["keygen", "--kid", "council-2026a", "--out", "c.key"])
        .with(0);
    let mode = fs::metadata(place.root.join("c.key"))
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);

    let contents = place.read("c.key");
    let key = PrivateKey::parse_file(&contents).expect("a key");
    assert_eq!(key.name(), "council-2026a");
    let seed = String::from_utf8(contents)
        .expect("text")
        .trim_end()
        .rsplit(' ')
        .next()
        .expect("a seed")
        .to_owned();
    let run = run.says(&["council-2026a", &key.public_key().to_string()]);
    assert!(!run.stdout.contains(&seed) && !run.stderr.contains(&seed));
}

#[test]
fn an_existing_key_is_overwritten_only_by_force() {
    let place = TestDir::new("keygen-twice");
    place.key("k");
    let first = place.read("k.key");
    place
        .run(&["keygen", "--kid", "k", "--out", "k.key"])
        .with(3)
        .says(&["k.key: cannot write the private key", "--force"]);
    assert_eq!(place.read("k.key"), first);

    place
        .run(&["keygen", "--kid", "k", "--out", "k.key", "--force"])
        .with(0);
    assert_ne!(place.read("k.key"), first);
    let mode = fs::metadata(place.root.join("k.key"))
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(
        fs::read_dir(&place.root).expect("the directory").count(),
        1,
        "something was left beside the key"
    );
}

#[test]
fn a_key_that_others_may_read_is_remarked_on() {
    let place = TestDir::new("keygen-mode");
    place.key("k");
    fs::set_permissions(place.root.join("k.key"), fs::Permissions::from_mode(0o644))
        .expect("chmod");
    let sign = [
        "sign", "--key", "k.key", "--from", "sip:a@b", "--to", "sip:c@d", "--hazard", "safety",
    ];
    place.run(&sign).with(0).says(&["k.key: mode 0644"]);
}

#[test]
fn what_cannot_be_a_key_is_refused() {
    let place = TestDir::new("keygen-bad");
    place
        .run(&["keygen", "--kid", "no spaces", "--out", "k.key"])
        .with(2);
    place
        .run(&["keygen", "--kid", "k", "--out", "absent/k.key"])
        .with(3)
        .says(&["absent/k.key"]);
    place.file("bad.key", "IFE-PRIVATE-KEY-1 k short\n");
    let sign = [
        "sign", "--key", "bad.key", "--from", "sip:a@b", "--to", "sip:c@d", "--hazard", "safety",
    ];
    place.run(&sign).with(3).says(&["bad.key", "44 characters"]);
}
