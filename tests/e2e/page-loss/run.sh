#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"
. "$(dirname "$0")/../page.sh"

page_setup
head -c 48M /dev/urandom >"$STACK/evidence/silence.bin"
head -c 48M /dev/urandom >"$STACK/evidence/death.bin"
head -c 8M /dev/urandom >"$STACK/evidence/changed.bin"
EVIDENCE_MORE='  link_s: 30' start_with_evidence

E=$STACK/evidence
# Placed first and opened last: its time has run out by then.
late=$(api POST /v1/calls \
	"{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"safety\",\"evidence_files\":[\"$E/changed.bin\"]}" | jq -r .evidence_link)
late_at=$SECONDS

call=$(call_about "$E/silence.bin" "$E/death.bin" "$E/changed.bin")
id=$(jq -r .call_id <<<"$call")
expect_call "$id" connected

# The case kills it once, in the middle of a transfer.
(wait_until 200 proc_gone bridge && bridge_start) &
restarter=$!
browser loss "$CASE_DIR/case.mjs" loss "$(jq -r .evidence_link <<<"$call")" "$STACK" "$late" \
	$((30 - SECONDS + late_at))
wait "$restarter"

wait_log 1 '.event == "EVIDENCE_FAILED"'
expect_call "$id" connected
expect_alive
