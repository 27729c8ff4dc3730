#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

EXPERT_SCENARIO=uas-ringing QUOTA='{per_minute: 100, concurrent: 1, max_call_s: 3600}' \
	start -A RING_TIMEOUT_MS=2000 -A SILENCE_TIMEOUT_MS=1000
for name in first second; do
	signed_csv "$STACK/$name.csv" 408 council-2026a "$COUNCIL" "$SAFETY" safety
	expect_ok "$name call rings out" stack_calls "$name" uac "$STACK/$name.csv"
	expect_calls "$name" "$STACK/$name.csv"
done
expect_log 2 '.event == "FAILED" and .code == 408'

# Unreachable: the ethics advisor's port is closed. Then a busy phone.
signed_csv "$STACK/nobody.csv" 408 council-2026a "$COUNCIL" "$ETHICS" ethics
expect_ok "unreachable" stack_calls nobody uac "$STACK/nobody.csv"
expect_calls nobody "$STACK/nobody.csv"
stack_expert ethics "$ETHICS_PORT" uas-busy
signed_csv "$STACK/busy.csv" 486 council-2026a "$COUNCIL" "$ETHICS" ethics
expect_ok "busy" stack_calls busy uac "$STACK/busy.csv"
expect_calls busy "$STACK/busy.csv"
expect_log 1 '.event == "FAILED" and .code == 486'
expect_alive
