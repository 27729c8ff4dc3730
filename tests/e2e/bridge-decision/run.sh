#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"

KEYS=guardian-1
bridge_start() {
	sed -i "s|guardians: \[.*\]|guardians: [{name: guardian-1, public_key: \"${PUBLIC[guardian-1]}\"}]|; s/ring_s: 30}/ring_s: 30, decision_s: 3}/" "$STACK/bridge.yaml"
	proc_start bridge "$BRIDGE_BIN" run --config "$STACK/bridge.yaml"
	wait_until 15 bridge_ready_or_gone
	bridge_ready || stack_fail bridge "ife-bridge did not get ready"
}
start_with_bridge
export IFE_BRIDGE="unix:$STACK/bridge.sock" IFE_AGENT=if://agent/guard \
	IFE_AGENT_KEY=$STACK/keys/guard-2026a.key
EXPERT_KEY=$STACK/keys/safety-2026a.key
decide() { ifectl decision sign "$@"; }
entry() { wait_log 1 ".call_id == \"$call\" and $1"; }

ifectl escalate --json --wait=decision --hazard safety --trace-id trace-decision-1 \
	--reason 'Valve 1 opens' \
	--question 'May valve 1 stay <b>open</b>?' --option yes --option no >"$STACK/awaited.json" &
agent=$!
call=sip-call-$(printf %s trace-decision-1 | sha256sum | cut -c1-16)
expect_call "$call" connected 20
expect "state" open "$(api GET "/v1/calls/$call" | jq -r .decision_state)"

# A guardian votes; the agent waits on.
expect_ok "a guardian votes" decide "$call" --choice yes --guardian guardian-1 \
	--key "$STACK/keys/guardian-1.key"
expect "state after the vote" open "$(api GET "/v1/calls/$call" | jq -r .decision_state)"
decide "$call" --choice no --text $'Never.\n<script>alert(1)</script>' --key "$EXPERT_KEY" \
	--print >"$STACK/first.json"
expect "choice of another kind" 2 \
	"$(decide "$call" --choice approve --key "$EXPERT_KEY" >/dev/null 2>&1; echo $?)"
expect "a decision is taken" no \
	"$(api POST "/v1/calls/$call/decisions" "$(cat "$STACK/first.json")" | jq -r .decision.choice)"
# Not by expect_ok: in its subshell `wait` knows the agent only if it has ended already.
wait "$agent" || fail "the agent hears: exit $?"
expect "what the agent hears" 'decided no key' \
	"$(jq -r '[.decision_state, .decision.choice, .decision.assurance] | join(" ")' \
	"$STACK/awaited.json")"
expect_ok "a later decision" decide "$call" --choice yes --key "$EXPERT_KEY"
entry '.event == "DECISION" and .choice == "yes" and .guardian == "guardian-1" and
	.assurance == "key"'
text=$(printf 'Never.\n<script>alert(1)</script>' | sha256sum | cut -c1-64)
entry ".event == \"DECISION\" and .choice == \"no\" and .expert == \"$SAFETY\" and
	.text_sha256 == \"$text\""
entry ".event == \"DECISION\" and .choice == \"yes\" and .expert == \"$SAFETY\" and
	.trace_id == \"trace-decision-1\""

# Refusals: CODE FIELD REASON BODY.
refused() {
	expect "$3" "$1 $2" "$(api POST "/v1/calls/$call/decisions" "$4" |
		jq -r '"\(.code) \(.field // "-")"')"
	entry ".event == \"DECISION_REFUSED\" and .reason == \"$3\""
}
refused CONFLICT time replayed "$(cat "$STACK/first.json")"
refused INVALID_SIGNATURE signature forged \
	"$(jq -c '.choice = "yes" | .time = (now | todate)' "$STACK/first.json")"
refused POLICY_REJECTED party wrong_party "$(jq -c ".party = \"$ETHICS\"" "$STACK/first.json")"
refused INVALID_REQUEST call_id wrong_call \
	"$(jq -c '.call_id = "sip-call-0000000000000000"' "$STACK/first.json")"
refused INVALID_REQUEST text malformed "$(jq -c '.text = ("x" * 4097)' "$STACK/first.json")"
head -c 1500000 /dev/zero | tr '\0' x | jq -Rc '{v: .}' >"$STACK/long.json"
expect "1.5 MB" TOO_LARGE \
	"$(api POST "/v1/calls/$call/decisions" --data-binary "@$STACK/long.json" | jq -r .code)"

# The bridge dies; the decision is there, and is verified without it.
proc_kill bridge
bridge_start
expect_call "$call" connected 20
api GET "/v1/calls/$call" >"$STACK/call.json"
expect "decisions after a restart" 'yes false|no true|yes false' \
	"$(jq -r '.decisions | map("\(.decision.choice) \(.replaced)") | join("|")' "$STACK/call.json")"
proc_kill bridge
verify() {
	"$IFE_BIN/ifectl" decision verify "$@" --registry "$STACK/registry.yaml" \
		--public-key "guardian-1=${PUBLIC[guardian-1]}"
}
expect "verified" 3 "$(verify "$STACK/call.json" | grep -c ' verified: ')"
expect "text as text" 1 "$(verify "$STACK/call.json" | grep -cF '  | <script>alert(1)</script>')"
jq -c '.decisions[1].decision.choice = "yes"' "$STACK/call.json" >"$STACK/altered.json"
expect "an altered one" 1 "$(verify "$STACK/altered.json" >/dev/null 2>&1; echo $?)"
expect "without the guardian's key" 1 \
	"$("$IFE_BIN/ifectl" decision verify "$STACK/call.json" --registry "$STACK/registry.yaml" \
	>/dev/null 2>&1; echo $?)"
bridge_start

# The next call gets no decision: that is an outcome.
expect_call "$call" connected 20
expect "end" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"
call=$(api POST /v1/calls \
	"{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"safety\",\"trace_id\":\"trace-decision-2\"}" |
	jq -r .call_id)
expect_call "$call" connected
decide "$call" --choice approve --key "$EXPERT_KEY" --print >"$STACK/late.json"
expect "end" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"
is_undecided() { [ "$(api GET "/v1/calls/$call" | jq -r .decision_state)" = no_decision ]; }
wait_until 15 is_undecided
expect "state" no_decision "$(api GET "/v1/calls/$call" | jq -r .decision_state)"
entry ".event == \"NO_DECISION\" and .expert == \"$SAFETY\""
refused CONFLICT - late "$(cat "$STACK/late.json")"
expect_alive
