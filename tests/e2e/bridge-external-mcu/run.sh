#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
BACKEND=external_mcu
. "$(dirname "$0")/../bridge.sh"

start_with_bridge
answer=$(api POST '/v1/escalations?wait=connected' "$(escalation m-1 trace-mcu-1 safety)")
call=$(jq -r .call_id <<<"$answer")
expect "states" "connected connected" "$(jq -r '.sip_call_state + " " + .h323_state' <<<"$answer")"
case $(jq -r .mcu_participant_id <<<"$answer") in
	h323:gateway-*) ;;
	*) fail "participant: $answer" ;;
esac
at_mcu() { [ "$(asterisk_cli council confbridge list council | grep -c ^OOH323/)" = "$1" ]; }
wait_until 5 at_mcu 1
expect "participants at the MCU" 1 \
	"$(asterisk_cli council confbridge list council | grep -c ^OOH323/)"
channel=$(asterisk_cli council core show channels concise | grep ^OOH323/ | cut -d '!' -f 1)
expect "trace id at the MCU" 1 \
	"$(asterisk_cli council core show channel "$channel" | grep -c '^CALLER_H323ID=trace-mcu-1')"
expect "muting is the MCU's" 409 \
	"$(api_status PUT "/v1/rooms/council/participants/$(jq -r .mcu_participant_id <<<"$answer")/mute" \
	'{"muted":true}')"

asterisk_cli council channel request hangup all >/dev/null
expect_call "$call" ended
expect "who ended it" council_left "$(api GET "/v1/calls/$call" | jq -r .reason)"
wait_until 5 grep -aq '^BYE ' "$STACK/captures/safety.msg"
expect "BYEs at the expert" 1 "$(grep -ac '^BYE ' "$STACK/captures/safety.msg")"
expect_channels gateway 0
expect_log 1 '.event == "H323_RELEASED"'
expect_alive
