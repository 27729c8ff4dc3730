#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start_kemi() {
	KAMAILIO_CFG=$CASE_DIR/kemi.cfg "$1" -A "KEMI_${2^^}" -A "KEMI_SCRIPT=\"$CASE_DIR/kemi.$3\""
}

# calls LANGUAGE: both forms of the check, the refusals, and a call that is not for the gate.
calls() {
	local name=$1 csv=$STACK/$1.csv
	signed_csv "$csv" 480 council-2026a "$COUNCIL" "$SAFETY" safety
	signed_csv "$csv" 403/hazard council-2026a "$COUNCIL" "$SAFETY" ethics
	signed_csv "$csv" 437/signature stranger "$COUNCIL" "$SAFETY" safety
	# The signature is for the hazard that the script gives, the header names another.
	stack_sign council-2026a "$COUNCIL" "$SAFETY" alignment --trace-id "by-script-$name" |
		jq -c '.hazard = "ethics"' | csv_lines "$COUNCIL" "$SAFETY" 480 >>"$csv"
	# Suspended until it is on disk, and answered in another process.
	stack_sign council-2026a "$COUNCIL" "$SAFETY" safety --trace-id "waits-for-the-disk-$name" |
		csv_lines "$COUNCIL" "$SAFETY" 480 >>"$csv"
	expect_ok "calls placed" stack_calls "$name" uac "$csv"
	expect_calls "$name" "$csv"
	expect "taken up after the wait ($name)" 1 \
		"$(grep -acE '^SIP/2.0 480 Approved After The Wait' \
			"$STACK/captures/$name.msg")"
	expect "return codes of the gates ($name)" "-4 -7" \
		"$(grep -aoE '^SIP/2.0 4(03|37) .*\((-[0-9]+)\)' \
		"$STACK/captures/$name.msg" | grep -oE -- '-[0-9]+' | sort -u -n -r | xargs)"
	FROM=alice@elsewhere.example TO=bob@elsewhere.example raw_request "$STACK/$name.sip" INVITE \
		"ordinary@$name.example" '{}' '/^X-IF-/d'
	expect "not for the gate ($name)" "480 not_for_gate" \
		"$(send_raw "$STACK/$name.sip" |
		jq -s -r 'map(select(.code >= 200)) | .[0] | "\(.code) \(.reason)"')"
}

reloads() {
	local told
	told=$(grep -c 'KEMI was told: ife:reloaded' "$STACK/log/kamailio.log")
	rpc ife.reload >/dev/null
	was_told() {
		[ "$(grep -c 'KEMI was told: ife:reloaded' "$STACK/log/kamailio.log")" -gt "$told" ]
	}
	wait_until 5 was_told || fail "the callback of $1 did not run"
}

NO_EXPERT=1
begin=start
played=0
for language in python:py lua:lua javascript:js; do
	name=${language%:*}
	start_kemi "$begin" "$name" "${language#*:}"
	calls "$name"
	reloads "$name"
	expect_alive
	played=$((played + 1))
	begin=stack_start_kamailio
	proc_stop kamailio
done
expect_log $((3 * played)) '.event == "APPROVED"'
expect_log "$played" '.event == "APPROVED" and .hazard == "alignment"'
expect_log $((2 * played)) '.event == "RINGING"'
expect_log $((2 * played)) '.event == "FAILED" and .detail == "answered by KEMI"'
expect_log 0 '.call_id // "" | startswith("ordinary@")'
