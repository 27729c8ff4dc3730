//! The engine's settings, from the configuration.

use std::time::Duration;

use ife_ami::value::{DialToken, RoomName, ValueError};
use ife_call::{Policy, RetryOn};
use ife_engine::{
    council::Council,
    settings::{Limits, Settings},
};

use crate::config::{Backend, Config, NextExpertOn, WitnessMode};

pub(super) fn settings(config: &Config) -> Result<Settings, ValueError> {
    let (council, calls) = (&config.council, &config.calls);
    let token = |text: &Option<String>| text.as_ref().map(DialToken::parse).transpose();
    let on = |failure| calls.next_expert_on.contains(&failure);
    let seconds = |s: u32| Duration::from_secs(s.into());
    Ok(Settings {
        node: config.node.clone(),
        council: Council {
            backend: match council.backend {
                Backend::Confbridge => ife_call::Backend::Room,
                Backend::ExternalMcu => ife_call::Backend::Mcu,
            },
            mcu_peer: token(&council.mcu_peer)?,
            mcu_alias: token(&council.mcu_alias)?,
            join_s: calls.join_s,
            endpoint: council.h323_endpoint.clone(),
        },
        default_room: RoomName::parse(&council.default_room)?,
        guardians: council.guardians.clone(),
        bandwidth_bps_max: council.bandwidth_bps_max,
        unknown_parties: council.unknown_parties,
        admission: Duration::from_secs(council.admission_s),
        limits: Limits {
            total_max: calls.total_max,
            council_max: calls.council_max,
            expert_max: calls.expert_max,
            council_experts_max: config.council_experts_max(),
            h323_legs_max: calls.h323_legs_max,
            experts_max: calls.experts_max as usize,
            join_s: calls.join_s,
            decision_s: calls.decision_s,
            accept_key_s: config.speech.as_ref().map_or(0, |speech| speech.key_s),
            accept_page_s: config.speech.as_ref().map_or(0, |speech| speech.page_s),
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
        },
        sip_aor: DialToken::parse(&config.ami.sip_aor)?,
        witness_required: config.witness == WitnessMode::Required,
        has_intake: config.nats.is_some(),
    })
}
