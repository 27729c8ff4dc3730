//! `ife_options`, copied and checked.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::abi;
use crate::plumbing::failure::Failure;
use crate::plumbing::log::Log;
use crate::plumbing::own::Own;
use crate::plumbing::pointer;
use crate::shared::layout::{
    PROCESSES_MAX, REPLAY_SLOTS_DEFAULT, REPLAY_SLOTS_MAX, REPLAY_SLOTS_MIN,
};
use crate::sys;

pub(crate) const WITNESS_WAIT_MS_MAX: u32 = 10_000;
const NODE_LEN_MAX: usize = 64;
/// Longest producer name: a ring's name of 48 also holds `-` and the process number.
const PRODUCER_LEN_MAX: usize = 40;

/// The options of a policy.
pub(crate) struct Options {
    pub(crate) registry_path: PathBuf,
    pub(crate) state_dir: PathBuf,
    pub(crate) node: String,
    pub(crate) producer: String,
    /// Shadow mode: the server lets every request pass; verdicts are those of enforcing mode.
    pub(crate) shadow: bool,
    /// A call whose decision cannot be witnessed is refused.
    pub(crate) witness_required: bool,
    /// How long a decision may wait to be on disk; zero for not at all.
    pub(crate) witness_wait: Duration,
    /// Replaces the registry's window.
    pub(crate) freshness_s: Option<u32>,
    pub(crate) replay_slots: usize,
    pub(crate) max_processes: usize,
    /// User and group that the process will change to and that own files in the state directory.
    pub(crate) owner: Option<(u32, u32)>,
    /// Entries about unauthenticated refusals per second; `None` for no limit.
    pub(crate) refusals_per_s: Option<u32>,
    /// The server's own addresses.
    pub(crate) own: Own,
    /// Requests that concern no party of the registry are not for the gate.
    pub(crate) registry_only: bool,
}

/// Reads the struct that `ptr` points at.
pub(crate) fn read(ptr: *const abi::ife_options) -> Result<(Options, Log), Failure> {
    let raw = pointer::reference(ptr, "options")?;
    if raw.abi_version != abi::IFE_ABI_VERSION
        || raw.struct_size as usize != size_of::<abi::ife_options>()
    {
        return Err(Failure::new(
            abi::IFE_ABI_MISMATCH,
            "options: caller and library were built from different if_policy.h",
        ));
    }
    if raw.mode > abi::IFE_MODE_SHADOW {
        return Err(Failure::invalid("options.mode: not an ife_mode"));
    }
    if raw.witness_mode > abi::IFE_WITNESS_BEST_EFFORT {
        return Err(Failure::invalid(
            "options.witness_mode: not an ife_witness_mode",
        ));
    }
    if raw.scope > abi::IFE_SCOPE_REGISTRY {
        return Err(Failure::invalid("options.scope: not an ife_scope"));
    }
    if raw.witness_wait_ms > WITNESS_WAIT_MS_MAX {
        return Err(Failure::invalid(format!(
            "options.witness_wait_ms: at most {WITNESS_WAIT_MS_MAX}"
        )));
    }
    let max_processes = raw.max_processes as usize;
    if !(1..=PROCESSES_MAX).contains(&max_processes) {
        return Err(Failure::invalid(format!(
            "options.max_processes: 1 to {PROCESSES_MAX}"
        )));
    }
    let options = Options {
        registry_path: path(raw.registry_path, "options.registry_path")?,
        state_dir: path(raw.state_dir, "options.state_dir")?,
        node: name(raw.node, "options.node", NODE_LEN_MAX, |b| {
            b.is_ascii_alphanumeric() || b"._-".contains(&b)
        })?,
        producer: name(raw.producer, "options.producer", PRODUCER_LEN_MAX, |b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
        })?,
        shadow: raw.mode == abi::IFE_MODE_SHADOW,
        witness_required: raw.witness_mode == abi::IFE_WITNESS_REQUIRED,
        witness_wait: Duration::from_millis(u64::from(raw.witness_wait_ms)),
        freshness_s: (raw.freshness_s != 0).then_some(raw.freshness_s),
        replay_slots: replay_slots(raw.replay_slots)?,
        max_processes,
        owner: owner(raw.owner_uid, raw.owner_gid),
        refusals_per_s: (raw.refusals_per_s != 0).then_some(raw.refusals_per_s),
        own: Own::new(raw.is_own, raw.is_own_ctx),
        registry_only: raw.scope == abi::IFE_SCOPE_REGISTRY,
    };
    Ok((options, Log::new(raw.log, raw.log_ctx)))
}

/// Returns the new owner, if any. Only root can give files away, and 0 means no change.
fn owner(uid: u32, gid: u32) -> Option<(u32, u32)> {
    let (own_uid, own_gid) = sys::user_and_group();
    if own_uid != 0 || (uid == 0 && gid == 0) {
        return None;
    }
    Some((uid, if gid == 0 { own_gid } else { gid }))
}

fn replay_slots(asked: u32) -> Result<usize, Failure> {
    match asked as usize {
        0 => Ok(REPLAY_SLOTS_DEFAULT),
        slots if slots > REPLAY_SLOTS_MAX => Err(Failure::invalid(format!(
            "options.replay_slots: at most {REPLAY_SLOTS_MAX}"
        ))),
        slots => Ok(slots.max(REPLAY_SLOTS_MIN).next_power_of_two()),
    }
}

fn path(text: abi::ife_str, what: &'static str) -> Result<PathBuf, Failure> {
    let bytes = pointer::bytes(text, what)?;
    if bytes.is_empty() || bytes.contains(&0) {
        return Err(Failure::invalid(format!("{what}: not a path")));
    }
    Ok(PathBuf::from(OsStr::from_bytes(bytes)))
}

fn name(
    text: abi::ife_str,
    what: &'static str,
    len_max: usize,
    allowed: impl Fn(u8) -> bool,
) -> Result<String, Failure> {
    let name = pointer::utf8(text, what)?;
    if name.is_empty() || name.len() > len_max || !name.bytes().all(allowed) {
        return Err(Failure::invalid(format!(
            "{what}: 1 to {len_max} of the characters that if_policy.h allows"
        )));
    }
    Ok(name.to_owned())
}
