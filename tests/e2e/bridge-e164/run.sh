#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"

NUMBER=+4930123456@external.advisor
registry_edit() {
	cat
	registry_expert "$NUMBER" "$SPARE_PORT" security number-2026a
}

KEYS=number-2026a NO_EXPERT=1 start_with_bridge
stack_expert number "$SPARE_PORT" uas

answer=$(api POST '/v1/escalations?wait=connected' "$(escalation m-1 trace-e164-1 security)")
call=$(jq -r .call_id <<<"$answer")
expect "the call" "connected $NUMBER" "$(jq -r '.sip_call_state + " " + .expert_id' <<<"$answer")"
expect "INVITEs at the number" 1 \
	"$(grep -acE '^INVITE sip:\+4930123456@' "$STACK/captures/number.msg")"
expect "terminate_call" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"
expect_channels gateway 0

# An agent's key is taken out of a running bridge.
refused() {
	[ "$(api_status POST /v1/escalations "$(escalation m-2 trace-e164-2 security)")" = 401 ]
}
sed -i 's|if://agent/guard|if://agent/other|' "$STACK/bridge.yaml"
kill -HUP "$(proc_pid bridge)"
expect_ok "what the key signs is refused after SIGHUP" wait_until 10 refused
expect_log 1 '.event == "RELOAD" and .detail == "agents reloaded"'
expect_alive
