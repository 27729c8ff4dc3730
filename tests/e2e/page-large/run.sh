#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"
. "$(dirname "$0")/../page.sh"

page_setup
head -c 300M /dev/urandom >"$STACK/evidence/large.bin"
start_with_evidence
call=$(call_about "$STACK/evidence/large.bin")
id=$(jq -r .call_id <<<"$call")
expect_call "$id" connected
browser large "$CASE_DIR/case.mjs" large "$(jq -r .evidence_link <<<"$call")" "$STACK"
expect_evidence "$id" verified
rm -f "$STACK/evidence/large.bin"
