#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start -A "TRUSTED_NETS=\"$PROXY_IP/32\"" -A PIKE_DENSITY=16
signed=$(stack_sign council-2026a "$COUNCIL" "$SAFETY" safety)
raw_request "$STACK/flood.sip" MESSAGE flood@caller.example "$signed"
signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
load_begin under-way uac "$STACK/calls.csv" -d 4000
wait_log 1 '.event == "CONNECTED"'
for address in "$CALLER_IP" "$EXPERT_IP"; do
	send_raw "$STACK/flood.sip" --source "$address" --times 300 --wait 0.5 >/dev/null
done
load_end || fail "the call that was under way is not ended"
expect_log 1 '.event == "TERMINATED"'
expect "in the ban table" 0 "$(rpc htable.dump banned | jq length)"
rm "$STACK/calls.csv"
signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
expect_ok "the next call" stack_calls next uac "$STACK/calls.csv"
expect_alive
