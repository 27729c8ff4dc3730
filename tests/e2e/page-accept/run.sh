#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"
. "$(dirname "$0")/../page.sh"

SECOND=expert-second@external.advisor
registry_edit() {
	sed '0,/acceptance: none/s//acceptance: page/'
	registry_expert "$SECOND" "$SPARE_PORT" "safety, security" second-2026a
}
page_setup
printf 'a report\n' >"$STACK/evidence/report.txt"
# Asterisk has the directory of the test bed in its root.
EVIDENCE_MORE='speech: {dir: testbed/prompts, page_s: 40}'
KEYS=second-2026a start_with_evidence
export IFE_BRIDGE="unix:$STACK/bridge.sock" IFE_AGENT=if://agent/guard \
	IFE_AGENT_KEY=$STACK/keys/guard-2026a.key
stack_expert second "$SPARE_PORT" uas

escalate() {
	ifectl escalate --json --hazard safety --trace-id "$1" --reason 'Valve 1 opens by itself' \
		--evidence "$STACK/evidence/report.txt" | jq -r '.call_id + " " + .evidence_link'
}
means() {
	log_entries | jq -r --arg trace "$1" \
		'select(.trace_id == $trace and .event == "ACCEPTED") | .expert + " " + .means' | xargs
}
why() {
	log_entries | jq -r --arg trace "$1" 'select(.trace_id == $trace and .event == "FAILED") | .reason'
}

read -r call link < <(escalate trace-page-accept-1)
browser accept "$CASE_DIR/case.mjs" "$link"
expect_call "$call" connected
expect "accepted" "$SAFETY page" \
	"$(api GET "/v1/calls/$call" | jq -r '.expert_id + " " + .accepted_by')"
wait_log 1 '.event == "ACCEPTED" and .trace_id == "trace-page-accept-1"'
expect_soon "the entry" "$SAFETY page" means trace-page-accept-1
expect "end" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"

# Key 1 does not accept such a call, and no button in time leads to the next expert.
proc_stop bridge
EVIDENCE_MORE='speech: {dir: testbed/prompts, page_s: 2}'
BRIDGE_MORE=$(evidence_config) bridge_config >"$STACK/bridge.yaml"
bridge_start
proc_stop safety
stack_expert safety "$EXPERT_PORT" uas-key -d 1000 -key digit 1
read -r call link < <(escalate trace-page-accept-2)
expect_call "$call" connected 60
expect "the next expert" "$SECOND none" \
	"$(api GET "/v1/calls/$call" | jq -r '.expert_id + " " + .accepted_by')"
expect_soon "why" expert_not_accepted why trace-page-accept-2
expect "without a cookie" 401 \
	"$(curl -s -o /dev/null -w '%{http_code}' -X POST "${link%%#*}/accept")"
expect "end" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"

BRIDGE_MORE='speech: {dir: testbed/prompts}' bridge_config >"$STACK/pageless.yaml"
expect_fails "check without evidence" "has no \`evidence\`" "$BRIDGE_BIN" check \
	--config "$STACK/pageless.yaml"
expect_alive
