#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

# One address calls more often than the ban table allows.
PIKE_DENSITY=1000000
# One a second: a source may cause a hundred entries at once, then one a second.
start -A REFUSALS_PER_S=1
signed_csv "$STACK/flood.csv" 403/registry council-2026a mallory@elsewhere.example "$SAFETY" \
	safety --count 400
expect_ok "refused calls" stack_calls flood uac "$STACK/flood.csv" -r 100
expect "calls that were refused" 400 \
	"$(jq -r 'select(.code == 403) | .code' "$STACK/captures/flood.outcomes" | wc -l)"
omitted=$(rpc ife.stats | jq .refusals_omitted)
[ "$omitted" -gt 200 ] || fail "only $omitted of 400 refusals have no entry"

# No call comes any more, and the sum is written all the same.
omitted_in_log() { log_entries | jq -s 'map(.omitted.count // 0) | add'; }
all_omitted() { [ "$(omitted_in_log)" = "$omitted" ]; }
wait_until 20 all_omitted
expect "refusals counted in the log" "$omitted" "$(omitted_in_log)"
expect_log "$((400 - omitted))" '.event == "REJECTED" and .gate == "registry"'
expect "times in order" true \
	"$(log_entries | jq -s 'map(select(.omitted)) | all(.omitted.first <= .omitted.last and .omitted.last <= .time)')"

signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 20
expect_ok "calls of the council" stack_calls calls uac "$STACK/calls.csv"
expect_calls calls "$STACK/calls.csv"
expect_alive
verify_by_all
