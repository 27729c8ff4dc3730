#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"

GUARDIANS='{name: guardian-1, peer: mcu-7f3a, alias: guardian-silent}'
export EXPERTS_MAX=1
CALLS_MAX=2 start_with_bridge

# hang_up UNIQUEID: the expert's leg ends, as when the phone hangs up.
hang_up() {
	local name
	name=$(asterisk_cli gateway core show channels concise | grep "!$1$" | cut -d '!' -f 1)
	asterisk_cli gateway channel request hangup "$name" >/dev/null
}
connect() {
	call=$(api POST '/v1/escalations?wait=connected' "$(escalation "$1" "trace-$1" safety)" |
		jq -r .call_id)
	expect_call "$call" connected
	expect_room council 2
}

# An expert leaves while no bridge is there.
connect m-1
proc_kill bridge
hang_up "ife.node1.${call#sip-call-}.e0"
expect_channels gateway 0
expect_channels council 0
bridge_start
expect "how the call ended" unseen "$(api GET "/v1/calls/$call" | jq -r .reason)"
expect_room council 0

# A guardian whose call has gone before the expert came: it waits in no room, and not for ever.
asterisk_cli gateway dialplan set global IFE_ROOM council >/dev/null
asterisk_cli gateway dialplan set global IFE_WITH_CALLS yes >/dev/null
asterisk_cli gateway channel originate OOH323/guardian-silent@mcu-7f3a extension join@ife-guardian \
	>/dev/null
expect_channels gateway 1
wait_until 60 channels_are gateway 0
expect_channels gateway 0
asterisk_cli gateway dialplan set global IFE_WITH_CALLS no >/dev/null

# Seats: one for the expert, one for the guardian.
connect m-2
expect "a second expert" CAPACITY_EXCEEDED \
	"$(api POST /v1/escalations "$(escalation m-3 trace-m-3 safety)" | jq -r .code)"
signed_csv "$STACK/second.csv" 200 safety-2026a "$SAFETY" "$COUNCIL" safety
load_begin second uac "$STACK/second.csv"
load_end
expect "an expert who calls in" 486 "$(siptool outcomes "$STACK/captures/second.msg" | jq -r .code)"
expect_room council 2
expect "roles" "expert guardian" "$(api GET /v1/rooms/council | jq -r '.participants[].role' |
	sort | xargs)"
expect "the guardian's state" connected "$(api GET "/v1/calls/$call" | jq -r .h323_state)"

# The room was asked for meanwhile: its guardian is called back when the expert has left.
api POST /v1/rooms '{"call_id":"council"}' >/dev/null
expect "terminate_call" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"
expect_room council 1
expect "who is there" guardian "$(api GET /v1/rooms/council | jq -r '.participants[].role')"
connect m-4
expect "terminate_call" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"
expect_room council 1
expect "end of the room" 204 "$(api_status DELETE /v1/rooms/council)"
expect_channels gateway 0

# An expert who answers and finds no seat.
sed -i 's/council_max: 2/council_max: 3/' "$STACK/bridge.yaml"
proc_stop bridge
bridge_start
sed -i 's/^max_members=.*/max_members=1/' "$TESTBED/gateway/etc/confbridge-if-escalate.conf"
asterisk_cli gateway module reload app_confbridge.so >/dev/null
call=$(api POST '/v1/escalations?wait=connected' "$(escalation m-5 trace-m-5 safety)" |
	jq -r .call_id)
expect_call "$call" connected
full=$(api POST /v1/escalations "$(escalation m-6 trace-m-6 safety)" | jq -r .call_id)
expect_call "$full" failed
expect "what a full room is told as" "council_congested cause=34" \
	"$(api GET "/v1/calls/$full" | jq -r .reason)"
expect "terminate_call" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"
expect_channels gateway 0
expect_alive
