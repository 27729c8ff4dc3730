#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

# One address calls more often than the ban table allows.
PIKE_DENSITY=1000000
start -A 'WITNESS="best_effort"' -A WITNESS_WAIT_MS=0
signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 500
load_begin outage uac "$STACK/calls.csv" -r 50
wait_until 20 calls_reached outage 200
proc_stop witnessd
sleep 2
stack_start_witnessd
load_end || fail "calls failed"
expect_calls outage "$STACK/calls.csv"
wait_log 500 '.event == "BYE"'
expect_ledger outage
expect_alive
verify_by_all
