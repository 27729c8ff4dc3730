#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start
signed=$(stack_sign council-2026a "$COUNCIL" "$SAFETY" safety)
raw_request "$STACK/invite.sip" INVITE retransmitted@caller.example "$signed"
replies=$(send_raw "$STACK/invite.sip" --times 3)
expect "final reply" 200 "$(jq -s 'map(select(.code >= 200)) | .[0].code' <<<"$replies")"
expect_log 1 '.event == "APPROVED" and .call_id == "retransmitted@caller.example"'
expect "INVITEs at the expert" 1 "$(grep -c witness-hash "$STACK/log/safety.actions")"

raw_request "$STACK/unsigned.sip" INVITE refused@caller.example "$signed" '/^X-IF-Signature/d'
# Refused without state: each copy is decided anew and answered; all of them have one entry.
for copy in 1 2 3; do
	expect "refusal of copy $copy" 428 "$(final_code "$STACK/unsigned.sip")"
done
expect_log 1 '.event == "REJECTED" and .call_id == "refused@caller.example"'
expect_alive
