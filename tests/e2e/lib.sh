# Sourced by every case's run.sh: a deployment in target/e2e/<case>, assertions, and a clean end
# in any case.
# shellcheck shell=bash
set -uo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib/stack.sh"

CASE_DIR=$(cd "$(dirname "$0")" && pwd)
# A part of `make prove` may use these functions.
CASE=${PROVE_PART:-$(basename "$CASE_DIR")}
WORK=${IFE_E2E_DIR:-$IFE_TARGET/e2e}/$CASE
FAILURES=0
# In a network namespace of the case (tests/e2e/run) each party has an address of its own.
stack_addresses "${IFE_E2E_NET:-}"

fail() {
	FAILURES=$((FAILURES + 1))
	printf '  FAIL %s\n' "$*"
}

# expect LABEL WANTED GOT
expect() {
	if [ "$2" != "$3" ]; then
		fail "$1: expected '$2', got '$3'"
	fi
}

# expect_ok LABEL COMMAND...: its output is shown when it fails.
expect_ok() {
	local label=$1 output
	shift
	output=$("$@" 2>&1) || {
		fail "$label"
		printf '%s\n' "$output" | tail -n 25 | sed 's/^/       /'
	}
}

# expect_fails LABEL PATTERN COMMAND...: it must exit non-zero and print PATTERN.
expect_fails() {
	local label=$1 pattern=$2 output
	shift 2
	if output=$("$@" 2>&1); then
		fail "$label: succeeded"
	elif ! grep -qE "$pattern" <<<"$output"; then
		fail "$label: said nothing that matches /$pattern/"
		printf '%s\n' "$output" | tail -n 15 | sed 's/^/       /'
	fi
}

# expect_soon LABEL WANTED COMMAND...: its output, in the end. Entries are in the published log
# a moment after their events.
expect_soon() {
	local label=$1 wanted=$2
	shift 2
	wait_until 20 prints "$wanted" "$@"
	expect "$label" "$wanted" "$("$@")"
}

prints() { [ "$("${@:2}")" = "$1" ]; }

# expect_log COUNT JQ_CONDITION: waits for the entries to be published, then wants exactly so many.
expect_log() {
	wait_log "$1" "$2"
	expect "log entries with $2" "$1" "$(log_count "$2")"
}

# expect_calls NAME CSV: every call of the CSV ended by its tenth field, in the caller's trace
# and in the log.
expect_calls() {
	local name=$1 csv=$2
	wait_until 10 published "$(wc -l <"$STACK/captures/$name.outcomes")" "$name"
	log_entries >"$STACK/captures/$name.entries"
	expect_ok "calls of $name as announced" siptool expect "$STACK/captures/$name.outcomes" "$csv" \
		"$STACK/captures/$name.entries"
}

published() {
	log_has "$1" "(.event == \"APPROVED\" or .event == \"REJECTED\") and
		(.call_id // \"\" | endswith(\".$2@caller.example\"))"
}

# expect_ledger NAME...: each call with a final reply has exactly one decision in the log, and they
# agree.
expect_ledger() {
	local name
	for name in "$@"; do
		cat "$STACK/captures/$name.outcomes"
	done >"$STACK/captures/ledger.outcomes"
	# Without witness_wait_ms entries may still be in the rings when the last reply has arrived.
	wait_until 15 ledger_agrees
	expect_ok "every answered call is in the log once" ledger_agrees
}

ledger_agrees() {
	log_entries >"$STACK/captures/ledger.entries"
	siptool ledger "$STACK/captures/ledger.outcomes" "$STACK/captures/ledger.entries"
}

# Kamailio lives as long as all of its processes do: one crashed worker ends it.
expect_alive() {
	proc_alive kamailio || fail "Kamailio has died"
	# receive_fd: printed by the TCP main process when Kamailio is stopped in good order.
	expect "crashes in Kamailio's log" 0 \
		"$(grep -E 'SIGSEGV|SIGABRT|core was generated|CRITICAL' "$STACK/log/kamailio.log" |
		grep -vc 'receive_fd(): EOF')"
}

