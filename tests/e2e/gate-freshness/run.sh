#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start
csv=$STACK/calls.csv now=$(date +%s)
# The replay table is born with this deployment and knows nothing of earlier signatures, so nothing
# older than it can pass.
signed_csv "$csv" 403/freshness council-2026a "$COUNCIL" "$SAFETY" safety --iat $((now - 300))
signed_csv "$csv" 403/freshness council-2026a "$COUNCIL" "$SAFETY" safety --iat $((now + 300))
signed_csv "$csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --iat $((now + 30))
expect_ok "calls placed" stack_calls freshness uac "$csv"
expect_calls freshness "$csv"
expect "reason" "Stale Date" \
	"$(jq -r 'select(.code == 403) | .reason' "$STACK/captures/freshness.outcomes" | sort -u)"
expect_alive
