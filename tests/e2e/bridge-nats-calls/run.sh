#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"
. "$(dirname "$0")/../bridge-nats.sh"

BRIDGE_MORE+=$'\n'$(evidence_config)
ifmessage() { python3 "$IFE_ROOT/tests/e2e/ifmessage.py" "$STACK/keys/$1.key" "${@:2}"; }
# order KEY ID ORDER CALL_ID: a signed order. send_order CALL_ID: the order from stdin; the payload
# of its answer.
order() { ifmessage "$1" order "${@:2}"; }
send_order() {
	nats request "if.connect.calls.$1.orders" | tee -a "$STACK/answers" | jq -c .payload
}
# events CALL_ID: payloads, one line each.
event_messages() {
	nats messages CALLS |
		jq -c --arg s "if.connect.calls.$1.events" 'select(.subject == $s) | .body | fromjson'
}
events() { event_messages "$1" | jq -c .payload; }
states() { events "$1" | jq -r 'select(.event == "call") | .call.sip_call_state' | uniq | xargs; }
has_event() { [ -n "$(events "$1" | jq -c "select($2)")" ]; }
expect_event() {
	wait_until 30 has_event "$1" "$2"
	expect_ok "event of $1 with $2" has_event "$1" "$2"
}

nats_start
nats_streams
expect_ok "stream of events" nats stream CALLS 'if.connect.calls.*.events'
expect_ok "stream of decisions" nats stream DECISIONS 'if.connect.calls.*.decision'
head -c 20000 /dev/urandom >"$STACK/evidence/one.bin"
# A second agent, who has no part in the first one's calls.
agents_more() {
	printf ', {id: "if://agent/other", kid: stranger, public_key: "%s"}' "${PUBLIC[stranger]}"
}
KEYS=evidence-2026a start_with_bridge

EVIDENCE=one.bin ifmessage guard-2026a c-1 trace-calls-1 safety | send_message
expect_outcome c-1 connected
call=$(outcome_of c-1 | jq -r .call_id)
expect_event "$call" '.event == "call" and .call.sip_call_state == "connected"'
expect "to whom" "if://agent/guard inform" \
	"$(event_messages "$call" | jq -r '.destination + " " + .performative' | sort -u)"
expect "by whom" council-2026a "$(event_messages "$call" | jq -r .signature.kid | sort -u)"
expect "trace" trace-calls-1 "$(event_messages "$call" | jq -r .traceId | sort -u)"
expect "ids" "$(event_messages "$call" | wc -l)" \
	"$(event_messages "$call" | jq -r .id | sort -u | wc -l)"

# The expert takes the evidence: what happens on its channel is published too.
mkdir -p "$STACK/received/first"
peer transfer "$(invited_link 1)" "$STACK/received/first" >"$STACK/peer.json"
expect_event "$call" '.event == "call" and .call.evidence_state == "verified"'
expect_event "$call" '.event == "evidence" and .evidence.event == "datachannel_open"'

# The expert decides: the agent gets the signed decision, in a message that the bridge signs.
decision() {
	nats messages DECISIONS |
		jq -c --arg s "if.connect.calls.$call.decision" 'select(.subject == $s) | .body | fromjson'
}
has_decision() { [ -n "$(decision)" ]; }
expect_ok "a decision" "$IFE_BIN/ifectl" decision sign "$call" --choice deny \
	--key "$STACK/keys/safety-2026a.key" --bridge "unix:$STACK/bridge.sock"
wait_until 15 has_decision
expect "the decision" "if://agent/guard council-2026a decided deny key" \
	"$(decision | jq -r '[.destination, .signature.kid, (.payload.decision | .decision_state, (.record.decision | .choice, .assurance))] | join(" ")')"
decision >"$STACK/decision.json"
expect_ok "the decision is verified" "$IFE_BIN/ifectl" decision verify "$STACK/decision.json" \
	--registry "$STACK/registry.yaml"
expect_event "$call" '.event == "call" and .call.decision.choice == "deny"'

# Orders: whose call it is, and whose not.
expect "state by order" "connected verified" \
	"$(order guard-2026a o-1 get "$call" | send_order "$call" |
	jq -r '"\(.call.sip_call_state) \(.call.evidence_state)"')"
expect "history by order" true "$(order guard-2026a o-2 get "$call" | send_order "$call" |
	jq '.call.history | length > 3')"
expect "order by ifectl" connected \
	"$("$IFE_BIN/ifectl" order get "$call" --source if://agent/guard \
	--key "$STACK/keys/guard-2026a.key" | send_order "$call" | jq -r .call.sip_call_state)"