# A case may define registry_edit to change the registry that it starts with.
registry_edit() { cat; }

# Keys, registry, witness, Kamailio and an expert that answers: what most cases start from. KEYS
# names further keys.
start() {
	# shellcheck disable=SC2086
	stack_keys council-2026a safety-2026a ethics-2026a stranger ${KEYS:-}
	stack_registry | registry_edit >"$STACK/registry.yaml"
	stack_start_witnessd
	stack_start_kamailio "$@"
	# shellcheck disable=SC2086
	[ -n "${NO_EXPERT:-}" ] || stack_expert safety "$EXPERT_PORT" "${EXPERT_SCENARIO:-uas}" \
		${EXPERT_ARGS:-}
}

# Own verifier, and those that share no code with it.
verify_by_all() {
	stack_verify_quietly
	expect_ok "log verified by tlog_tiles, signed_note and ct-merkle" foreign_rust \
		"${LOG_DIR:-$STACK/witness}" "$STACK/witness.vkey"
	expect_ok "log verified by Python" foreign_python "${LOG_DIR:-$STACK/witness}" \
		"$STACK/witness.vkey"
}

stack_verify_quietly() { expect_ok "log verified by ifectl" stack_verify; }

foreign_rust() { "$("$IFE_ROOT/tests/tools/build" oracle_verify)" "$@"; }
foreign_python() { "$IFE_ROOT/tests/python/run.sh" "$@"; }

# mixed_csv FILE: 1,000 calls of every kind that one scenario can send, shuffled the same way each
# time; replays come last.
mixed_csv() {
	local file=$1 calls=$STACK/mixed.lines
	signed_csv "$calls" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 350
	signed_csv "$calls" 200 council-2026a "$COUNCIL" "$SAFETY" alignment --count 250
	signed_csv "$calls" 403/hazard council-2026a "$COUNCIL" "$SAFETY" ethics --count 80
	signed_csv "$calls" 403/registry council-2026a mallory@elsewhere.example "$SAFETY" safety \
		--count 80
	signed_csv "$calls" 437/signature stranger "$COUNCIL" "$SAFETY" safety --count 80
	stack_sign council-2026a "$COUNCIL" "$ETHICS" safety --count 60 |
		csv_lines "$COUNCIL" "$SAFETY" 438/signature >>"$calls"
	signed_csv "$calls" 403/freshness council-2026a "$COUNCIL" "$SAFETY" safety \
		--iat $(($(date +%s) - 3600)) --count 50
	{
		echo SEQUENTIAL
		tail -n +2 "$calls" | shuf --random-source=<(yes escalate)
	} >"$file"
	grep ';200$' "$file" | head -n 50 | sed 's|;200$|;403/replay|' >"$STACK/mixed.replays"
	cat "$STACK/mixed.replays" >>"$file"
}

# load NAME TRANSPORT [SIPP ARG ...]: the 1,000 mixed calls at 100 a second, then everything that
# can be checked of the log.
load() {
	local name=$1
	shift
	mixed_csv "$STACK/calls.csv"
	expect "calls to place" 1000 "$(($(wc -l <"$STACK/calls.csv") - 1))"
	expect_ok "1,000 mixed calls" stack_calls "$name" uac "$STACK/calls.csv" -r 100 "$@"
	wait_log 600 '.event == "BYE"'
	expect_calls "$name" "$STACK/calls.csv"
	expect_ledger "$name"
	expect "calls that ended" 600 "$(log_count '.event == "BYE"')"
	expect_rpc_eventually 0 ife.stats .active_calls
	expect_alive
	verify_by_all
}

# expect_rpc_eventually WANTED METHOD JQ: within some seconds.
expect_rpc_eventually() {
	wait_until 5 rpc_says "$@"
	expect "$2 $3" "$1" "$(rpc "$2" | jq -r "$3")"
}

