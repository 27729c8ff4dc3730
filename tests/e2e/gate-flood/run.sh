#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

FLOOD_RATE=1 FLOOD_BURST=5 start
signed_csv "$STACK/burst.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 5
signed_csv "$STACK/flood.csv" 503/flood council-2026a "$COUNCIL" "$SAFETY" safety --count 10
signed_csv "$STACK/other.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
# One stream: the first five have a token each, the next ten come within half a second of them.
cat "$STACK/burst.csv" >"$STACK/all.csv"
tail -n +2 "$STACK/flood.csv" >>"$STACK/all.csv"
expect_ok "calls placed" stack_calls all uac "$STACK/all.csv" -r 100
wait_until 10 published 15 all
passed=$(jq -s 'map(select(.code == 200)) | length' "$STACK/captures/all.outcomes")
# A second or two may pass on a slow machine, and each brings a token back.
case $passed in 5 | 6 | 7 | 8) ;; *) fail "expected 5 to 8 calls to pass, $passed did" ;; esac
expect "codes of the others" "503" \
	"$(jq -r 'select(.code != 200) | .code' "$STACK/captures/all.outcomes" | sort -u)"
expect "all of them say when to retry" 0 \
	"$(jq -s 'map(select(.code == 503 and (.retry_after // 0) < 1)) | length' \
	"$STACK/captures/all.outcomes")"
expect "gate" flood "$(log_entries | jq -r 'select(.event == "REJECTED") | .gate' | sort -u)"
CALLER_IP=$CALLER2_IP expect_ok "another source" stack_calls other uac "$STACK/other.csv"
expect_calls other "$STACK/other.csv"
expect_alive
