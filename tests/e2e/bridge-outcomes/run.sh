#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"

SECOND=expert-second@external.advisor
registry_edit() {
	cat
	registry_expert "$SECOND" "$SPARE_PORT" "safety, security" second-2026a
}

KEYS=second-2026a EXPERT_SCENARIO=uas-busy RING_S=2 start_with_bridge

# Busy, then the next expert, who hangs up after a while.
stack_expert second "$SPARE_PORT" uas-bye -d 3000
answer=$(api POST '/v1/escalations?wait=connected' "$(escalation m-1 trace-outcomes-1 safety)")
call=$(jq -r .call_id <<<"$answer")
expect "state after the first expert was busy" connected "$(jq -r .sip_call_state <<<"$answer")"
expect "the expert who answered" "$SECOND" "$(jq -r .expert_id <<<"$answer")"
expect_call "$call" ended
expect "who ended it" expert_left "$(api GET "/v1/calls/$call" | jq -r .reason)"
expect_room council 0

# No answer: a CANCEL reaches the phone.
stack_expert ethics "$ETHICS_PORT" uas-ringing
answer=$(api POST '/v1/escalations?wait=connected' "$(escalation m-2 trace-outcomes-2 ethics)")
expect "state of an unanswered call" "failed expert_no_answer cause=19" \
	"$(jq -r '.sip_call_state + " " + .reason' <<<"$answer")"
wait_until 5 grep -aq '^CANCEL ' "$STACK/captures/ethics.msg"
expect "CANCELs at the phone" 1 "$(grep -ac '^CANCEL ' "$STACK/captures/ethics.msg")"

# Hung up by the API while it rings.
call=$(api POST /v1/calls "{\"expert_id\":\"$ETHICS\",\"hazard_type\":\"ethics\"}" | jq -r .call_id)
expect_call "$call" ringing
expect "terminate_call" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"
wait_until 5 requests_are ethics CANCEL 2
expect "CANCELs at the phone" 2 "$(grep -ac '^CANCEL ' "$STACK/captures/ethics.msg")"

expect_channels gateway 0
expect "errors by status" "480 486" \
	"$(api GET /metrics | sed -n 's/^sip_errors_total{status_code="\([0-9]*\)"} [1-9].*/\1/p' |
	sort | xargs)"
expect_alive
