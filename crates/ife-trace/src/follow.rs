//! One step of following the log: reads a new checkpoint, verifies it, and takes the new entries
//! into the index.

use std::io;

use ife_witness::{
    checkpoint::SignedCheckpoint,
    proof::verify_consistency,
    reader::{LogError, Problem},
    tile::TILE_WIDTH,
};

use crate::{Log, bundle::reader, index::Index, log::INDEX_MAX};

impl Log {
    /// Looks at the log once, by a clock of `now_ns` since 1970. The first time takes longer, as
    /// it fills the index.
    pub fn step(&self, now_ns: u64) {
        let now_ms = now_ns / 1_000_000;
        let result = take_checkpoint(self, now_ms).and_then(|()| take_entries(self, now_ns));
        let mut state = self.state_mut();
        state.read_ms = now_ms;
        match result {
            Ok(()) => {
                state.problem = None;
                state.is_current = true;
            }
            Err(error) => {
                if is_evidence(&error.problem) {
                    state.alarm(now_ms, None, error.to_string());
                }
                state.problem = Some(error.to_string());
            }
        }
    }
}

/// Whether the log itself contradicts an earlier head, rather than that it cannot be read.
fn is_evidence(problem: &Problem) -> bool {
    match problem {
        Problem::Shrunk { .. } | Problem::Forked { .. } | Problem::Origin { .. } => true,
        Problem::Read(_)
        | Problem::Length { .. }
        | Problem::Cut
        | Problem::Entries { .. }
        | Problem::Checkpoint(_)
        | Problem::Unsigned { .. }
        | Problem::Root
        | Problem::Hash { .. }
        | Problem::Partial
        | Problem::Entry { .. }
        | Problem::Order { .. } => false,
    }
}

/// Reads the checkpoint; believes it only with every key's signature, and as a continuation of the
/// one before.
fn take_checkpoint(log: &Log, now_ms: u64) -> Result<(), LogError> {
    let signed = log.dir().checkpoint(log.keys())?;
    let failed = |problem| LogError {
        path: log.dir().checkpoint_path(),
        offset: 0,
        problem,
    };
    let unsigned = log.keys().iter().find(|key| {
        let mut signatures = signed.signatures.iter();
        !signatures.any(|by| by.name == key.name() && by.kind == key.kind())
    });
    if let Some(key) = unsigned {
        let name = key.name().to_owned();
        return Err(failed(Problem::Unsigned { name }));
    }
    let before = log.state().head.clone();
    if let Some(before) = before {
        continues(log, &before, &signed).map_err(failed)?;
    }
    let mut state = log.state_mut();
    state.read_ms = now_ms;
    state.head = Some(signed);
    Ok(())
}

fn continues(
    log: &Log,
    before: &SignedCheckpoint,
    signed: &SignedCheckpoint,
) -> Result<(), Problem> {
    let (old, new) = (&before.checkpoint, &signed.checkpoint);
    if old == new {
        return Ok(());
    }
    if old.origin != new.origin {
        return Err(Problem::Origin {
            found: new.origin.clone(),
            expected: old.origin.clone(),
        });
    }
    if new.size < old.size {
        return Err(Problem::Shrunk {
            before: old.size,
            size: new.size,
        });
    }
    let mut tree = log.dir().tree(new.size);
    let forked = Problem::Forked { size: old.size };
    let proof = tree.consistency(old.size);
    let proof = proof.map_err(|error| Problem::Read(io::Error::other(error.to_string())))?;
    verify_consistency(old.size, &old.root, new.size, &new.root, &proof).map_err(|_| forked)
}

/// Takes the entries up to the checkpoint into the index, a bundle at a time; readers wait for no
/// longer than one takes.
fn take_entries(log: &Log, now_ns: u64) -> Result<(), LogError> {
    let Some(head) = log.head() else {
        return Ok(());
    };
    let oldest = head.size.saturating_sub(INDEX_MAX as u64);
    let mut next = {
        let mut state = log.state_mut();
        if state.index.next() == 0 || state.index.next() < oldest {
            state.index = Index::new(INDEX_MAX, oldest - oldest % TILE_WIDTH);
        }
        state.index.next()
    };
    let mut reader = reader(log.dir(), &head);
    let now_ms = now_ns / 1_000_000;
    let now_ns = i64::try_from(now_ns).unwrap_or(i64::MAX);
    while next < head.size {
        let checked = reader.bundle(next, |index| index >= next)?;
        log.report(&checked, now_ms);
        let mut state = log.state_mut();
        let state = &mut *state;
        for entry in &checked {
            let record = state.index.push(entry.index, &entry.bytes);
            // An entry beyond the signed head can be found and is shown as such, but counts for
            // nothing.
            if let Some(record) = record.filter(|_| entry.problem.is_none()) {
                state.verdicts.count(record, now_ns);
            }
        }
        next = checked.last().map_or(head.size, |entry| entry.index + 1);
    }
    Ok(())
}
