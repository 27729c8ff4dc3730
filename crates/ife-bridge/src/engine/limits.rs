use std::time::Duration;

use ife_call::{Policy, RetryOn};

use crate::config::{Config, NextExpertOn};

/// Limits and waits from the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) total_max: u32,
    pub(super) council_max: u32,
    pub(super) expert_max: u32,
    /// Experts in one conference: its seats less those of the guardians who are called.
    pub(super) council_experts_max: u32,
    pub(super) h323_legs_max: u32,
    pub(super) experts_max: usize,
    pub(super) join_s: u32,
    pub(super) policy: Policy,
}

impl Limits {
    pub(super) fn new(config: &Config) -> Limits {
        let calls = &config.calls;
        let on = |failure| calls.next_expert_on.contains(&failure);
        let seconds = |s: u32| Duration::from_secs(s.into());
        Limits {
            total_max: calls.total_max,
            council_max: calls.council_max,
            expert_max: calls.expert_max,
            council_experts_max: config.council_experts_max(),
            h323_legs_max: calls.h323_legs_max,
            experts_max: calls.experts_max as usize,
            join_s: calls.join_s,
            policy: Policy {
                ring_max: seconds(calls.ring_s),
                join_max: seconds(calls.join_s),
                retry: RetryOn {
                    busy: on(NextExpertOn::Busy),
                    no_answer: on(NextExpertOn::NoAnswer),
                    declined: on(NextExpertOn::Declined),
                    unreachable: on(NextExpertOn::Unreachable),
                    refused: false,
                },
                ..Policy::default()
            },
        }
    }
}
