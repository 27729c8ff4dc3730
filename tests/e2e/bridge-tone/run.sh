#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../phone.sh"

EXPERT_HZ=440
GUARDIAN_HZ=1004
HEARD_BY_GUARDIAN=$TESTBED/council/recordings/guardian-heard.wav

# whistle TRACE SIP_CODEC H323_CODEC: an escalation to the phone, and what each side hears of the
# other.
whistle() {
	local trace=$1 sip=$2 h323=$3 call legs
	rm -f "$HEARD_BY_GUARDIAN"
	phone safety "$EXPERT_PORT" "$sip" "$EXPERT_HZ"
	call=$(api POST '/v1/escalations?wait=connected' "$(escalation "m-$trace" "$trace" safety)" |
		jq -r .call_id)
	expect_call "$call" connected
	expect_hears "$trace: the guardian" "$HEARD_BY_GUARDIAN" "$EXPERT_HZ"
	expect_hears "$trace: the expert" "$(phone_heard safety)" "$GUARDIAN_HZ"
	expect_deaf "$trace: the guardian" "$HEARD_BY_GUARDIAN" "$GUARDIAN_HZ"
	expect_deaf "$trace: the expert" "$(phone_heard safety)" "$EXPERT_HZ"
	expect "$trace: codec of the SIP leg" 1 \
		"$(grep -ac "audio decoder: $sip 8000Hz" "$STACK/log/safety.log")"
	legs=$(asterisk_cli council core show channels concise | grep ^OOH323/ | cut -d '!' -f 1)
	expect "$trace: codec of the H.323 leg" "($h323)" \
		"$(asterisk_cli council core show channel "$legs" | awk '/NativeFormats:/ {print $2}')"
	expect "terminate_call" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"
	expect_channels gateway 0
	proc_stop safety
	rm -f "$STACK/log/safety.log"
}

# with_council BACKEND CODEC: the council's side speaks that codec alone; both begin anew.
with_council() {
	proc_stop bridge
	BACKEND=$1 MCU_ALIAS=guardian-tone bridge_config >"$STACK/bridge.yaml"
	testbed_kill council
	COUNCIL_CODECS=$2 testbed start >>"$STACK/log/testbed.log" 2>&1
	bridge_start
}

GUARDIANS='{name: guardian-1, peer: mcu-7f3a, alias: guardian-tone}'
NO_EXPERT=1 start_with_bridge
whistle trace-tone-room PCMA ulaw
GUARDIANS=
with_council external_mcu ulaw
whistle trace-tone-ulaw PCMU ulaw
with_council external_mcu alaw
whistle trace-tone-alaw PCMA alaw
with_council external_mcu gsm
whistle trace-tone-gsm PCMU gsm
expect_alive
