#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

# One address calls more often than the ban table allows, and as one block after each start: each
# call is to be decided.
PIKE_DENSITY=1000000
start -A SHED_STRANGERS=100 -A SHED_PARTIES=100
# Of a minute ahead, nearly: the replays at the end are to be replays still, however slow the
# machine is.
signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 600 \
	--iat $(($(date +%s) + 50))
# Calls whose BYE or reply went down with Kamailio end by their timeouts; how the caller fares is
# not the question here.
CALLS_TIMEOUT_S=60 load_begin crash uac "$STACK/calls.csv" -r 60 -timeout 40
for reached in 200 600; do
	wait_until 30 calls_reached crash "$reached"
	proc_kill kamailio
	stack_start_kamailio -A SHED_STRANGERS=100 -A SHED_PARTIES=100
done
load_end || true

answered=$(jq -s 'map(select(.code == 200)) | length' "$STACK/captures/crash.outcomes")
[ "$answered" -ge 300 ] || fail "only $answered of 600 calls were answered"
expect_ledger crash

# Signatures that passed before the crash do not pass after it.
{
	echo SEQUENTIAL
	sed -n 2,11p "$STACK/calls.csv" | sed 's|;200$|;403/replay|'
} >"$STACK/again.csv"
expect_ok "replays after the crash" stack_calls again uac "$STACK/again.csv"
expect_calls again "$STACK/again.csv"
signed_csv "$STACK/new.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 20
expect_ok "new calls after the crash" stack_calls new uac "$STACK/new.csv"
expect_calls new "$STACK/new.csv"
expect_alive
expect_log 0 '.event == "STOP" and (.producer | startswith("kamailio"))'
# Stopped in order, the main process logs it for all of them.
proc_stop kamailio
expect_log 1 '.event == "STOP" and .producer == "kamailio-0"'
verify_by_all
