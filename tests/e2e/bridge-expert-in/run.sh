#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"

NO_EXPERT=1 start_with_bridge

# in_background NAME MILLISECONDS: an expert who calls the council and talks for so long.
in_background() {
	signed_csv "$STACK/$1.csv" 200 safety-2026a "$SAFETY" "$COUNCIL" safety
	load_begin "$1" uac "$STACK/$1.csv" -d "$2"
}
only_call() { api GET /v1/calls | jq -c '[.[] | select(.ended == null)] | first // {}'; }
only_call_is() { [ "$(only_call | jq -r .sip_call_state)" = "$1" ]; }

in_background first 4000
wait_until 10 only_call_is connected
call=$(only_call)
expect "state" connected "$(jq -r .sip_call_state <<<"$call")"
expect "who began it" "expert $SAFETY" "$(jq -r '.origin + " " + .expert_id' <<<"$call")"
expect "trace id" "$(cut -d ';' -f 3 <<<"$(tail -n 1 "$STACK/first.csv")")" \
	"$(jq -r .trace_id <<<"$call")"
expect_room council 1
load_end
expect_calls first "$STACK/first.csv"
expect_call "$(jq -r .call_id <<<"$call")" ended
expect "who ended it" expert_left \
	"$(api GET "/v1/calls/$(jq -r .call_id <<<"$call")" | jq -r .reason)"

# The caller's address as phones write it: with a display name, and as a phone's number.
# called_as NAME FROM: an expert who calls with that From, seen by the bridge and in the room.
called_as() {
	sed "s|^From: <sip:\[field0\]>|From: $2|" "$SIPP_DIR/uac.xml" >"$STACK/sipp/uac-$1.xml"
	signed_csv "$STACK/$1.csv" 200 safety-2026a "$SAFETY" "$COUNCIL" safety
	load_begin "$1" "$STACK/sipp/uac-$1.xml" "$STACK/$1.csv" -d 4000
	wait_until 20 only_call_is connected
	expect "the expert of $2" "connected expert $SAFETY" \
		"$(only_call | jq -r '.sip_call_state + " " + .origin + " " + .expert_id')"
	expect "the trace id of $2" "$(cut -d ';' -f 3 <<<"$(tail -n 1 "$STACK/$1.csv")")" \
		"$(only_call | jq -r .trace_id)"
	expect "who is in the room as $2" "expert $SAFETY" \
		"$(api GET /v1/rooms/council | jq -r '.participants[] | .role + " " + .name')"
	load_end
	expect "INVITEs with $2" 1 "$(sed -n "/^INVITE /,/^\r*\$/p" "$STACK/captures/$1.msg" |
		grep -acF "From: ${2/\[field0\]/$SAFETY}")"
	expect_channels gateway 0
}
called_as display '"Duty Desk" <sip:[field0]>'
called_as number '<sip:[field0];user=phone>'

# Without the bridge.
proc_stop bridge
in_background second 8000
wait_until 10 channels_are gateway 1
bridge_start
wait_until 10 only_call_is connected
expect "an expert who called meanwhile" connected "$(only_call | jq -r .sip_call_state)"
expect "terminate_call" terminated \
	"$(api DELETE "/v1/calls/$(only_call | jq -r .call_id)" | jq -r .status)"
expect_channels gateway 0
kill "$LOAD_PID" 2>/dev/null
wait "$LOAD_PID" 2>/dev/null
expect_log 4 '.event == "COUNCIL_JOIN"'
expect_alive
