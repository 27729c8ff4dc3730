#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../phone.sh"

# What the guardian's terminal has heard, by its Asterisk's own log. What the phone has heard:
# media.py keys.
guardian_keys() {
	sed -n "s/.*DTMF end '\(.\)' received on OOH323.*/\1/p" "$TESTBED/council/log/messages.log" |
		tr -d '\n'
}
guardian_heard() { [ "$(guardian_keys)" = "$1" ]; }
phone_heard_keys() { [ "$(cat "$STACK/keys.heard")" = "$1" ]; }

# press_both TRACE: the terminal presses 159# when it has answered, the phone 2468*.
press_both() {
	local trace=$1 call
	: >"$TESTBED/council/log/messages.log"
	phone safety "$EXPERT_PORT" PCMU 440
	proc_start keys python3 "$IFE_ROOT/tests/e2e/media.py" keys $((EXPERT_PORT + 2)) \
		"$STACK/keys.heard"
	call=$(api POST '/v1/escalations?wait=connected' "$(escalation "m-$trace" "$trace" safety)" |
		jq -r .call_id)
	expect_call "$call" connected
	wait_until 20 phone_heard_keys '159#'
	expect "$trace: keys at the phone" '159#' "$(cat "$STACK/keys.heard")"
	media press $((EXPERT_PORT + 2)) '2468*'
	wait_until 20 guardian_heard '2468*'
	expect "$trace: keys at the guardian" '2468*' "$(guardian_keys)"
	expect "terminate_call" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"
	expect_channels gateway 0
	proc_stop keys
	proc_stop safety
}

GUARDIANS='{name: guardian-1, peer: mcu-7f3a, alias: guardian-dtmf}'
NO_EXPERT=1 start_with_bridge
press_both trace-dtmf-room
proc_stop bridge
BACKEND=external_mcu MCU_ALIAS=guardian-dtmf GUARDIANS='' bridge_config >"$STACK/bridge.yaml"
bridge_start
press_both trace-dtmf-mcu
expect_alive
