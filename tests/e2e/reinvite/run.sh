#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

EXPERT_SCENARIO=uas-reinvite start
signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
expect_ok "call with re-INVITE and UPDATE" stack_calls reinvite uac-reinvite "$STACK/calls.csv"
expect_log 1 '.event == "BYE"'
expect_log 1 '.event == "APPROVED"'
expect_log 0 '.event == "REJECTED"'
expect_log 2 '.event == "REINVITE" and .code == null'
expect_log 2 '.event == "REINVITE" and .code == 200'
expect "one trace for all of it" 1 "$(log_entries | jq -r 'select(.call_id != null) | .trace_id' |
	sort -u | wc -l)"
expect_alive
