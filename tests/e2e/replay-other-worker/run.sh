#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

# One address calls more often than the ban table allows.
PIKE_DENSITY=1000000
start
signed_csv "$STACK/first.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
expect_ok "first" stack_calls first uac "$STACK/first.csv"
expect_calls first "$STACK/first.csv"

{
	echo SEQUENTIAL
	for _ in $(seq 40); do tail -n 1 "$STACK/first.csv" | sed 's|;200$|;403/replay|'; done
} >"$STACK/again.csv"
expect_ok "again over TCP" stack_calls tcp uac "$STACK/again.csv" -t t1 -r 200
expect_ok "again over UDP" stack_calls udp uac "$STACK/again.csv" -r 200
expect_calls tcp "$STACK/again.csv"
expect_calls udp "$STACK/again.csv"

first=$(log_entries | jq -r 'select(.event == "APPROVED") | .producer')
others=$(log_entries |
	jq -r --arg first "$first" 'select(.event == "REJECTED" and .producer != $first) | .producer' |
	sort -u | wc -l)
[ "$others" -ge 1 ] || fail "no other process ($first) has refused a replay"
expect_alive