rpc_says() { [ "$(rpc "$2" | jq -r "$3")" = "$1" ]; }

# Starts `stack_calls` in the background; load_end waits for it.
load_begin() {
	stack_calls "$@" &
	LOAD_PID=$!
}

load_end() { wait "$LOAD_PID"; }

# calls_ended NAME: final replies that the caller has seen so far.
calls_ended() { grep -acE '^SIP/2.0 [2-6]' "$STACK/captures/$1.msg" 2>/dev/null; }
calls_reached() { [ "$(calls_ended "$1")" -ge "$2" ]; }

# raw_request FILE METHOD CALL_ID SIGNED_JSON [SED_EXPRESSION ...]: a request as bytes, for what
# sipp cannot send. The expressions work on lines before they get their CRLF; @LOCAL@ becomes the
# sender's address when it is sent.
raw_request() {
	local file=$1 method=$2 call_id=$3 signed=$4 edits=()
	shift 4
	while [ $# != 0 ]; do
		edits+=(-e "$1")
		shift
	done
	sed -e "s|@METHOD@|$method|; s|@CALLID@|$call_id|; s|@BRANCH@|$RANDOM$RANDOM|; s|@TRANSPORT@|${TRANSPORT:-UDP}|; s|@TOTAG@|${TO_TAG:+;tag=$TO_TAG}|" \
		-e "s|@FROM@|${FROM:-$COUNCIL}|; s|@TO@|${TO:-$SAFETY}|g" \
		-e "s|@TRACE@|$(jq -r .trace_id <<<"$signed")|; s|@HAZARD@|$(jq -r .hazard <<<"$signed")|" \
		-e "s|@SIGNATURE@|$(jq -r .signature <<<"$signed")|" "${edits[@]}" -e 's/$/\r/' \
		"$IFE_ROOT/tests/e2e/request.sip" >"$file"
}

# send_raw FILE ... [SIPTOOL ARG ...]: from the caller's address to Kamailio; replies as JSON lines.
send_raw() { siptool send "$PROXY_IP" "$SIP_PORT" --source "$CALLER_IP" "$@"; }

# final_code FILE [SIPTOOL ARG ...]: the code of the final reply, or "none".
final_code() { send_raw "$@" | jq -s -r 'map(select(.code >= 200)) | .[0].code // "none"'; }

# requests_at NAME: how many requests the sipp of that name has received.
requests_at() {
	[ -f "$STACK/captures/$1.msg" ] || {
		echo 0
		return
	}
	grep -acE '^(INVITE|ACK|BYE|CANCEL|UPDATE|OPTIONS|MESSAGE|INFO|REFER|REGISTER|SUBSCRIBE|NOTIFY|PUBLISH|PRACK) sip:' "$STACK/captures/$1.msg"
}

# Ends the case: stops everything, prints how it went. Traps make sure it runs.
finish() {
	local rc=$?
	trap - EXIT
	[ "$rc" = 0 ] || FAILURES=$((FAILURES + 1))
	if [ -f "${LOG_DIR:-$STACK/witness}/checkpoint" ] && [ -z "${NO_VERIFY:-}" ]; then
		stack_verify_quietly
	fi
	stack_close
	eval "${EXTRA_CLEANUP:-}"
	if [ "$FAILURES" != 0 ]; then
		show_logs
		exit 1
	fi
	[ -n "${KEEP:-}" ] || rm -rf "$WORK"
	exit 0
}

show_logs() {
	local log
	for log in "$STACK"/log/witnessd.log "$STACK"/log/kamailio.log "$STACK"/log/*.err; do
		[ -s "$log" ] || continue
		printf '  --- the end of %s\n' "${log#"$IFE_ROOT/"}"
		tail -n 20 "$log" | cut -c 1-300 | sed 's/^/  | /'
	done
	printf '  all files of the case: %s\n' "${WORK#"$IFE_ROOT/"}"
}

trap finish EXIT
trap 'exit 130' INT TERM
stack_new "$WORK"
