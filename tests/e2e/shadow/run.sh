#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start -A 'MODE="shadow"'
signed_csv "$STACK/good.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
signed_csv "$STACK/unsigned.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
signed_csv "$STACK/stale.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --iat $(($(date +%s) - 3600))
expect_ok "good call" stack_calls good uac "$STACK/good.csv"
expect_ok "unsigned call passes" stack_calls unsigned uac-unsigned "$STACK/unsigned.csv"
expect_ok "stale call passes" stack_calls stale uac "$STACK/stale.csv"
for name in good unsigned stale; do
	expect "$name" 200 "$(jq .code "$STACK/captures/$name.outcomes")"
done
expect_log 1 '.event == "APPROVED"'
expect_log 1 '.event == "REJECTED" and .gate == "signature" and .code == 428'
expect_log 1 '.event == "REJECTED" and .gate == "freshness" and .code == 403'
expect "counted as refusals" "1 1" "$(rpc ife.stats | jq -r '.rejected | "\(.signature) \(.freshness)"')"
expect "mode is told" shadow "$(rpc ife.status | jq -r .mode)"
expect_alive
