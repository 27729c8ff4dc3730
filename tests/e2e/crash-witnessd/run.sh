#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

# One address calls more often than the ban table allows.
PIKE_DENSITY=1000000
# Workers to spare: each that waits for a slow disk, or for a witness that is gone, serves no other
# else. While they do, Kamailio may send an INVITE again that was answered: that does not end a call
# (-abortunexp).
EXPERT_ARGS="-default_behaviors all,-abortunexp" start -A WITNESS_WAIT_MS=2000 -A WORKERS=16
signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 600
load_begin crash uac "$STACK/calls.csv" -r 60
for reached in 150 400 700; do
	wait_until 30 calls_reached crash "$reached"
	proc_kill witnessd
	stack_start_witnessd
done
load_end || fail "calls failed that should have been answered or refused"
answered=$(jq -s 'map(select(.code == 200)) | length' "$STACK/captures/crash.outcomes")
[ "$answered" -ge 400 ] || fail "only $answered of 600 calls were answered"
expect "answered or refused" "" \
	"$(jq -r 'select(.code != 200 and .code != 503) | .code' "$STACK/captures/crash.outcomes")"
wait_log "$answered" '.event == "BYE"'
expect_ledger crash
expect_alive
verify_by_all
