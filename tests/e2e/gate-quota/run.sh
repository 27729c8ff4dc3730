#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

QUOTA='{per_minute: 100, concurrent: 2, max_call_s: 3600}' \
	ETHICS_QUOTA='{per_minute: 3, concurrent: 10, max_call_s: 3600}' start
stack_expert ethics "$ETHICS_PORT" uas

# Three at once for two places; each lasts two seconds.
signed_csv "$STACK/held.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 2
signed_csv "$STACK/third.csv" 486/quota council-2026a "$COUNCIL" "$SAFETY" safety
signed_csv "$STACK/after.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 2
stack_calls held uac "$STACK/held.csv" -d 4000 &
held=$!
wait_log 2 '.event == "CONNECTED"'
expect_ok "third call" stack_calls third uac "$STACK/third.csv" -p "$SPARE_PORT"
wait "$held" || fail "the held calls failed"
expect_calls held "$STACK/held.csv"
expect_calls third "$STACK/third.csv"
expect_log 2 '.event == "BYE"'
expect_ok "places are free again" stack_calls after uac "$STACK/after.csv"
expect_calls after "$STACK/after.csv"

signed_csv "$STACK/minute.csv" 200 council-2026a "$COUNCIL" "$ETHICS" ethics --count 3
signed_csv "$STACK/minute.csv" 503/quota council-2026a "$COUNCIL" "$ETHICS" ethics --count 2
expect_ok "calls in a minute" stack_calls minute uac "$STACK/minute.csv" -r 5
expect_calls minute "$STACK/minute.csv"
expect "refusals say when to retry" 0 \
	"$(jq -s 'map(select(.code == 503 and ((.retry_after // 0) < 1 or .retry_after > 61))) | length' \
	"$STACK/captures/minute.outcomes")"
expect_alive
