#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

EXPERT_SCENARIO=uas-challenge start
signed_csv "$STACK/calls.csv" 401 council-2026a "$COUNCIL" "$SAFETY" safety
expect_ok "challenged, sent again, answered" stack_calls resend uac-resend "$STACK/calls.csv"
expect "final reply to CSeq 2" 200 "$(jq -r '.finals["2"].code' "$STACK/captures/resend.outcomes")"
expect_log 1 '.event == "BYE"'
expect "approvals by CSeq" "1 2" "$(log_entries | jq -r 'select(.event == "APPROVED") | .cseq' |
	xargs)"

# The same attempt may come back three times; a fourth repetition is a replay.
signed=$(stack_sign council-2026a "$COUNCIL" "$SAFETY" safety)
raw_request "$STACK/attempt.sip" INVITE attempts@caller.example "$signed"
codes=()
for cseq in 1 2 3 4 5; do
	sed "s/^CSeq: 1 /CSeq: $cseq /; s/branch=z9hG4bK-/&$cseq/" "$STACK/attempt.sip" \
		>"$STACK/attempt-$cseq.sip"
	codes+=("$(final_code "$STACK/attempt-$cseq.sip" --source-port "$SPARE_PORT" --wait 2)")
done
expect "last attempt" 403 "${codes[4]}"
for code in "${codes[@]:0:4}"; do
	[ "$code" != 403 ] || fail "an attempt within the allowed repetitions was refused: ${codes[*]}"
done
expect_alive
