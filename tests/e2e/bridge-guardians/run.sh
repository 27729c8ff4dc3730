#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"

GUARDIANS='{name: guardian-1, peer: mcu-7f3a, alias: guardian-silent}'
start_with_bridge

h323_is() { [ "$(api GET "/v1/calls/$call" | jq -r .h323_state)" = "$1" ]; }
expect_h323() {
	wait_until "${2:-30}" h323_is "$1"
	expect "h323_state" "$1" "$(api GET "/v1/calls/$call" | jq -r .h323_state)"
}
history_says() { api GET "/v1/calls/$call" | jq -r '.history[].detail' | contains "$1"; }

testbed_kill council
answer=$(api POST '/v1/escalations?wait=connected' "$(escalation m-1 trace-guardians-1 safety)")
call=$(jq -r .call_id <<<"$answer")
expect "state" connected "$(jq -r .sip_call_state <<<"$answer")"
expect_h323 failed
expect_ok "the failure is in the history" history_says \
	'^guardian guardian-1 could not be had: .*; called again in 2 s$'
expect_ok "the failure is in the log" grep -q 'the guardian could not be had' \
	"$STACK/log/bridge.log"
expect_ok "the failure is counted" wait_until 5 eval \
	'api GET /metrics | contains "^ife_bridge_guardian_failures_total{guardian=\"guardian-1\""'
expect_room council 1

testbed start >>"$STACK/log/testbed.log" 2>&1
# The longest wait between two calls is a minute.
expect_h323 connected 90
expect_room council 2
expect_ok "the guardian is in the history" history_says '^guardian guardian-1 is in the room$'

# A terminal that dials in by itself and was not admitted is refused.
dial_in() {
	asterisk_cli council channel originate OOH323/council@gateway-4b1e application Wait 3 >/dev/null
}
unknown() { api GET /metrics | contains "^ife_bridge_unknown_parties_total{done=\"$1\"} $2"; }
dial_in
wait_log 1 '.event == "REMOVE" and .room == "council" and .guardian == "unknown" and
	.reason == "not_admitted" and .trace_id == "trace-guardians-1"'
expect_ok "the refusal is counted" wait_until 5 unknown refused 1
expect_room council 2

# Where it is configured it may listen: muted, its name is unknown, its coming and going
# are entries.
sed -i 's/^council:$/&\n  unknown_parties: mute/' "$STACK/bridge.yaml"
proc_stop bridge
bridge_start
dial_in
expect_room council 3
is_muted() {
	[ "$(api GET /v1/rooms/council | jq -r '[.participants[] | select(.muted) | .name] | join(" ")')" \
		= unknown ]
}
expect_ok "it is muted" wait_until 10 is_muted
expect "names" "expert-safety@external.advisor guardian-1 unknown" \
	"$(api GET /v1/rooms/council | jq -r '.participants[].name' | sort | xargs)"
expect_room council 2
for event in COUNCIL_JOIN MUTE COUNCIL_LEAVE; do
	wait_log 1 ".event == \"$event\" and .room == \"council\" and .guardian == \"unknown\" and
		.trace_id == \"trace-guardians-1\""
done

expect "terminate_call" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"
expect_h323 ended
expect_channels gateway 0
expect_channels council 0
wait_log 1 '.event == "TERMINATED" and .producer == "bridge-node1"'
wait_log 1 '.trace_id == "trace-guardians-1" and .event == "H323_RELEASED" and
	.guardian == "guardian-1" and .room == "council" and .cause and .reason' ||
	fail "failures are not witnessed"
expect_alive
