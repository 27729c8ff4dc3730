#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

KAMAILIO_CFG=$CASE_DIR/kemi.cfg NO_EXPERT=1 start -A "KEMI_SCRIPT=\"$CASE_DIR/kemi.py\""

csv=$STACK/calls.csv
signed_csv "$csv" 480 council-2026a "$COUNCIL" "$SAFETY" safety
signed_csv "$csv" 403/hazard council-2026a "$COUNCIL" "$SAFETY" ethics
signed_csv "$csv" 437/signature stranger "$COUNCIL" "$SAFETY" safety
# The signature is for the hazard that the script gives, the header names another.
stack_sign council-2026a "$COUNCIL" "$SAFETY" alignment --trace-id by-script-1 | jq -c '.hazard = "ethics"' |
	csv_lines "$COUNCIL" "$SAFETY" 480 >>"$csv"
expect_ok "calls placed" stack_calls kemi uac "$csv"
expect_calls kemi "$csv"
expect "return codes of the gates" "-4 -7" "$(grep -aoE '^SIP/2.0 4(03|37) .*\((-[0-9]+)\)' "$STACK/captures/kemi.msg" | grep -oE -- '-[0-9]+' | sort -u -n -r | xargs)"
expect_log 2 '.event == "APPROVED"'
expect_log 1 '.event == "APPROVED" and .hazard == "alignment" and .trace_id == "by-script-1"'
expect_log 2 '.event == "RINGING"'
expect_log 2 '.event == "FAILED" and .detail == "answered by KEMI"'

rpc ife.reload >/dev/null
wait_until 5 grep -q 'KEMI was told: ife:reloaded' "$STACK/log/kamailio.log"
expect "the callback ran" 1 "$(grep -c 'KEMI was told: ife:reloaded' "$STACK/log/kamailio.log")"
expect_alive
