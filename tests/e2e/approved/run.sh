#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start
signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
expect_ok "answered and hung up" stack_calls approved uac "$STACK/calls.csv"
expect_calls approved "$STACK/calls.csv"
expect_log 1 '.event == "TERMINATED"'

trace=$(jq -r .trace_id "$STACK/captures/approved.outcomes")
# Entries of different workers lie in the log as the writer took them in; time orders them.
events=$(log_entries | jq -s -r --arg trace "$trace" \
	'map(select(.trace_id == $trace)) | sort_by(.time) | .[].event' | grep -vxE 'INVITE|TRYING' |
	xargs)
expect "events of the trace" "APPROVED RINGING CONNECTED ACK BYE TERMINATED" "$events"

decision=$(log_entries | jq -c 'select(.event == "APPROVED")')
expect "expert" "$SAFETY" "$(jq -r .expert <<<"$decision")"
expect "hazard" safety "$(jq -r .hazard <<<"$decision")"
expect "kid" council-2026a "$(jq -r .kid <<<"$decision")"
expect "direction" to_expert "$(jq -r .direction <<<"$decision")"
expect "witness hash at the expert's phone" "sha256:$(jq -r .leaf <<<"$decision")" \
	"$(awk '{print $NF}' "$STACK/log/safety.actions")"
expect "hash of the offer" "$(sipp_body | sha256sum | cut -d ' ' -f 1)" \
	"$(jq -r .sdp_sha256 <<<"$decision")"
expect "the answer, as text" true \
	"$(log_entries | jq 'select(.event == "CONNECTED") | .sdp | contains("m=audio 40002")')"
expect_ok "ifectl shows the trace" ifectl witness show --log "$STACK/witness" \
	--vkey "$STACK/witness.vkey" --trace "$trace"
expect_alive
