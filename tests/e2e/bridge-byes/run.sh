#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
BACKEND=external_mcu
. "$(dirname "$0")/../bridge.sh"

NO_EXPERT=1 start_with_bridge
at_mcu() { [ "$(asterisk_cli council confbridge list council | grep -c ^OOH323/)" = "$1" ]; }

# expert SCENARIO [SIPP ARG ...]: the expert's phone; its capture begins anew.
expert() {
	proc_stop safety 2>/dev/null
	rm -f "$STACK/captures/safety.msg"
	stack_expert safety "$EXPERT_PORT" "$@"
}
# talk N: a call that is connected.
talk() {
	call=$(api POST '/v1/escalations?wait=connected' "$(escalation "m-$1" "trace-byes-$1" safety)" |
		jq -r .call_id)
	expect_call "$call" connected
}
# expect_over N REASON: ended by whom it says, and nothing is left on either side.
expect_over() {
	expect_call "$call" ended
	expect "$1: who hung up" "$2" "$(api GET "/v1/calls/$call" | jq -r .reason)"
	expect_channels gateway 0
	expect_channels council 0
	wait_log 1 ".event == \"TERMINATED\" and .trace_id == \"trace-byes-$1\" and
		.producer == \"bridge-node1\""
	expect_log 1 ".event == \"TERMINATED\" and .trace_id == \"trace-byes-$1\" and
		.producer == \"bridge-node1\""
}
expect_one_bye() {
	expect_ok "$1: a BYE reaches the phone" wait_until 10 requests_are safety BYE 1
	expect "$1: BYEs at the phone" 1 "$(grep -ac '^BYE ' "$STACK/captures/safety.msg")"
}

# Straight to the MCU. Asterisk's H.323 takes up a call at once, or 3 s later: the phone hangs up
# after that.
expert uas-bye -d 5000
talk 1
expect_over 1 expert_left
expert uas
talk 2
expect_ok "the MCU has the expert" wait_until 10 at_mcu 1
asterisk_cli council channel request hangup all >/dev/null
expect_one_bye 2
expect_over 2 council_left

# An expert who calls in: the MCU hangs up on them.
signed_csv "$STACK/in.csv" 200 safety-2026a "$SAFETY" "$COUNCIL" safety
load_begin in uac "$STACK/in.csv" -d 30000
expect_ok "the MCU has the expert who called in" wait_until 10 at_mcu 1
asterisk_cli council channel request hangup all >/dev/null
in_has_bye() { grep -aq '^BYE ' "$STACK/captures/in.msg"; }
expect_ok "a BYE reaches the expert who called in" wait_until 10 in_has_bye
expect_channels gateway 0
kill "$LOAD_PID" 2>/dev/null
wait "$LOAD_PID" 2>/dev/null

# In a conference.
proc_stop bridge
BACKEND=confbridge bridge_config >"$STACK/bridge.yaml"
bridge_start
expert uas-bye -d 5000
talk 3
expect_over 3 expert_left
expect_room council 0
expert uas
talk 4
expect "the room ends" 204 "$(api_status DELETE /v1/rooms/council)"
expect_one_bye 4
expect_over 4 user_hangup
expert uas
talk 5
expect "terminate_call" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"
expect_one_bye 5
expect_over 5 user_hangup
expect_alive
