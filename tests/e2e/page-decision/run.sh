#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"
. "$(dirname "$0")/../page.sh"

page_setup
printf 'a report\n' >"$STACK/evidence/report.txt"
registry_edit() {
	sed 's/{name: alignment\b/{name: alignment, decision_assurance: [passkey, key]/; s/- name: alignment$/&\n    decision_assurance: [passkey, key]/'
}
bridge_start() {
	sed -i "s/ring_s: 30}/ring_s: 30, decision_s: 60}/" "$STACK/bridge.yaml"
	proc_start bridge "$BRIDGE_BIN" run --config "$STACK/bridge.yaml"
	wait_until 15 bridge_ready_or_gone
	bridge_ready || stack_fail bridge "ife-bridge did not get ready"
}
start_with_evidence
export IFE_BRIDGE="unix:$STACK/bridge.sock" IFE_AGENT=if://agent/guard \
	IFE_AGENT_KEY=$STACK/keys/guard-2026a.key

question='May valve 1 stay <i>open</i>?'
answer=$(ifectl escalate --json --wait --hazard safety --trace-id trace-page-1 \
	--evidence "$STACK/evidence/report.txt" \
	--reason 'Valve 1 opens by itself' --question "$question" --option yes \
	--option 'no; <b>not now</b>')
call=$(jq -r .call_id <<<"$answer")
link=$(invited_link 1)

# Chromium decides, then waits for files of this name as signs to go on.
browser decide "$CASE_DIR/case.mjs" "$link" "$question" "$STACK" &
page=$!
wait_until 120 test -e "$STACK/decided"
shown=$(api GET "/v1/calls/$call")
expect "decisions" 'no; <b>not now</b> link' \
	"$(jq -r '.decision | "\(.choice) \(.assurance)"' <<<"$shown")"
expect "text" $'Only with a person there.\n<img src=x onerror=alert(1)>' \
	"$(jq -r '.decisions[-1].decision.text' <<<"$shown")"
jq -c . <<<"$shown" >"$STACK/call.json"
expect "verified" 1 "$("$IFE_BIN/ifectl" decision verify "$STACK/call.json" \
	--registry "$STACK/registry.yaml" | grep -c ' verified: ')"
wait_log 1 ".event == \"DECISION\" and .assurance == \"link\" and .expert == \"$SAFETY\" and
	.trace_id == \"trace-page-1\""
expect "end" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"
: >"$STACK/ended"
wait_until 120 test -e "$STACK/changed"
expect "after the talk" yes "$(api GET "/v1/calls/$call" | jq -r .decision.choice)"
proc_kill bridge
bridge_start
: >"$STACK/restarted"
wait "$page" || fail "page: decide"
expect "after the restart" '3 no; <b>not now</b>' \
	"$(api GET "/v1/calls/$call" | jq -r '"\(.decisions | length) \(.decision.choice)"')"

# A link that was not redeemed here, and one that is none.
expect "without a cookie" 401 "$(curl -s -o /dev/null -w '%{http_code}' "${link%%#*}/decision")"
expect "a long body" 413 \
	"$(head -c 100000 /dev/zero | curl -s -o /dev/null -w '%{http_code}' --data-binary @- \
	"${link%%#*}/decision")"

# Where a link is not enough, the page shows it, and the bridge refuses it.
answer=$(ifectl escalate --json --wait --hazard alignment --trace-id trace-page-2 \
	--evidence "$STACK/evidence/report.txt")
call=$(jq -r .call_id <<<"$answer")
browser strict "$CASE_DIR/strict.mjs" "$(invited_link 2)"
wait_log 1 ".event == \"DECISION_REFUSED\" and .reason == \"assurance\" and .call_id == \"$call\""
expect "nothing is decided" open "$(api GET "/v1/calls/$call" | jq -r .decision_state)"
expect_alive
