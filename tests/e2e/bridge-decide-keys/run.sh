#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../phone.sh"

registry_edit() {
	sed "0,/acceptance: none/s//acceptance: key/; s/name: alignment,/name: alignment, decision_assurance: [key],/"
}
# Asterisk has the directory of the test bed in its root.
BRIDGE_MORE='speech: {dir: testbed/prompts, command: [espeak-ng, -v, en, -s, "400", --stdin, --stdout]}'

press() { media press $((EXPERT_PORT + 2)) "$1"; }
state_was() {
	api GET "/v1/calls/$CALL" | jq -e --arg state "$1" '[.history[].state] | index($state)' >/dev/null
}
decision() {
	api GET "/v1/calls/$CALL" |
		jq -r '.decision | if . == null then "none" else .choice + " " + .assurance end'
}
decision_is() { [ "$(decision)" = "$1" ]; }
events() {
	log_entries | jq -r --arg trace "$TRACE" \
		'select(.trace_id == $trace and (.event | startswith("DECISION"))) |
			.event + " " + (.choice // "-") + " " + (.reason // "-")' | paste -sd ';'
}
refusals() { events | grep -c 'DECISION_REFUSED'; }
# played COUNT FILE: the gateway has played that prompt so often.
played() { [ "$(grep -c "Playing '[^']*/$2-" "$TESTBED/gateway/log/messages.log")" -ge "$1" ]; }

# over COUNT: so many menus have come to their end, and the conference hears the phone again.
over() {
	[ "$(grep -c '@ife-decide:[0-9]*\] NoOp' "$TESTBED/gateway/log/messages.log")" -ge "$1" ]
}
# expect_over COUNT
expect_over() { wait_until 30 over "$1" || fail "the menu did not come to its end ($1)"; }

# call HAZARD TRACE [IFECTL ARG ...]: an escalation that the phone accepts by key.
call() {
	TRACE=$2
	phone safety "$EXPERT_PORT" PCMU 440
	CALL=$("$IFE_BIN/ifectl" escalate --json --hazard "$1" --trace-id "$TRACE" "${@:3}" |
		jq -r .call_id)
	wait_until 10 state_was briefing || fail "$TRACE: the call was never in briefing"
	press 1
	expect_call "$CALL" connected 30
}
end_call() {
	expect "terminate_call" terminated "$(api DELETE "/v1/calls/$CALL" | jq -r .status)"
	expect_channels gateway 0
	proc_stop safety
}

NO_EXPERT=1 start_with_bridge
export IFE_BRIDGE="unix:$STACK/bridge.sock" IFE_AGENT=if://agent/guard \
	IFE_AGENT_KEY="$STACK/keys/guard-2026a.key"

call safety trace-keys-1 --question 'May valve 1 stay open?' --option yes --option 'no; not now'
press '*0'
expect_over 1
played 2 choice || fail "the choices were not read"
press '*2'
wait_until 20 played 1 confirm || fail "the choice was not read back"
expect "a decision that is not confirmed" none "$(decision)"
press 5
expect_over 2
played 1 not_decided || fail "the phone did not hear that nothing was decided"
expect "a decision that was not confirmed" none "$(decision)"
press '*3'
expect_over 3
played 1 wrong_key || fail "a number without a choice was not told"
press '*2'
wait_until 20 played 2 confirm || fail "the choice was not read back"
press 1
expect_over 4
expect "the decision" 'no; not now phone' "$(decision)"
played 1 decided || fail "the phone did not hear that its decision is recorded"
# While the choices are read, a number is enough.
press '*0'
wait_until 20 played 6 choice || fail "the choices were not read again"
press 1
wait_until 20 played 3 confirm || fail "the choice was not read back"
press 1
expect_over 5
expect "the later decision" 'yes phone' "$(decision)"
expect_soon "entries" 'DECISION no; not now -;DECISION yes -' events
expect "both are kept" 'true false' \
	"$(api GET "/v1/calls/$CALL" | jq -r '[.decisions[].replaced] | join(" ")')"
api GET "/v1/calls/$CALL" | jq '.decisions[-1]' >"$STACK/decision.json"
expect_ok "verified offline" "$IFE_BIN/ifectl" decision verify "$STACK/decision.json" \
	--registry "$STACK/registry.yaml"
end_call

# The policy wants the expert's own key for this hazard.
call alignment trace-keys-2
press '*1'
wait_until 20 played 4 confirm || fail "the choice was not read back"
press 1
expect_over 6
played 2 not_decided || fail "the phone did not hear that its decision was not taken"
expect "a decision whose assurance is not enough" none "$(decision)"
expect_soon "its entry" 1 refusals
proc_stop bridge
press '*2'
wait_until 20 played 5 confirm || fail "the choice was not read back"
press 1
expect_over 7
played 3 not_decided ||
	fail "the phone did not hear that its decision was not taken without a bridge"
bridge_start
expect_call "$CALL" connected
end_call
expect_alive
