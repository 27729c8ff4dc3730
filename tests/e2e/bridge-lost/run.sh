#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"

export RTP_TIMEOUT_S=5
start_with_bridge
expect "session timers" yes \
	"$(asterisk_cli gateway pjsip show endpoint kamailio | awk '$1 == "timers" {print $3}')"

# The phone of this case answers and never sends a packet of sound.
answer=$(api POST '/v1/escalations?wait=connected' "$(escalation m-1 trace-lost-1 safety)")
call=$(jq -r .call_id <<<"$answer")
expect "state in the answer" connected "$(jq -r .sip_call_state <<<"$answer")"
expect_room council 1
expect_call "$call" ended 30
expect "why it ended" expert_lost "$(api GET "/v1/calls/$call" | jq -r .reason)"
expect_room council 0
expect_channels gateway 0
expect_log 1 '.event == "TERMINATED" and .producer == "bridge-node1" and .reason == "expert_lost"'
expect_alive
