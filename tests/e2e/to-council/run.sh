#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start -A GATEWAY_TIMEOUT_MS=1000
signed_csv "$STACK/first.csv" 200 safety-2026a "$SAFETY" "$COUNCIL" safety
signed_csv "$STACK/second.csv" 200 safety-2026a "$SAFETY" "$COUNCIL" safety

stack_expert gateway2 "$GATEWAY2_PORT" uas
stack_expert gateway "$GATEWAY_PORT" uas
CALLER_IP=$EXPERT_IP expect_ok "call through the first gateway" stack_calls first uac \
	"$STACK/first.csv"
expect "calls at the first gateway" 1 "$(grep -c witness-hash "$STACK/log/gateway.actions")"

proc_kill gateway
CALLER_IP=$EXPERT_IP expect_ok "call through the second gateway" stack_calls second uac \
	"$STACK/second.csv"
expect "calls at the second gateway" 1 "$(grep -c witness-hash "$STACK/log/gateway2.actions")"

expect_calls first "$STACK/first.csv"
expect_calls second "$STACK/second.csv"
expect_log 2 '.event == "BYE"'
expect "direction" to_council "$(log_entries | jq -r 'select(.event == "APPROVED") | .direction' |
	sort -u)"
expect_alive
