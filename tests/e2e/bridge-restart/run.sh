#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"

start_with_bridge
stack_expert ethics "$ETHICS_PORT" uas-ringing
message=$(escalation m-1 trace-restart-1 safety)
answer=$(api POST '/v1/escalations?wait=connected' "$message")
talking=$(jq -r .call_id <<<"$answer")
expect "state" connected "$(jq -r .sip_call_state <<<"$answer")"
gone=$(api POST '/v1/escalations?wait=connected' "$(escalation m-2 trace-restart-2 safety)" |
	jq -r .call_id)
ringing=$(api POST /v1/escalations "$(escalation m-3 trace-restart-3 ethics)" | jq -r .call_id)
expect_call "$ringing" ringing

proc_kill bridge
asterisk_cli gateway channel request hangup \
	"$(asterisk_cli gateway core show channels concise | grep "!ife.node1.${gone#sip-call-}.e0$" |
	cut -d '!' -f 1)" >/dev/null
bridge_start
expect_call "$talking" connected
expect_call "$ringing" ringing
wait_until 10 call_is "$gone" ended || wait_until 1 call_is "$gone" failed
expect "the first answer again" "$answer" "$(api POST '/v1/escalations?wait=connected' "$message")"
expect "INVITEs at the expert" 2 "$(grep -ac '^INVITE ' "$STACK/captures/safety.msg")"
expect "terminate_call of a call taken over" terminated \
	"$(api DELETE "/v1/calls/$ringing" | jq -r .status)"

# Asterisk dies: nothing is claimed while it is away, and its calls have failed when it is back.
testbed_kill gateway
wait_until 10 call_is "$talking" unknown
expect "state without Asterisk" unknown "$(api GET "/v1/calls/$talking" | jq -r .sip_call_state)"
expect "not ready without Asterisk" 503 "$(api_status GET /readyz)"
expect "a call without Asterisk" 503 \
	"$(api_status POST /v1/calls "{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"safety\"}")"
testbed start >>"$STACK/log/testbed.log" 2>&1
expect_call "$talking" failed 30
expect "reason" gateway_restarted "$(api GET "/v1/calls/$talking" | jq -r .reason)"
expect "state of a new call" connected \
	"$(api POST '/v1/escalations?wait=connected' "$(escalation m-4 trace-restart-4 safety)" |
	jq -r .sip_call_state)"
expect_alive