expect "order of another agent" '"NOT_FOUND"' \
	"$(SOURCE=if://agent/other order stranger o-3 hang_up "$call" | send_order "$call" | jq .code)"
expect "order by a stranger's key" '"INVALID_SIGNATURE"' \
	"$(order stranger o-4 hang_up "$call" | send_order "$call" | jq .code)"
expect "order by a stranger" '"UNKNOWN_AGENT"' \
	"$(SOURCE=if://agent/nobody order stranger o-5 hang_up "$call" | send_order "$call" | jq .code)"
expect "order for another call" '"payload.call_id"' \
	"$(order guard-2026a o-6 hang_up sip-call-0000000000000000 | send_order "$call" | jq .field)"
expect "order that is none" '"payload.order"' \
	"$(order guard-2026a o-7 mute "$call" | send_order "$call" | jq .field)"
expect "no JSON" '"INVALID_REQUEST"' "$(printf '\xff{' | send_order "$call" | jq .code)"
expect "an order changed on its way" '"INVALID_SIGNATURE"' \
	"$(order guard-2026a o-8 get "$call" | jq -c '.payload.order = "hang_up"' | send_order "$call" |
	jq .code)"
expect "no such call" '"NOT_FOUND"' "$(order guard-2026a o-9 hang_up sip-call-0000000000000000 |
	send_order sip-call-0000000000000000 | jq .code)"
expect_call "$call" connected
once=$(order guard-2026a o-10 hang_up "$call")
answer=$(send_order "$call" <<<"$once")
expect "hung up" o-10 \
	"$(jq -r 'select(.status == "terminated" or .status == "ending") | .in_reply_to' <<<"$answer")"
expect "the same order again" '"id"' "$(send_order "$call" <<<"$once" | jq .field)"
expect_event "$call" \
	'.event == "call" and .call.sip_call_state == "ended" and .call.reason == "user_hangup"'
expect "states" "connected ending ended" "$(states "$call" | grep -o 'connected ending ended')"
expect "its first states" "inviting" "$(states "$call" | grep -o inviting)"
expect_channels gateway 0
expect "a call that is over" user_hangup \
	"$(order guard-2026a o-11 get "$call" | send_order "$call" | jq -r .call.reason)"
expect "links in events and answers" 0 \
	"$({ nats messages CALLS; cat "$STACK/answers"; } | grep -c 'evidence_link\|/e/#')"

# An expert who hangs up, and calls without a message.
stack_expert ethics "$ETHICS_PORT" uas-bye -d 3000
ifmessage guard-2026a c-2 trace-calls-2 ethics | send_message
expect_outcome c-2 connected
call=$(outcome_of c-2 | jq -r .call_id)
expect_event "$call" \
	'.event == "call" and .call.sip_call_state == "ended" and .call.reason == "expert_left"'
own=$(api POST /v1/calls "{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"safety\"}" | jq -r .call_id)
expect_call "$own" connected
expect "events of a call that no message asked for" "" "$(events "$own")"
expect "orders about it" '"NOT_FOUND"' \
	"$(order guard-2026a o-12 hang_up "$own" | send_order "$own" | jq .code)"
expect_call "$own" connected

# Dead letters: the agent who signed one is notified.
SENT=-3600 ifmessage guard-2026a c-3 trace-calls-3 safety | send_message
expect_outcome c-3 rejected
expect "why" "INVALID_REQUEST true trace-calls-3" \
	"$(outcome_of c-3 | jq -r '"\(.code) \(.reason | startswith("timestamp: ")) \(.trace_id)"')"
ifmessage guard-2026a c-4 trace-calls-4 safety | jq -c '.payload.hazards = ["ethics"]' |
	send_message
wait_until 15 dead_are 2
expect "dead letters" "INVALID_REQUEST INVALID_SIGNATURE" "$(dead_letters | sort | xargs)"
expect "outcome of a message that is nobody's" "" "$(outcome_of c-4)"
expect_worked_off

# Orders of before a restart are refused: the new process cannot know whether they were taken.
stale=$(order guard-2026a o-13 get "$call")
sleep 2
proc_stop bridge 40
bridge_start
expect "an order of before" '"timestamp"' "$(send_order "$call" <<<"$stale" | jq .field)"
expect "a call of before" expert_left "$(order guard-2026a o-14 get "$call" | send_order "$call" |
	jq -r .call.reason)"
expect_alive
