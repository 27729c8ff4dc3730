#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"

GUARDIANS='{name: guardian-1, peer: mcu-7f3a, alias: guardian-quiet}'
start_with_bridge

message=$(escalation m-1 trace-escalation-1 safety)
answer=$(api POST '/v1/escalations?wait=connected' "$message")
call=$(jq -r .call_id <<<"$answer")
expect "state in the answer" connected "$(jq -r .sip_call_state <<<"$answer")"
expect "expert" "$SAFETY" "$(jq -r .expert_id <<<"$answer")"
expect "participant" "confbridge:council:ife.node1.${call#sip-call-}.e0" \
	"$(jq -r .mcu_participant_id <<<"$answer")"
expect "INVITEs at the expert" 1 "$(grep -ac '^INVITE ' "$STACK/captures/safety.msg")"
expect "trace id at the expert" 1 \
	"$(grep -acE '^X-IF-Trace-ID: trace-escalation-1' "$STACK/captures/safety.msg")"
expect "caller at the expert" 1 "$(grep -a '^From:' "$STACK/captures/safety.msg" | head -n 1 |
	grep -c "sip:$COUNCIL")"
expect_room council 2
expect "roles" "expert guardian" "$(api GET /v1/rooms/council | jq -r '.participants[].role' |
	sort | xargs)"

again=$(api POST '/v1/escalations?wait=connected' "$message")
expect "the first answer again" "$answer" "$again"
expect "INVITEs at the expert" 1 "$(grep -ac '^INVITE ' "$STACK/captures/safety.msg")"

expect "what bridge_external_call tells" "$(jq -r .mcu_participant_id <<<"$answer")" \
	"$(api POST /v1/bridges "{\"sip_call_id\":\"$call\",\"council_call_id\":\"council\",\"external_expert_id\":\"$SAFETY\"}" | jq -r .mcu_participant_id)"
expect "an unknown expert" 404 \
	"$(api_status POST /v1/calls '{"expert_id":"nobody@external.advisor","hazard_type":"safety"}')"
expect "a hazard of another expert" hazard \
	"$(api POST /v1/calls "{\"expert_id\":\"$ETHICS\",\"hazard_type\":\"safety\"}" | jq -r .gate)"
forged=$(jq -c '.payload.hazards = ["ethics"]' <<<"$message")
expect "a forged message" 403 "$(api_status POST /v1/escalations "$forged")"

expect "terminate_call" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"
wait_until 5 grep -aq '^BYE ' "$STACK/captures/safety.msg"
expect "BYEs at the expert" 1 "$(grep -ac '^BYE ' "$STACK/captures/safety.msg")"
expect_room council 0
expect_channels gateway 0
expect_channels council 0

wait_log 1 '.event == "TERMINATED" and .producer == "bridge-node1"'
story=$(story trace-escalation-1)
for event in bridge:ESCALATE bridge:APPROVED bridge:INVITE kamailio:APPROVED bridge:RINGING \
	bridge:CONNECTED bridge:COUNCIL_JOIN \
	bridge:H323_CONNECTED bridge:BYE kamailio:BYE bridge:COUNCIL_LEAVE bridge:H323_RELEASED \
	bridge:TERMINATED; do
	case " $story " in *" $event "*) ;; *) fail "$event is not in the story: $story" ;; esac
done
expect "metrics" 1 "$(api GET /metrics |
	grep -c "^sip_calls_total{expert_id=\"$SAFETY\",hazard=\"safety\",result=\"ended\"} 1")"
expect_alive
