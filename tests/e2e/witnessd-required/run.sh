#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

# One address calls more often than the ban table allows.
PIKE_DENSITY=1000000
start -A WITNESS_WAIT_MS=200
signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 500
load_begin outage uac "$STACK/calls.csv" -r 50
wait_until 20 calls_reached outage 200
proc_stop witnessd
sleep 2
stack_start_witnessd
load_end || fail "calls failed that should have been answered or refused"

refused=$(jq -s 'map(select(.code == 503)) | length' "$STACK/captures/outage.outcomes")
answered=$(jq -s 'map(select(.code == 200)) | length' "$STACK/captures/outage.outcomes")
expect "calls answered or refused" 500 $((refused + answered))
[ "$refused" -ge 20 ] || fail "only $refused calls were refused in two seconds without a witness"
[ "$answered" -ge 200 ] || fail "only $answered calls were answered"
expect "refusals say when to retry" 0 \
	"$(jq -s 'map(select(.code == 503 and (.retry_after // 0) < 1)) | length' \
	"$STACK/captures/outage.outcomes")"
wait_log "$answered" '.event == "BYE"'
expect_ledger outage
signed_csv "$STACK/later.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 20
expect_ok "calls after the outage" stack_calls later uac "$STACK/later.csv"
expect_calls later "$STACK/later.csv"
expect_alive
verify_by_all
