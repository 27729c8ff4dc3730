#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"

TALKING=6 RINGING=6

start_with_bridge
stack_expert ethics "$ETHICS_PORT" uas-ringing

# Messages are written before anything is sent, so that each can be sent again word for word.
for number in $(seq "$TALKING"); do
	escalation "t-$number" "trace-talks-$number" safety >"$STACK/t-$number.json"
done
for number in $(seq "$RINGING"); do
	escalation "r-$number" "trace-rings-$number" ethics >"$STACK/r-$number.json"
done
send() { api POST /v1/escalations "$(cat "$1")" >"$1.answer"; }
calls() { api GET /v1/calls | jq -r ".[] | select(.trace_id | startswith(\"trace-$1\")) | $2"; }
count() { calls "$1" "select(.sip_call_state == \"$2\") | .call_id" | wc -l; }
counts() { [ "$(count "$1" "$2")" = "$3" ]; }

# Killed at some moment of the set-up; the agent sends the message again, as one does without an
# answer.
sending=()
for file in "$STACK"/[tr]-*.json; do
	send "$file" &
	sending+=($!)
done
sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
proc_kill bridge
wait "${sending[@]}"
bridge_start
for file in "$STACK"/[tr]-*.json; do send "$file"; done
# A call that was with Asterisk and has not rung may have ended unseen; one that was not is placed.
unplaced() {
	calls "$1" 'select(.sip_call_state == "failed" and .reason == "unseen") | .call_id' | wc -l
}
settled() { [ $(($(count "$1" "$2") + $(unplaced "$1"))) = "$3" ]; }
expect_ok "calls that talk, or were not placed" wait_until 30 settled talks connected "$TALKING"
expect_ok "calls that ring, or were not placed" wait_until 30 settled rings ringing "$RINGING"
UNPLACED=$(($(unplaced talks) + $(unplaced rings)))
TALKING=$(count talks connected) RINGING=$(count rings ringing)
[ "$TALKING" -gt 1 ] && [ "$RINGING" -gt 1 ] || fail "only $TALKING calls talk and $RINGING ring"

# Killed while they talk and ring; meanwhile one of each is gone.
gone() {
	asterisk_cli gateway core show channels concise | grep "!ife.node1.${1#sip-call-}.e0$" |
		cut -d '!' -f 1
}
talked=$(calls talks 'select(.sip_call_state == "connected") | .call_id' | head -n 1)
rang=$(calls rings 'select(.sip_call_state == "ringing") | .call_id' | head -n 1)
proc_kill bridge
for call in "$talked" "$rang"; do
	asterisk_cli gateway channel request hangup "$(gone "$call")" >/dev/null
done
bridge_start
expect_ok "calls that still talk" wait_until 30 counts talks connected $((TALKING - 1))
expect_ok "calls that still ring" wait_until 30 counts rings ringing $((RINGING - 1))
over() { call_is "$1" ended || call_is "$1" failed; }
for call in "$talked" "$rang"; do expect_ok "$call is over" wait_until 10 over "$call"; done
for file in "$STACK"/[tr]-*.json; do
	cp "$file.answer" "$file.first"
	send "$file"
	expect "the answer to ${file##*/} again" "$(jq -r .call_id "$file.first")" \
		"$(jq -r .call_id "$file.answer")"
done

# Asterisk is killed.
testbed_kill gateway
expect_ok "nothing is claimed of the calls" wait_until 15 counts talks unknown $((TALKING - 1))
expect "readiness" 503 "$(api_status GET /readyz)"
testbed start >>"$STACK/log/testbed.log" 2>&1
restarted() {
	[ "$(calls "$1" 'select(.sip_call_state == "failed" and .reason == "gateway_restarted") | .call_id' | wc -l)" = "$2" ]
}
expect_ok "the calls that talked have failed" wait_until 30 restarted talks $((TALKING - 1))
expect_ok "the calls that rang have failed" wait_until 30 restarted rings $((RINGING - 1))
expect_ok "ready again" wait_until 15 bridge_ready
expect "the next call" connected \
	"$(api POST '/v1/escalations?wait=connected' "$(escalation t-last trace-last safety)" |
	jq -r .sip_call_state)"
expect "terminate_call" terminated \
	"$(api DELETE "/v1/calls/$(calls last .call_id)" | jq -r .status)"
expect_channels gateway 0

# Each INVITE has its own trace id: a message that calls twice would be seen here.
for name in safety ethics; do
	expect "trace ids that reached $name twice" "" \
		"$(tr -d '\r' <"$STACK/captures/$name.msg" |
		awk '/^INVITE /{invite = 1} /^$/{blank = 1} /^Call-ID:/{if (invite) id = $2} /^X-IF-Trace-ID:/{if (invite && !(seen[$2 " " id]++)) calls[$2]++; invite = 0} END {for (trace in calls) if (calls[trace] > 1) print trace}' | xargs)"
done
wait_log $((TALKING + RINGING + UNPLACED + 1)) \
	'(.event == "TERMINATED" or .event == "FAILED") and .producer == "bridge-node1"'
twice=$(log_entries |
	jq -r 'select((.event == "TERMINATED" or .event == "FAILED") and .producer == "bridge-node1") |
		.trace_id' | sort | uniq -d | xargs)
expect "calls with two ends in the log" "" "$twice"
expect_alive
