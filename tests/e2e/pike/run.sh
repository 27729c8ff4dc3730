#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start -A "TRUSTED_NETS=\"$PROXY_IP/32\"" -A PIKE_DENSITY=16
signed=$(stack_sign council-2026a "$COUNCIL" "$SAFETY" safety)
raw_request "$STACK/flood.sip" MESSAGE flood@caller.example "$signed"
expect "before the flood" 405 "$(final_code "$STACK/flood.sip" --source "$STRANGER_IP" --wait 2)"
send_raw "$STACK/flood.sip" --source "$STRANGER_IP" --times 200 --wait 0.5 >/dev/null
expect "after the flood" none "$(final_code "$STACK/flood.sip" --source "$STRANGER_IP" --wait 1)"
expect "in the ban table" 1 "$(rpc htable.dump banned | jq length)"
signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
expect_ok "others are served" stack_calls others uac "$STACK/calls.csv"
expect_calls others "$STACK/calls.csv"
expect_alive
