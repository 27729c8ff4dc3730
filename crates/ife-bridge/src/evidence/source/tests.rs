use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use super::*;

fn evidence(root: &Path) -> config::Evidence {
    let yaml = format!(
        "public_url: \"http://127.0.0.1:1\"\nudp: \"127.0.0.1:1\"\nsigning_key: key\nroots: \
        [\"{}\"]\nfile_len_max: 1000000\n",
        root.display()
    );
    serde_saphyr::from_str(&yaml).expect("it is a section")
}

fn limits(root: &Path, store: &Path) -> Arc<Limits> {
    let limits = Limits::new(&evidence(root), store).expect("the root is there");
    limits.make_dirs().expect("there is room");
    Arc::new(limits)
}

#[tokio::test]
async fn files_below_a_root_are_offered_and_no_others() {
    let (root, store) = (
        tempfile::tempdir().expect("a directory"),
        tempfile::tempdir().expect("a directory"),
    );
    let at = |name: &str| root.path().join(name);
    fs::create_dir(at("sub")).expect("there is room");
    fs::write(at("sub/report.pdf"), vec![7; 700_000]).expect("there is room");
    fs::write(at("large"), vec![7; 1_000_001]).expect("there is room");
    fs::write(store.path().join("secret"), "secret").expect("there is room");
    symlink("sub/report.pdf", at("inside.pdf")).expect("a link");
    symlink(store.path().join("secret"), at("absolute")).expect("a link");
    symlink("../../../../../../etc/passwd", at("upwards")).expect("a link");
    symlink(store.path(), at("dir")).expect("a link");
    let made = Command::new("mkfifo").arg(at("fifo")).status();
    assert!(made.is_ok_and(|status| status.success()));
    let absolute = at("sub/report.pdf").display().to_string();
    let secret = store.path().join("secret").display().to_string();
    let cases = [
        ("sub/report.pdf", ""),
        ("./sub//report.pdf", ""),
        ("inside.pdf", ""),
        (absolute.as_str(), ""),
        ("nothing", "not_found"),
        ("sub/report.pdf/x", "not_found"),
        ("sub", "not_a_file"),
        ("fifo", "not_a_file"),
        ("large", "too_large"),
        ("../secret", "not_allowed"),
        ("sub/../../secret", "not_allowed"),
        (secret.as_str(), "not_allowed"),
        ("/etc/passwd", "not_allowed"),
        ("absolute", "not_allowed"),
        ("upwards", "not_allowed"),
        ("dir/secret", "not_allowed"),
        ("a\0b", "not_allowed"),
        ("", "not_found"),
        ("http://127.0.0.1:9/a", "not_allowed"),
        ("gopher://x/a", "not_allowed"),
    ];
    for (name, code) in cases {
        let prepared = limits(root.path(), store.path())
            .prepare(vec![name.to_owned()])
            .await;
        let codes: Vec<_> = prepared
            .missing
            .iter()
            .map(|(error, _)| error.code.as_str())
            .collect();
        if code.is_empty() {
            assert!(codes.is_empty(), "{name}: {:?}", prepared.missing);
            let file = &prepared.manifest.files()[0];
            assert_eq!(
                (file.size, file.media_type.as_str()),
                (700_000, "application/pdf")
            );
        } else {
            assert_eq!(codes, [code], "{name}");
            assert!(prepared.manifest.files().is_empty(), "{name}");
        }
    }
}

#[tokio::test]
async fn files_keep_their_order_and_what_is_missing_stays_out() {
    let (root, store) = (
        tempfile::tempdir().expect("a directory"),
        tempfile::tempdir().expect("a directory"),
    );
    for name in ["b.txt", "a.md"] {
        fs::write(root.path().join(name), name).expect("there is room");
    }
    let names = ["b.txt", "gone", "a.md"].map(str::to_owned);
    let prepared = limits(root.path(), store.path())
        .prepare(names.into())
        .await;
    let files: Vec<_> = prepared
        .manifest
        .files()
        .iter()
        .map(|file| (file.id, file.name.as_str(), file.media_type.as_str()))
        .collect();
    assert_eq!(
        files,
        [(0, "b.txt", "text/plain"), (1, "a.md", "text/markdown")]
    );
    assert_eq!(prepared.missing[0].0, error("gone", "not_found"));
    assert_eq!(prepared.sources.len(), 2);
}
