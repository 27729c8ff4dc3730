//! Reads the files of the gate.

use std::{path::Path, time::Instant};

use ife_engine::gate::Means;
pub use ife_engine::gate::{Gate, GateError};
use ife_guard::registry::limits::FILE_LEN_MAX;
use ife_message::PrivateKey;

use crate::config::Config;
use crate::plain_file::{self, FileError, KEY_LEN_MAX};

/// Reads registry and key, and checks that the one knows the other.
pub fn load(config: &Config) -> Result<Gate, GateError> {
    let (registry, council) = (&config.registry, &config.council);
    let signing_key = &council.signing_key;
    let key = plain_file::read(signing_key, KEY_LEN_MAX).map_err(cannot_read)?;
    let key = PrivateKey::parse_file(&key).map_err(|source| GateError::Key {
        path: signing_key.clone(),
        source,
    })?;
    let text = read_registry(registry)?;
    let gate = Gate::new(registry.clone(), &text, &council.aor, key, Instant::now())?;
    gate.with_means(Means {
        speech: config.speech.is_some(),
        pages: config.evidence.is_some(),
    })
}

/// Reads the registry's text.
pub fn read_registry(path: &Path) -> Result<String, GateError> {
    plain_file::read_text(path, FILE_LEN_MAX).map_err(cannot_read)
}

fn cannot_read(error: FileError) -> GateError {
    GateError::Read {
        path: error.path,
        source: error.source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_that_never_ends_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("registry.yaml");
        std::os::unix::fs::symlink("/dev/zero", &path).expect("it can be made");
        let error = read_registry(&path).expect_err("it cannot be read");
        let error = error.to_string();
        assert!(
            error.ends_with("registry.yaml: not a plain file"),
            "{error}"
        );
    }
}
