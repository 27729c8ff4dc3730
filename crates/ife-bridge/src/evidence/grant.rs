//! A session's record across a restart of the bridge: one small file per session, with
//! digests and no secret in it.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use ife_evidence::Link;
use serde::{Deserialize, Serialize};

use super::About;
use crate::view::EvidenceState;

/// Longest file that is read back, bytes.
const LEN_MAX: u64 = 1 << 20;

/// A viewer's way in, and its target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grant {
    /// Name of the session: 22 of base64url.
    pub(super) session: String,
    pub(super) about: About,
    pub(super) link: Link,
    /// Connections so far: their numbers are never used again.
    pub(super) peers: u64,
    /// State of the session as published last.
    #[serde(default = "offered")]
    pub(super) state: EvidenceState,
    /// When the call ended: the page may ask about a decision for a while.
    #[serde(default)]
    pub(super) ended_unix_s: Option<u64>,
}

/// The name of an expert in messages.
pub(super) fn expert_name(expert_id: &str) -> String {
    format!("if://expert/{expert_id}")
}

fn offered() -> EvidenceState {
    EvidenceState::Offered
}

impl Grant {
    /// The expert and the guardian of an entry about the session: whose it is.
    pub(super) fn viewer(&self) -> (Option<&str>, Option<&str>) {
        match &self.about.guardian {
            Some(guardian) => (None, Some(guardian)),
            None => (Some(&self.about.expert_id), None),
        }
    }

    /// The viewer's name in messages.
    pub(super) fn viewer_name(&self) -> String {
        match &self.about.guardian {
            Some(guardian) => format!("if://guardian/{guardian}"),
            None => expert_name(&self.about.expert_id),
        }
    }

    /// Writes the file. It is replaced as a whole, so that a crash leaves the old one or the new
    /// one.
    pub(super) fn save(&self, dir: &Path) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.persist(self.path(dir))?;
        Ok(())
    }

    /// Removes the file; one that is not there is removed already.
    pub(super) fn forget(&self, dir: &Path) {
        // What stays is removed at the next start: its call is over.
        let _ = fs::remove_file(self.path(dir));
    }

    /// Everything that an earlier process has left. What cannot be read is no session any more.
    pub(super) fn load_all(dir: &Path) -> io::Result<Vec<Grant>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if !metadata.is_file() {
                continue;
            }
            let grant = (metadata.len() <= LEN_MAX)
                .then(|| fs::read(entry.path()).ok())
                .flatten()
                .and_then(|json| serde_json::from_slice::<Grant>(&json).ok())
                .filter(|grant| grant.path(dir) == entry.path());
            match grant {
                Some(grant) => all.push(grant),
                // A temporary file of a process that died, or damage.
                None => fs::remove_file(entry.path())?,
            }
        }
        Ok(all)
    }

    fn path(&self, dir: &Path) -> PathBuf {
        dir.join(format!("{}.json", self.session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        let (_, token) = ife_evidence::Token::new([1; 32]);
        Grant {
            session: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            about: About::default(),
            link: Link::new(token, 5),
            peers: 3,
            state: EvidenceState::Offered,
            ended_unix_s: None,
        }
    }

    #[test]
    fn a_grant_survives_and_is_forgotten() {
        let dir = tempfile::tempdir().expect("a directory");
        grant().save(dir.path()).expect("there is room");
        grant().save(dir.path()).expect("it is replaced");
        assert_eq!(
            Grant::load_all(dir.path()).expect("it is readable"),
            [grant()]
        );
        grant().forget(dir.path());
        assert_eq!(Grant::load_all(dir.path()).expect("it is readable"), []);
    }

    #[test]
    fn a_session_is_of_the_expert_or_of_one_guardian() {
        let mut grant = grant();
        grant.about.expert_id = "safety".to_owned();
        assert_eq!(grant.viewer(), (Some("safety"), None));
        assert_eq!(grant.viewer_name(), "if://expert/safety");
        grant.about.guardian = Some("guardian-1".to_owned());
        assert_eq!(grant.viewer(), (None, Some("guardian-1")));
        assert_eq!(grant.viewer_name(), "if://guardian/guardian-1");
    }

    #[test]
    fn what_is_no_grant_is_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("x.json");
        fs::write(&path, "{}").expect("there is room");
        // A grant under another session's name.
        let other = dir.path().join("other.json");
        fs::write(&other, serde_json::to_vec(&grant()).expect("JSON")).expect("there is room");
        assert_eq!(Grant::load_all(dir.path()).expect("it is readable"), []);
        assert!(!path.exists() && !other.exists());
    }
}
