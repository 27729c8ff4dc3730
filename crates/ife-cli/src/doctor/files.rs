//! Modes and owners of keys, directories and the registry.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{
    config::Named,
    report::Report,
    seen::{AS_ROOT, Seen},
};

/// Files of the writer's keys that are looked at.
const KEYS_MAX: usize = 256;

/// The purpose of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A private key or a secret: its owner alone may read it.
    Secret,
    /// A private key of TLS, which a group such as ssl-cert may read.
    TlsKey,
    /// The directory of rings and shared state.
    StateDir,
    /// The log's directory.
    LogDir,
    /// The writer's own part of it.
    LogPrivate,
    /// The registry.
    Registry,
}

/// Facts about one file.
#[derive(Debug, Clone)]
pub(super) struct FileFacts {
    path: PathBuf,
    kind: Kind,
    /// A file that names it demands it.
    is_demanded: bool,
    stat: Seen<Stat>,
}

/// Of its inode and file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stat {
    mode: u32,
    owner: u32,
    is_tmpfs: bool,
}

/// Judges modes and owners.
pub(super) fn judge(files: &[FileFacts]) -> Report {
    let mut report = Report::new("files");
    let mut looked_at = 0_u64;
    for file in files {
        let shown = file.path.display();
        match &file.stat {
            Seen::Absent if file.is_demanded => report.error(
                format!("{shown}: named in a configuration and not there"),
                "restore it, or correct bridge.yaml or tls.cfg; `ife-bridge check`, `kamailio -c`",
            ),
            Seen::Absent => {}
            Seen::Unreadable(why) => report.unseen(why.clone(), AS_ROOT),
            Seen::Here(stat) => {
                looked_at += 1;
                if let Some((what, todo)) = fault(file.kind, stat, &file.path) {
                    report.error(
                        format!("{shown}: mode {:04o}: {what}", stat.mode & 0o7777),
                        todo,
                    );
                }
            }
        }
    }
    owners(files, &mut report);
    if looked_at == 0 {
        report.skipped("no key, directory or registry is where the options say");
    } else {
        report.fine_otherwise(format!(
            "modes and owners of {looked_at} files and directories"
        ));
    }
    report
}

/// The fault of a mode, and what to do.
fn fault(kind: Kind, stat: &Stat, path: &Path) -> Option<(&'static str, String)> {
    let shown = path.display();
    let others_may = |bits| stat.mode & bits != 0;
    match kind {
        Kind::Secret if others_may(0o077) => Some((
            "users beside its owner can read the secret",
            format!(
                "chmod 0600 {shown}; if others have an account here, take it for lost and change \
                 it (docs/operations.md, Keys)"
            ),
        )),
        Kind::TlsKey if others_may(0o007) => Some((
            "every user can read the key",
            format!("chmod o= {shown}, and renew the certificate"),
        )),
        Kind::StateDir if !stat.is_tmpfs => Some((
            "it is not on a tmpfs, so Kamailio and ife-witnessd refuse it",
            format!(
                "mount a tmpfs at {shown} (docs/operations.md, Users, directories, permissions)"
            ),
        )),
        Kind::StateDir if others_may(0o002) => Some((
            "every user may write there, so Kamailio refuses to start",
            format!("chmod 3770 {shown}, group if-escalate"),
        )),
        Kind::LogPrivate if others_may(0o077) => Some((
            "users beside the writer can read what must never be served",
            format!("chmod 0700 {shown}"),
        )),
        Kind::LogDir if others_may(0o002) => Some((
            "every user may write into the log",
            format!("chmod 0750 {shown}; then `ifectl witness verify` with a checkpoint of before"),
        )),
        Kind::Registry if others_may(0o002) => Some((
            "every user may change who is an expert",
            format!("chmod 0644 {shown}; then compare the registry with the one that was approved"),
        )),
        Kind::Secret
        | Kind::TlsKey
        | Kind::StateDir
        | Kind::LogPrivate
        | Kind::LogDir
        | Kind::Registry => None,
    }
}

/// The writer's keys must be the writer's: the owner of the log's private part.
fn owners(files: &[FileFacts], report: &mut Report) {
    let private = files.iter().find(|file| file.kind == Kind::LogPrivate);
    let Some(writer) = private
        .and_then(|file| file.stat.here())
        .map(|stat| stat.owner)
    else {
        return;
    };
    let keys = files
        .iter()
        .filter(|file| file.kind == Kind::Secret && !file.is_demanded);
    for (key, stat) in keys.filter_map(|key| key.stat.here().map(|stat| (key, stat))) {
        if stat.owner != writer {
            let shown = key.path.display();
            report.error(
                format!(
                    "{shown}: its owner is user {}, the log's is user {writer}",
                    stat.owner
                ),
                format!("chown {writer} {shown}; ife-witnessd cannot read it"),
            );
        }
    }
}

