//! The witness log of the configuration: its keys, and the one task that follows it.

use std::{sync::Arc, time::Duration};

use ife_trace::{Log, Standing};
use tokio::{sync::watch, task::spawn_blocking, time::sleep};
use tracing::{error, warn};

use crate::{
    clock,
    config::Config,
    handle::{Command, EngineHandle},
    plain_file::{self, FileError, KEY_LEN_MAX},
    view::LogHealth,
};

/// How often the checkpoint is looked at.
const POLL: Duration = Duration::from_millis(300);

/// Opens the log of `witness_log`; `None` where the configuration has no such section.
pub fn open(config: &Config) -> Result<Option<Arc<Log>>, FileError> {
    let Some(log) = &config.witness_log else {
        return Ok(None);
    };
    let keys = plain_file::read_text(&log.vkeys, KEY_LEN_MAX)?;
    let opened = Log::new(&log.dir, &keys).map_err(FileError::at(&log.vkeys))?;
    Ok(Some(Arc::new(opened)))
}

/// Follows the log until `stop` turns true, and reports its state to the engine.
pub async fn follow(log: Arc<Log>, engine: EngineHandle, mut stop: watch::Receiver<bool>) {
    let mut told = LogHealth::Starting;
    loop {
        let reading = log.clone();
        // A panic of one step leaves the state as it was; the next step tries again.
        let _ = spawn_blocking(move || reading.step(clock::unix_ns())).await;
        let health = health(&log);
        if health != told {
            log_change(&log, health);
            told = health;
        }
        // Each time, because the engine drops a command that it has no room for.
        engine.tell(Command::WitnessLog(health));
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = sleep(POLL) => {}
        }
    }
}

fn log_change(log: &Log, health: LogHealth) {
    let state = log.state();
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

/// Returns the log's state as the engine and the API name it.
pub(crate) fn health(log: &Log) -> LogHealth {
    match log.state().standing() {
        Standing::Starting => LogHealth::Starting,
        Standing::Verified => LogHealth::Verified,
        Standing::Unreadable => LogHealth::Unreadable,
        Standing::Mismatch => LogHealth::Mismatch,
    }
}
