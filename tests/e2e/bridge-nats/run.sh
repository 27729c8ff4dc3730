#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../bridge-nats.sh"

# The bridge starts before its streams are there.
bridge_start() {
	proc_start bridge "$BRIDGE_BIN" run --config "$STACK/bridge.yaml"
	wait_until 15 grep -q 'stream IFCONNECT' "$STACK/log/bridge.log"
	expect "what is missing, and how to make it" 1 \
		"$(grep -c 'stream IFCONNECT.*nats stream add IFCONNECT --subjects if.connect.escalate' \
		"$STACK/log/bridge.log")"
	expect "not ready" "503 false" "$(api_status GET /readyz) $(api GET /readyz | jq .nats)"
	nats_streams
	wait_until 15 bridge_ready || stack_fail bridge "ife-bridge did not get ready"
}
nats_start
start_with_bridge

message=$(escalation m-1 trace-nats-1 safety)
send_message <<<"$message"
expect_outcome m-1 connected
outcome=$(outcome_of m-1)
call=$(jq -r .call_id <<<"$outcome")
expect "expert" "$SAFETY" "$(jq -r .expert_id <<<"$outcome")"
expect "participant" "confbridge:council:ife.node1.${call#sip-call-}.e0" \
	"$(jq -r .h323_participant <<<"$outcome")"
expect "trace id" trace-nats-1 "$(jq -r .trace_id <<<"$outcome")"
expect_call "$call" connected
expect_worked_off

# The same message again: stored anew, so JetStream itself does not drop it.
send_message <<<"$message"
expect_worked_off
expect "calls of the expert" 1 "$(calls_to safety | wc -l)"
expect "outcomes told" 2 "$(outcome_of m-1 | wc -l)"
expect "different outcomes" 1 "$(outcome_of m-1 | sort -u | wc -l)"

# Refused by policy is an outcome.
escalation m-2 trace-nats-2 nonsense | send_message
expect_outcome m-2 rejected
expect "why" "POLICY_REJECTED hazard" "$(outcome_of m-2 | jq -r '"\(.code) \(.gate)"')"

# Poison, in several bottles.
printf 'not JSON \xff\x00' | send_message
jq -c '.payload.hazards = ["ethics"]' <<<"$message" | send_message
jq -c '.source = "if://agent/other"' <<<"$message" | send_message
printf '{"id":"x"}' | send_message "IFE-Reason=none" "Nats-Msg-Id=mine"
head -c 1048000 /dev/zero | tr '\0' '[' | send_message
wait_until 15 dead_are 5
expect "dead letters" \
	"INVALID_REQUEST INVALID_REQUEST INVALID_REQUEST INVALID_SIGNATURE UNKNOWN_AGENT" \
	"$(dead_letters | sort | xargs)"
expect "where they came from" 5 \
	"$(nats messages DEAD | jq -r '.headers["IFE-Subject"] + .headers["IFE-Stream"]' |
	grep -c '^if.connect.escalateIFCONNECT$')"
expect "the body is kept" "$(jq -c '.payload.hazards = ["ethics"]' <<<"$message")" \
	"$(nats messages DEAD | jq -r 'select(.headers["IFE-Reason"] == "INVALID_SIGNATURE") | .body')"
expect_worked_off

# nats-server dies without a word, and comes back with its store.
proc_kill nats
not_ready() { [ "$(api GET /readyz | jq .nats)" = false ]; }
wait_until 15 not_ready
expect "not ready without NATS" "503 false" \
	"$(api_status GET /readyz) $(api GET /readyz | jq .nats)"
expect "alive without NATS" 200 "$(api_status GET /healthz)"
nats_start
wait_until 20 bridge_ready
escalation m-3 trace-nats-3 safety | send_message
expect_outcome m-3 connected
expect_worked_off
expect "calls of the expert" 2 "$(calls_to safety | wc -l)"

metrics=$(api GET /metrics)
for line in 'result="connected"} 3' 'result="rejected"} 1' 'result="dead_letter"} 5'; do
	expect "$line" 1 "$(grep -cF "ife_bridge_nats_messages_total{$line" <<<"$metrics")"
done
wait_log 1 '.event == "COUNCIL_JOIN" and .trace_id == "trace-nats-3"'

# Without Asterisk no message is taken: it waits in the stream.
testbed_kill gateway
amiless() { [ "$(api GET /readyz | jq .ami)" = false ]; }
wait_until 15 amiless
escalation m-4 trace-nats-4 safety | send_message
testbed start >>"$STACK/log/testbed.log" 2>&1
expect_outcome m-4 connected 40

# SIGTERM while a phone rings: that call is finished, and its message with it.
stack_expert ethics "$ETHICS_PORT" uas-late -d 3000
escalation m-5 trace-nats-5 ethics | send_message
ringing() {
	api GET /v1/calls | jq \
		-e '.[] | select(.trace_id == "trace-nats-5" and .sip_call_state == "ringing")'
}
wait_until 20 ringing
proc_stop bridge 40
expect "outcome of m-5" connected "$(outcome_of m-5 | jq -r .status)"
expect_worked_off
expect "the intake ends in good order" 1 \
	"$(grep -c 'no more messages are taken' "$STACK/log/bridge.log")"
expect_alive
