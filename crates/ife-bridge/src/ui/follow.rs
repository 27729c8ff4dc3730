//! The one task that follows the log: reads each new checkpoint, verifies it, and takes the new entries into the index.

use std::{io, sync::Arc, time::Duration};

use ife_witness::{
    checkpoint::SignedCheckpoint,
    proof::verify_consistency,
    reader::{LogError, Problem},
    tile::TILE_WIDTH,
};
use tokio::{sync::watch, task::spawn_blocking, time::sleep};
use tracing::{error, warn};

use super::{
    bundle::reader,
    index::Index,
    log::{INDEX_MAX, WitnessView},
};
use crate::{
    clock,
    handle::{Command, EngineHandle},
    view::LogHealth,
};

/// How often the checkpoint is looked at.
const POLL: Duration = Duration::from_millis(300);

/// Follows the log until `stop` turns true, and tells the engine how it is.
pub async fn follow(view: Arc<WitnessView>, engine: EngineHandle, mut stop: watch::Receiver<bool>) {
    let mut told = LogHealth::Starting;
    loop {
        let reading = view.clone();
        // A panic of one step leaves the state as it was; the next step tries again.
        let _ = spawn_blocking(move || step(&reading)).await;
        let health = health(&view);
        if health != told {
            log_change(&view, health);
            told = health;
        }
        // Again and again, for the engine drops what it has no room for.
        engine.tell(Command::WitnessLog(health));
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = sleep(POLL) => {}
        }
    }
}

fn log_change(view: &WitnessView, health: LogHealth) {
    let state = view.state();
    match health {
        LogHealth::Mismatch => {
            let what = state.alarms.last().map(|alarm| alarm.what.as_str());
            error!(
                "the witness log is not what was signed: {}",
                what.unwrap_or("see /v1/witness/checkpoint")
            );
        }
        LogHealth::Unreadable => warn!(
            "the witness log cannot be read: {}",
            state.problem.as_deref().unwrap_or("no checkpoint")
        ),
        LogHealth::Off | LogHealth::Starting | LogHealth::Verified => {}
    }
}

/// How the log is, in a word.
pub fn health(view: &WitnessView) -> LogHealth {
    let state = view.state();
    if !state.alarms.is_empty() {
        LogHealth::Mismatch
    } else if state.problem.is_some() {
        LogHealth::Unreadable
    } else if state.is_current {
        LogHealth::Verified
    } else {
        LogHealth::Starting
    }
}

/// One look at the log. May take a while after the start, when the index is filled.
pub fn step(view: &WitnessView) {
    let now_ms = clock::unix_ms();
    let result = take_checkpoint(view, now_ms).and_then(|()| take_entries(view, now_ms));
    let mut state = view.state_mut();
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

/// Whether the log itself contradicts what was signed before, rather than that it cannot be read.
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

/// Reads the checkpoint; believes it only with every key's signature, and as a continuation of the one before.
fn take_checkpoint(view: &WitnessView, now_ms: u64) -> Result<(), LogError> {
    let signed = view.dir().checkpoint(view.keys())?;
    let failed = |problem| LogError {
        path: view.dir().checkpoint_path(),
        offset: 0,
        problem,
    };
    let unsigned = view.keys().iter().find(|key| {
        let mut signatures = signed.signatures.iter();
        !signatures.any(|by| by.name == key.name() && by.kind == key.kind())
    });
    if let Some(key) = unsigned {
        let name = key.name().to_owned();
        return Err(failed(Problem::Unsigned { name }));
    }
    let before = view.state().head.clone();
    if let Some(before) = before {
        continues(view, &before, &signed).map_err(failed)?;
    }
    let mut state = view.state_mut();
    state.read_ms = now_ms;
    state.head = Some(signed);
    Ok(())
}

fn continues(
    view: &WitnessView,
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
    let mut tree = view.dir().tree(new.size);
    let forked = Problem::Forked { size: old.size };
    let proof = tree.consistency(old.size);
    let proof = proof.map_err(|error| Problem::Read(io::Error::other(error.to_string())))?;
    verify_consistency(old.size, &old.root, new.size, &new.root, &proof).map_err(|_| forked)
}

/// Takes the entries up to the checkpoint into the index, a bundle at a time; readers wait for no longer than one takes.
fn take_entries(view: &WitnessView, now_ms: u64) -> Result<(), LogError> {
    let Some(head) = view.head() else {
        return Ok(());
    };
    let oldest = head.size.saturating_sub(INDEX_MAX as u64);
    let mut next = {
        let mut state = view.state_mut();
        if state.index.next() == 0 || state.index.next() < oldest {
            state.index = Index::new(INDEX_MAX, oldest - oldest % TILE_WIDTH);
        }
        state.index.next()
    };
    let mut reader = reader(view.dir(), &head);
    let now_ns = i64::try_from(clock::unix_ns()).unwrap_or(i64::MAX);
    while next < head.size {
        let checked = reader.bundle(next, |index| index >= next)?;
        view.report(&checked, now_ms);
        let mut state = view.state_mut();
        let state = &mut *state;
        for entry in &checked {
            let record = state.index.push(entry.index, &entry.bytes);
            // What was not signed can be found and is shown as such, but counts for nothing.
            if let Some(record) = record.filter(|_| entry.problem.is_none()) {
                state.verdicts.count(record, now_ns);
            }
        }
        next = checked.last().map_or(head.size, |entry| entry.index + 1);
    }
    Ok(())
}