/// Looks at all of them.
pub(super) fn gather(
    state_dir: &Path,
    log_dir: &Path,
    keys: &Path,
    registry: &Path,
    named: &Named,
) -> Vec<FileFacts> {
    let mut files = vec![
        look(state_dir, Kind::StateDir, false),
        look(log_dir, Kind::LogDir, false),
        look(&log_dir.join("private"), Kind::LogPrivate, false),
        look(registry, Kind::Registry, false),
    ];
    match fs::read_dir(keys) {
        Ok(entries) => {
            let names = entries.flatten().map(|entry| entry.path());
            let keys = names.filter(|path| path.extension().is_some_and(|end| end == "key"));
            files.extend(
                keys.take(KEYS_MAX)
                    .map(|path| look(&path, Kind::Secret, false)),
            );
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => files.push(FileFacts {
            path: keys.to_owned(),
            kind: Kind::Secret,
            is_demanded: false,
            stat: Seen::Unreadable(format!("{}: {error}", keys.display())),
        }),
    }
    files.extend(
        named
            .secrets
            .iter()
            .map(|path| look(path, Kind::Secret, true)),
    );
    files.extend(
        named
            .tls_keys
            .iter()
            .map(|path| look(path, Kind::TlsKey, true)),
    );
    files
}

fn look(path: &Path, kind: Kind, is_demanded: bool) -> FileFacts {
    let stat = fs::metadata(path).and_then(|metadata| {
        let is_tmpfs = kind == Kind::StateDir && is_on_tmpfs(path)?;
        Ok(Stat {
            mode: metadata.mode(),
            owner: metadata.uid(),
            is_tmpfs,
        })
    });
    FileFacts {
        path: path.to_owned(),
        kind,
        is_demanded,
        stat: Seen::of(path, stat),
    }
}

fn is_on_tmpfs(path: &Path) -> io::Result<bool> {
    /// `TMPFS_MAGIC` and `RAMFS_MAGIC` of statfs(2).
    const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];
    let found = rustix::fs::statfs(path)?;
    Ok(u64::try_from(found.f_type).is_ok_and(|kind| IN_MEMORY.contains(&kind)))
}

#[cfg(test)]
mod tests {
    use super::{super::report::tests::told, *};

    fn file(path: &str, kind: Kind, mode: u32, owner: u32) -> FileFacts {
        let stat = Stat {
            mode: 0o100_000 | mode,
            owner,
            is_tmpfs: true,
        };
        FileFacts {
            path: path.into(),
            kind,
            is_demanded: false,
            stat: Seen::Here(stat),
        }
    }

    #[test]
    fn modes_that_let_others_in_are_errors() {
        for (kind, good, bad) in [
            (Kind::Secret, 0o600, 0o640),
            (Kind::Secret, 0o400, 0o604),
            (Kind::TlsKey, 0o640, 0o644),
            (Kind::StateDir, 0o3770, 0o1777),
            (Kind::LogPrivate, 0o700, 0o750),
            (Kind::LogDir, 0o755, 0o757),
            (Kind::Registry, 0o644, 0o666),
        ] {
            let good = told(judge(&[file("/f", kind, good, 1)]));
            assert_eq!(
                good,
                ["ok modes and owners of 1 files and directories"],
                "{kind:?}"
            );
            let found = told(judge(&[file("/f", kind, bad, 1)]));
            let begin = format!("error /f: mode {bad:04o}: ");
            assert!(
                found.len() == 1 && found[0].starts_with(&begin),
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_state_directory_on_a_disk_is_an_error() {
        let mut disk = file("/s", Kind::StateDir, 0o3770, 1);
        disk.stat = Seen::Here(Stat {
            mode: 0o3770,
            owner: 1,
            is_tmpfs: false,
        });
        assert!(told(judge(&[disk]))[0].contains("not on a tmpfs"));
    }

    #[test]
    fn a_key_of_another_user_than_the_writer_is_an_error() {
        let private = file("/l/private", Kind::LogPrivate, 0o700, 7);
        let own = file("/k/a.key", Kind::Secret, 0o600, 7);
        assert_eq!(told(judge(&[private.clone(), own])).len(), 1);
        let found = told(judge(&[private, file("/k/a.key", Kind::Secret, 0o600, 0)]));
        assert_eq!(
            found,
            ["error /k/a.key: its owner is user 0, the log's is user 7"]
        );
    }

    #[test]
    fn a_file_that_is_named_must_be_there_and_others_need_not() {
        let mut absent = file("/f", Kind::Secret, 0, 0);
        absent.stat = Seen::Absent;
        assert!(told(judge(&[absent.clone()]))[0].starts_with("skipped"));
        absent.is_demanded = true;
        assert!(told(judge(&[absent]))[0].starts_with("error /f: named in"));
    }
}
