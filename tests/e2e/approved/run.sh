#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start
signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
expect_ok "answered and hung up" stack_calls approved uac "$STACK/calls.csv"
expect_calls approved "$STACK/calls.csv"
expect_log 1 '.event == "BYE"'

trace=$(jq -r .trace_id "$STACK/captures/approved.outcomes")
events=$(log_entries | jq -r --arg trace "$trace" 'select(.trace_id == $trace) | .event' | grep -vxE 'INVITE|TRYING' | xargs)
expect "events of the trace" "APPROVED RINGING CONNECTED ACK BYE" "$events"

decision=$(log_entries | jq -c 'select(.event == "APPROVED")')
expect "expert" "$SAFETY" "$(jq -r .expert <<<"$decision")"
expect "hazard" safety "$(jq -r .hazard <<<"$decision")"
expect "kid" council-2026a "$(jq -r .kid <<<"$decision")"
expect "direction" to_expert "$(jq -r .direction <<<"$decision")"
expect "witness hash at the expert's phone" "sha256:$(jq -r .leaf <<<"$decision")" "$(awk '{print $NF}' "$STACK/log/safety.actions")"
expect "SDP in the log" true "$(jq '.sdp | contains("m=audio 40000")' <<<"$decision")"
expect_ok "ifectl shows the trace" ifectl witness show --log "$STACK/witness" --trace "$trace"
expect_alive
