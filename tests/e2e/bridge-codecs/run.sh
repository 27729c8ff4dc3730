#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"

# changes_done: the phone's offers have their answers, and each has its ACK.
changes_done() { [ "$(grep -ac '^ACK sip' "$STACK/captures/safety.msg")" = 4 ]; }

offers_answered() {
	tr -d '\r' <"$STACK/captures/safety.msg" |
		awk '/^SIP\/2.0 [2-6]/ { status = $2 } /^CSeq: [789] INVITE/ && status { print status } /^-----/ { status = "" }' | xargs
}

EXPERT_SCENARIO=uas-codecs start_with_bridge
call=$(api POST '/v1/escalations?wait=connected' "$(escalation m-1 trace-codecs-1 safety)" |
	jq -r .call_id)
expect_call "$call" connected
wait_until 20 changes_done
expect "answers to the phone's offers" "488 488 200" "$(offers_answered)"
expect "state after them" connected "$(api GET "/v1/calls/$call" | jq -r .sip_call_state)"
expect_room council 1
api DELETE "/v1/calls/$call" >/dev/null
expect_call "$call" ended
expect "why it ended" user_hangup "$(api GET "/v1/calls/$call" | jq -r .reason)"
expect_channels gateway 0
expect_alive
