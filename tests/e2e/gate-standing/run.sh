#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

KEYS="revoked-2026a expired-2026a future-2026a suspended-2026a early-2026a late-2026a"
past=2020-01-01T00:00:00Z future=2099-01-01T00:00:00Z
registry_edit() {
	sed "/kid: safety-2026a/a\\
      - {kid: revoked-2026a, public_key: \"${PUBLIC[revoked-2026a]}\", covers: [base], status: revoked}\\
      - {kid: expired-2026a, public_key: \"${PUBLIC[expired-2026a]}\", covers: [base], not_after: $past}\\
      - {kid: future-2026a, public_key: \"${PUBLIC[future-2026a]}\", covers: [base], not_before: $future}"
	registry_expert suspended@external.advisor "$EXPERT_PORT" safety suspended-2026a \
		"status: suspended"
	registry_expert early@external.advisor "$EXPERT_PORT" safety early-2026a "not_before: $future"
	registry_expert late@external.advisor "$EXPERT_PORT" safety late-2026a "not_after: $past"
}
start
csv=$STACK/calls.csv
for who in suspended early late; do
	signed_csv "$csv" 403/standing council-2026a "$COUNCIL" "$who@external.advisor" safety
done
signed_csv "$csv" 403/standing revoked-2026a "$SAFETY" "$COUNCIL" safety
signed_csv "$csv" 403/standing expired-2026a "$SAFETY" "$COUNCIL" safety
signed_csv "$csv" 403/standing future-2026a "$SAFETY" "$COUNCIL" safety
expect_ok "calls placed" stack_calls standing uac "$csv"
expect_calls standing "$csv"
expect_alive
