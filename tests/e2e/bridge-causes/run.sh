#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
BACKEND=external_mcu
. "$(dirname "$0")/../bridge.sh"

# Columns: the cause that the MCU releases with, the status that the expert's phone gets.
TO_SIP="1:404 3:404 17:486 19:480 20:404 21:403 28:484 34:503 41:503 42:503 47:503 58:488 88:488 102:503 111:503"
# The status of the expert's phone, the reason and the cause in the API.
FROM_SIP="302:redirected:23 401:forbidden:21 403:forbidden:21 404:not_found:1 410:not_found:22 415:incompatible:127 480:no_answer:19 484:bad_address:28 486:busy:17 488:incompatible:58 500:unreachable:38 503:congested:34 600:busy:17 603:declined:21 607:declined:127 608:forbidden:127"
# The cause that the MCU releases an answered expert's call with, and the cause in the API.
AFTER_ANSWER="17:busy 21:declined 34:congested 58:incompatible"

sip_status() { siptool outcomes "$STACK/captures/$1.msg" | jq -r '.code // "none"' | tail -n 1; }
dialplan_global() { asterisk_cli gateway dialplan set global "$1" "$2" >/dev/null; }

# expert_calls NAME: an expert's INVITE to the council; the status of its final reply. Kamailio
# takes a gateway that answers 5xx out of service until it has been probed: here it is put back at
# once, so that each call gets to Asterisk.
expert_calls() {
	rpc dispatcher.set_state a 1 "sip:$GATEWAY_IP:$GATEWAY_PORT" >/dev/null
	rm -f "$STACK/$1.csv"
	signed_csv "$STACK/$1.csv" 200 safety-2026a "$SAFETY" "$COUNCIL" safety
	stack_calls "$1" uac "$STACK/$1.csv"
	sip_status "$1"
}

from_h323_to_sip() {
	local row
	for row in $TO_SIP; do
		dialplan_global IFE_COUNCIL "cause-${row%:*}"
		expect "status for an MCU that releases with cause ${row%:*}" "${row#*:}" \
			"$(expert_calls "in-${row%:*}")"
	done
	expect "calls that reached the MCU" "$(wc -w <<<"$TO_SIP")" \
		"$(grep -ac 'cause-[0-9]*@council-in:1' "$TESTBED/council/log/messages.log")"
	dialplan_global IFE_COUNCIL council
	dialplan_global IFE_MCU mcu-dead
	expect "status when nobody listens at the MCU" 503 "$(expert_calls in-dead)"
}

from_sip_to_api() {
	local row status reason cause call reply told
	for row in $FROM_SIP; do
		IFS=: read -r status reason cause <<<"$row"
		proc_stop safety 2>/dev/null
		sed "s|SIP/2.0 480|SIP/2.0 $status|" "$SIPP_DIR/uas-reply.xml" >"$STACK/sipp/uas-$status.xml"
		stack_expert safety "$EXPERT_PORT" "$STACK/sipp/uas-$status.xml"
		call=$(api POST /v1/calls "{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"safety\"}" |
			jq -r .call_id)
		expect_call "$call" failed
		# Asterisk 16 has no status, but the cause alone.
		reply=" sip=$status"
		[ "$TESTBED_SUITE" != bullseye ] || { reply="" && reason=${reason/forbidden/declined}; }
		told=$(api GET "/v1/calls/$call" | jq -r .reason)
		expect "what the API tells of $status" "expert_$reason cause=$cause$reply" "$told"
	done
	proc_stop safety
}

# A phone that answers without SDP has no session, and Asterisk hangs up with 406.
answered_without_sdp() {
	local call reason="incompatible cause=16 sip=406"
	stack_expert safety "$EXPERT_PORT" uas-no-sdp
	call=$(api POST /v1/calls "{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"safety\"}" |
		jq -r .call_id)
	expect_call "$call" failed
	[ "$TESTBED_SUITE" != bullseye ] || reason=left_early
	expect "what the API tells of an answer without SDP" "expert_$reason" \
		"$(api GET "/v1/calls/$call" | jq -r .reason)"
	proc_stop safety
}

# The room's name is the alias that is dialled, where the configuration has none.
after_the_answer() {
	local row call
	sed -i '/mcu_alias/d' "$STACK/bridge.yaml"
	proc_stop bridge
	bridge_start
	for row in $AFTER_ANSWER; do
		proc_stop safety 2>/dev/null
		rm -f "$STACK/captures/safety.msg"
		stack_expert safety "$EXPERT_PORT" uas
		call=$(api POST /v1/calls \
			"{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"safety\",\"conversation_id\":\"cause-${row%:*}\"}" | jq -r .call_id)
		expect_call "$call" failed
		expect "what the API tells of an MCU's ${row%:*}" "council_${row#*:} cause=${row%:*}" \
			"$(api GET "/v1/calls/$call" | jq -r .reason)"
		expect_ok "a BYE for the MCU's ${row%:*}" wait_until 10 requests_are safety BYE 1
		expect "Reasons of the BYE for ${row%:*}" 1 \
			"$(sed -n '/^BYE /,/^\r*$/p' "$STACK/captures/safety.msg" |
			grep -acE "^Reason: *Q\.850 *;cause=(16|${row%:*})")"
	done
	# The MCU's port is closed: chan_ooh323 gives no cause.
	sed -i 's/mcu_peer: .*/mcu_peer: mcu-dead/' "$STACK/bridge.yaml"
	proc_stop bridge
	bridge_start
	proc_stop safety
	stack_expert safety "$EXPERT_PORT" uas
	call=$(api POST /v1/calls \
		"{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"safety\",\"conversation_id\":\"cause-dead\"}" |
		jq -r .call_id)
	expect_call "$call" failed
	expect "what the API tells of an MCU that refuses connections" "council_unreachable cause=0" \
		"$(api GET "/v1/calls/$call" | jq -r .reason)"
	expect_channels gateway 0
	expect_channels council 0
}

NO_EXPERT=1 start_with_bridge
from_h323_to_sip
from_sip_to_api
answered_without_sdp
after_the_answer
expect_alive
