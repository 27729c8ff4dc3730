#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
BACKEND=external_mcu MCU_ALIAS=4711
. "$(dirname "$0")/../bridge.sh"

export GATEKEEPER=127.0.0.4
RAS=$IFE_ROOT/tests/testbed/gatekeeper.py

# gatekeeper ARGUMENTS...: starts the responder, another one in its place.
gatekeeper() {
	proc_stop gatekeeper 2>/dev/null
	proc_start gatekeeper python3 "$RAS" "$GATEKEEPER" "$@"
}
ras() { grep -cE "$1" "$STACK/log/gatekeeper.log"; }
ras_has() { [ "$(ras "$1")" = "$2" ]; }

# call_through NUMBER: a call that the gatekeeper admits, from the message to the end.
call_through() {
	local answer call
	answer=$(api POST '/v1/escalations?wait=connected' "$(escalation "m-$1" "trace-gk-$1" safety)")
	call=$(jq -r .call_id <<<"$answer")
	expect "call $1" "connected connected" \
		"$(jq -r '.sip_call_state + " " + .h323_state' <<<"$answer")"
	expect "terminate_call $1" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"
	expect_channels gateway 0
}

# refused REASON TOLD: a call that is not admitted; the phone gets its BYE, and no leg stays.
refused() {
	local call
	gatekeeper "--reject=4711=$1"
	rm -f "$STACK/captures/safety.msg"
	proc_stop safety 2>/dev/null
	stack_expert safety "$EXPERT_PORT" uas
	call=$(api POST /v1/escalations "$(escalation "m-$1" "trace-gk-$1" safety)" | jq -r .call_id)
	expect_call "$call" failed 45
	expect "what the API tells of $1" "$2" "$(api GET "/v1/calls/$call" | jq -r .reason)"
	expect_ok "a BYE for $1" wait_until 10 requests_are safety BYE 1
	expect_ok "channels after $1" wait_until 40 channels_are gateway 0
	expect "readiness after $1" 200 "$(api_status GET /readyz)"
}

expect_ok "self-test of the codec" python3 "$RAS" --self-test
gatekeeper --alias 4711=127.0.0.3:1720
start_with_bridge
expect_ok "registration" wait_until 10 ras_has '^RRQ .*RCF$' 1
for number in 1 2 3; do call_through "$number"; done
expect "admissions" 3 "$(ras '^ARQ [0-9]+ alias=4711 .*ACF$')"
expect_ok "disengaged" wait_until 10 ras_has '^DRQ .*DCF$' 3
refused calledPartyNotRegistered "council_unreachable cause=0"
refused resourceUnavailable "council_unreachable cause=0"
refused silence council_timeout
gatekeeper --alias 4711=127.0.0.3:1720
call_through 4
expect_alive
