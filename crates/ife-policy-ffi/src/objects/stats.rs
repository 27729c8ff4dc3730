//! `ife_stats`: counters over all processes.
#![allow(unsafe_code)]

use ife_guard::KeyCache;

use super::on_policy;
use crate::abi;
use crate::plumbing::pointer;
use crate::shared::counters::Counter;
use crate::sys;

/// See `if_policy.h`.
///
/// # Safety
/// `stats` is NULL or points at an `ife_stats`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_policy_stats(
    policy: *const abi::ife_policy,
    stats: *mut abi::ife_stats,
) -> abi::ife_result {
    on_policy(policy, std::ptr::null_mut(), |policy| {
        pointer::check_output(stats, "stats")?;
        let shared = &policy.shared;
        let counters = shared.counters();
        let (registry_experts, registry_loaded_unix_s) = shared.registry_facts();
        let key_tables = counters.sum(Counter::KeyTables);
        let mut rejected = [0; abi::IFE_GATE_COUNT as usize];
        for (gate, sum) in rejected.iter_mut().enumerate() {
            *sum = counters.sum_rejected(gate);
        }
        let out = abi::ife_stats {
            approved: counters.sum(Counter::Approved),
            rejected,
            errors: counters.sum(Counter::Errors),
            witness_queued: counters.sum(Counter::WitnessQueued),
            witness_dropped: counters.sum(Counter::WitnessDropped),
            witness_waits: counters.sum(Counter::WitnessWaits),
            reloads: counters.sum(Counter::Reloads),
            reload_failures: counters.sum(Counter::ReloadFailures),
            active_calls: shared.calls().active(sys::now().0.mono_ms / 1000),
            replay_used: shared.replay().used(),
            replay_slots: shared.replay_slots(),
            replay_full: counters.sum(Counter::ReplayFull),
            calls_full: counters.sum(Counter::CallsFull),
            buckets_full: counters.sum(Counter::BucketsFull),
            refusals_omitted: counters.sum(Counter::RefusalsOmitted),
            registry_generation: shared.generation(),
            registry_experts,
            registry_loaded_unix_s,
            started_unix_s: shared.started_unix_s(),
            key_tables,
            key_table_bytes: key_tables.saturating_mul(KeyCache::TABLE_SIZE as u64),
            not_for_gate: counters.sum(Counter::NotForGate),
            overload_refused: counters.sum(Counter::OverloadRefused),
        };
        pointer::write_optional(stats, out);
        Ok(())
    })
}

/// See `if_policy.h`.
///
/// # Safety
/// `generation` is NULL or points at a `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_policy_generation(
    policy: *const abi::ife_policy,
    generation: *mut u64,
) -> abi::ife_result {
    on_policy(policy, std::ptr::null_mut(), |policy| {
        pointer::check_output(generation, "generation")?;
        pointer::write_optional(generation, policy.shared.generation());
        Ok(())
    })
}

/// See `if_policy.h`.
///
/// # Safety
/// None: any value is safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_policy_stats_reset(policy: *mut abi::ife_policy) -> abi::ife_result {
    on_policy(policy, std::ptr::null_mut(), |policy| {
        policy.shared.reset_counters(sys::now().0.unix_s());
        Ok(())
    })
}
