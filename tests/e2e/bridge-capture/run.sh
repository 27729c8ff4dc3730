#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
BACKEND=external_mcu
. "$(dirname "$0")/../bridge.sh"

# seen FILTER FIELD ...: those fields of the packets that pass the filter, a line each, once each.
seen() {
	local filter=$1 fields=()
	shift
	for field in "$@"; do fields+=(-e "$field"); done
	tshark -r "$STACK/wire.pcap" -d "udp.port==$EXPERT_PORT,sip" -d "udp.port==$SIP_PORT,sip" \
		-Y "$filter" -T fields -E separator=' ' "${fields[@]}" 2>/dev/null | sort -u
}
count() { seen "$1" frame.number | wc -l; }
expect_some() { [ "$(count "$2")" -gt 0 ] || fail "$1: no packet with $2"; }

# captured TRACE: a call that is ended by the API, with all that it sent in wire.pcap.
captured() {
	local trace=$1 call
	rm -f "$STACK/wire.pcap"
	proc_start tcpdump tcpdump -i lo -U --immediate-mode -s 0 -w "$STACK/wire.pcap" \
		"udp port $EXPERT_PORT or (tcp and host $GATEWAY_IP and host $COUNCIL_IP)"
	wait_until 10 grep -q 'listening on' "$STACK/log/tcpdump.log"
	call=$(api POST '/v1/escalations?wait=connected' "$(escalation "m-$trace" "$trace" safety)" |
		jq -r .call_id)
	expect_call "$call" connected
	[ "$BACKEND" = external_mcu ] || expect_room council 2
	expect "terminate_call" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"
	expect_channels council 0
	wait_until 10 released
	proc_stop tcpdump
	expect_wire "$trace"
	expect_entries "$trace"
}
released() { [ "$(count 'h225.releaseComplete_element')" -ge 1 ]; }

expect_wire() {
	local trace=$1
	expect_some "$trace: trace id in the INVITE" \
		"sip.Method == \"INVITE\" && frame contains \"X-IF-Trace-ID: $trace\""
	expect "$trace: trace id in the H.225 Setup" 1 \
		"$(seen h225.setup_element h225.h323_ID | grep -cw "$trace")"
	expect_some "$trace: H.225 Connect" h225.connect_element
	expect_some "$trace: H.225 Release Complete" h225.releaseComplete_element
	# An H.245 channel for each direction, in the Setup's fast start.
	expect_some "$trace: logical channel towards the council" \
		"ip.src == $GATEWAY_IP && h245.OpenLogicalChannel_element"
	expect_some "$trace: logical channel from the council" \
		"ip.src == $COUNCIL_IP && h245.OpenLogicalChannel_element"
	expect_some "$trace: H.245 capabilities" h245.terminalCapabilitySet_element
	expect "$trace: H.225 Setups" 1 "$(count h225.setup_element)"
}

expect_entries() {
	local events
	wait_log 1 ".event == \"TERMINATED\" and .producer == \"bridge-node1\" and .trace_id == \"$1\""
	events=$(log_entries |
		jq -r --arg trace "$1" \
		'select(.trace_id == $trace and (.event | startswith("H323_"))) | .event' | xargs)
	expect "$1: H.323 in the log" "H323_SETUP H323_CONNECTED H323_RELEASED" "$events"
}

start_with_bridge
captured trace-capture-mcu
proc_stop bridge
BACKEND=confbridge
GUARDIANS='{name: guardian-1, peer: mcu-7f3a, alias: guardian-quiet}' bridge_config \
	>"$STACK/bridge.yaml"
bridge_start
captured trace-capture-room
expect_alive
