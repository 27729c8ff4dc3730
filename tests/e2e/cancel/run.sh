#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

EXPERT_SCENARIO=uas-ringing QUOTA='{per_minute: 100, concurrent: 1, max_call_s: 3600}' start
signed_csv "$STACK/calls.csv" 487 council-2026a "$COUNCIL" "$SAFETY" safety
expect_ok "first call given up" stack_calls first uac-cancel "$STACK/calls.csv"
expect_log 1 '.event == "CANCEL"'
expect_log 1 '.event == "FAILED" and .code == 487'

signed_csv "$STACK/second.csv" 487 council-2026a "$COUNCIL" "$SAFETY" safety
expect_ok "the only place is free for a second call" stack_calls second uac-cancel \
	"$STACK/second.csv"
expect_log 2 '.event == "APPROVED"'
expect_alive
