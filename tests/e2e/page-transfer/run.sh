#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"
. "$(dirname "$0")/../page.sh"

page_setup
"$IFE_ROOT/tests/browser/evidence.py" "$STACK/evidence"
head -c 64M /dev/urandom >"$STACK/evidence/recording.bin"
start_with_evidence

E=$STACK/evidence
answer=$(call_about "$E/recording.bin" "$E/thermal-camera.png" "$E/inspection-report.pdf" \
	"$E/notes.md" /etc/hostname)
call=$(jq -r .call_id <<<"$answer")
expect_call "$call" connected
link=$(invited_link 1)
expect "link in the INVITE" "$(jq -r .evidence_link <<<"$answer")" "$link"

browser transfer "$CASE_DIR/case.mjs" receive "$link" "$STACK" "$call"

expect_evidence "$call" verified
wait_log 1 '.event == "EVIDENCE_VERIFIED"'
expect_log 1 '.event == "EVIDENCE_VERIFIED" and .evidence.verified == [0, 1, 2, 3] and
	.evidence.failed == []'
expect "link after the call" 410 \
	"$(curl -s -o /dev/null -w '%{http_code}' -X POST -H "Authorization: Bearer ${link#*#}" \
	"${link%%#*}/redeem")"
expect_alive
