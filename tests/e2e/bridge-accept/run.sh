#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../phone.sh"

SECOND=expert-second@external.advisor
# The first expert accepts by key. The next one is connected by the answer.
registry_edit() {
	sed '0,/acceptance: none/s//acceptance: key/'
	registry_expert "$SECOND" "$SPARE_PORT" "safety, security" second-2026a
}
# Asterisk has the directory of the test bed in its root.
BRIDGE_MORE='speech: {dir: testbed/prompts, key_s: 3, command: [espeak-ng, -v, en, -s, "400", --stdin, --stdout]}'

# shellcheck disable=SC2016
REASON='Valve 1; $(touch /tmp/ife-spoken) [[h@l]] <break/>, ${EXTEN} & "now"'
NUMBER=0

# escalate: an escalation whose first expert has the phone that runs; sets CALL and TRACE.
escalate() {
	NUMBER=$((NUMBER + 1))
	TRACE=trace-accept-$NUMBER
	CALL=$("$IFE_BIN/ifectl" escalate --json --hazard safety --reason "$REASON" --trace-id "$TRACE" |
		jq -r .call_id)
}

# reasons: of the attempts that failed, as the log has them.
reasons() {
	log_entries | jq -r --arg trace "$TRACE" \
		'select(.trace_id == $trace and .event == "FAILED") | .reason + " " + (.means // "-")' | xargs
}
accepted() {
	log_entries | jq -r --arg trace "$TRACE" \
		'select(.trace_id == $trace and .event == "ACCEPTED") | .expert + " " + .means' | xargs
}

# expect_next LABEL REASON: the first expert did not accept, and the second one is connected.
expect_next() {
	expect_call "$CALL" connected 30
	expect "$1: the expert" "$SECOND" "$(api GET "/v1/calls/$CALL" | jq -r .expert_id)"
	expect_soon "$1: the reason" "$2" reasons
	expect_soon "$1: accepted" "$SECOND none" accepted
	end_call
}

# expect_accepted LABEL: the first expert is connected, by key.
expect_accepted() {
	expect_call "$CALL" connected 30
	expect "$1: the expert" "$SAFETY key" \
		"$(api GET "/v1/calls/$CALL" | jq -r '.expert_id + " " + .accepted_by')"
	expect_soon "$1: accepted" "$SAFETY key" accepted
	expect_soon "$1: the reason" "" reasons
	end_call
}

end_call() {
	expect "terminate_call" terminated "$(api DELETE "/v1/calls/$CALL" | jq -r .status)"
	expect_channels gateway 0
	proc_stop safety
}

# state_was STATE: the call has been there.
state_was() {
	api GET "/v1/calls/$CALL" | jq -e --arg state "$1" '[.history[].state] | index($state)' >/dev/null
}
press() { media press $((EXPERT_PORT + 2)) "$1"; }
is_loud() { [ "$(media loud "$(phone_heard safety)" 2>/dev/null)" -ge 40 ]; }
told_played() {
	[ "$(api GET "/v1/calls/$CALL" |
		jq '[.history[] | select(.detail == "the briefing was played")] | length')" = "$1" ]
}

KEYS=second-2026a NO_EXPERT=1 start_with_bridge
export IFE_BRIDGE="unix:$STACK/bridge.sock" IFE_AGENT=if://agent/guard \
	IFE_AGENT_KEY="$STACK/keys/guard-2026a.key"
stack_expert second "$SPARE_PORT" uas

stack_expert safety "$EXPERT_PORT" uas
escalate
expect_next "silent" "expert_not_accepted -"

espeak-ng -v en --stdout \
	"You have reached a mailbox. Please leave a message after the tone. Thank you." |
	sox --ignore-length -t wav - -t raw -r 8000 -c 1 -e mu-law "$STACK/sipp/sound.ulaw"
stack_expert safety "$EXPERT_PORT" uas-sound
escalate
expect_next "mailbox" "expert_not_accepted -"

stack_expert safety "$EXPERT_PORT" uas-key -d 1500 -key digit 2
escalate
expect_next "declined by INFO" "expert_declined key"

media ulaw "$STACK/sipp/sound.ulaw" 3 1.5
stack_expert safety "$EXPERT_PORT" uas-sound
escalate
expect_next "passed on in-band" "expert_passed_on key"

phone safety "$EXPERT_PORT" PCMU 440
escalate
wait_until 10 state_was briefing || fail "the call was never in briefing"
wait_until 15 is_loud || fail "the phone heard no two seconds of speech"
press 1
expect_accepted "presses 1"

phone safety "$EXPERT_PORT" PCMU 440
escalate
wait_until 30 told_played 1 || fail "the briefing was not played"
press 9
wait_until 30 told_played 2 || fail "the briefing was not played again"
press 1
expect_accepted "presses 9, then 1"

phone safety "$EXPERT_PORT" PCMU 440
escalate
wait_until 30 call_is "$CALL" connected
press 1 2>/dev/null
expect_next "presses 1 too late" "expert_not_accepted -"

phone safety "$EXPERT_PORT" PCMU 440
escalate
expect_next "presses nothing" "expert_not_accepted -"

# A key without a meaning is reported, and the briefing begins anew.
phone safety "$EXPERT_PORT" PCMU 440
escalate
wait_until 10 state_was briefing || fail "the call was never in briefing"
press 5
wait_until 30 told_played 1 || fail "the briefing was not played after a wrong key"
press 1
expect_accepted "presses 5, then 1"

# The bridge dies while the expert listens; the dialplan goes on alone.
phone safety "$EXPERT_PORT" PCMU 440
escalate
wait_until 10 state_was briefing || fail "the call was never in briefing"
proc_kill bridge
sleep 1
press 1
bridge_start
expect_accepted "presses 1 without a bridge"

expect "the reason ran as a command" no "$([ -e /tmp/ife-spoken ] && echo yes || echo no)"
expect "prompts: ten, the briefing and four choices" 15 \
	"$(find "$TESTBED/prompts" -name '*.wav' | wc -l)"
expect "prompts that could not be played" 0 \
	"$(api GET /metrics | sed -n 's/^ife_bridge_prompts_failed_total //p')"

# A registry that asks for a voice is refused by a bridge without one.
proc_stop bridge
BRIDGE_MORE='' bridge_config >"$STACK/mute.yaml"
expect_fails "check without speech" "has no \`speech\`" "$BRIDGE_BIN" check \
	--config "$STACK/mute.yaml"
expect_alive
