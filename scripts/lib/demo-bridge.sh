# The demo's further parts: from an IFMessage to the council's conference and out again, the H.323 of it on the wire, and the same told by the log alone.
# Sourced by demo.sh, whose deployment runs.
# shellcheck shell=bash

HAZARD=security
# Room in which a command's output is shown whole.
WIDTH_MAX=116

full_way() {
	TRACE=demo-$(date +%s)
	STEPS=0
	say "Part 2, the full way: an agent escalates, an expert is called and joins the council's H.323 conference"
	say
	bridge_stack
	capture_start
	say "  agent --IFMessage--> ife-bridge --AMI--> Asterisk $(asterisk_version), gateway $GATEWAY_IP --SIP--> Kamailio, the gate --> expert"
	say "                                                  |"
	say "                                                  +-- conference room --H.323--> Asterisk, council $COUNCIL_IP: a guardian"
	say
	step_escalate
	step_invite
	step_room
	step_evidence
	step_hangup
	capture_stop
	print_wire
}

# step TEXT: numbers it.
step() {
	STEPS=$((STEPS + 1))
	say "$STEPS. $*"
	say
}

# shown COMMAND...: what a person would type.
shown() { say "    \$ $*"; }

# want LABEL PATTERN: prints stdin, indented; it must hold the pattern.
want() {
	local label=$1 pattern=$2 text
	text=$(cat)
	awk -v max="$WIDTH_MAX" '{ print "    " (length($0) > max ? substr($0, 1, max - 3) "..." : $0) }' <<<"$text"
	grep -qE "$pattern" <<<"$text" || wrong "$label is not there: /$pattern/"
}

wrong() {
	WRONG=$((WRONG + 1))
	say "    ^ WRONG: $*"
}

step_escalate() {
	local files=() file
	for file in "${EVIDENCE[@]}"; do files+=(--evidence "$file"); done
	step "The agent signs an IFMessage and hands it to the bridge, which asks the gate and has the expert called:"
	shown ifectl escalate --hazard "$HAZARD" "${files[@]}" --trace-id "$TRACE" --wait
	escalate "$HAZARD" "${files[@]}" --trace-id "$TRACE" --wait >"$STACK/captures/escalate" || wrong "the escalation failed"
	sed '/^$/,$d' "$STACK/captures/escalate" | want "the expert in the conference" "connected +confbridge:$ROOM:"
	CALL=$(awk '$1 == "call" { print $2 }' "$STACK/captures/escalate")
	say
}

# The INVITE of this call as the phone got it: the lines that say what it is about, signed and witnessed.
step_invite() {
	step "The INVITE that the phone got: signed by the bridge, let through by the gate, witnessed before it went on:"
	tr -d '\r' <"$STACK/captures/security.msg" | awk -v trace="X-IF-Trace-ID: $TRACE" '
		/^INVITE /  { text = ""; mine = 0; inside = 1 }
		inside && (/^INVITE / || /^From:/ || /^X-IF-/ || /^Call-Info:/) { text = text $0 "\n" }
		$0 == trace { mine = 1 }
		inside && /^$/ { if (mine) { printf "%s", text; exit } inside = 0 }' >"$STACK/captures/invite"
	want "the hash of the decision's entry in the log" '^X-IF-Witness-Hash: sha256:[0-9a-f]{64}' <"$STACK/captures/invite"
	say
}

step_room() {
	step "The council's guardian was called over H.323. Who is in the room:"
	wait_until 30 room_has_two || wrong "the room does not fill"
	shown ifectl rooms
	bridged rooms | sed -E 's/ +confbridge:.*//' | want "the room" "^$ROOM +2 of "
	bridged rooms --json | jq -e --arg expert "$SECURITY" \
		'.[0].participants | map([.role, .name]) | sort == [["expert", $expert], ["guardian", "guardian-1"]]' >/dev/null ||
		wrong "these are not the expert and the guardian"
	say
}

room_has_two() { [ "$(bridged rooms --json | jq -r '.[0].participant_count')" = 2 ]; }

# Between answer and hang-up: the files, from the bridge to the expert's browser. demo_evidence finds the call in $CALL and $TRACE, the link that
# the phone was given in captures/invite (Call-Info) and captures/escalate, the files in $STACK/evidence; it calls `step` itself.
step_evidence() {
	declare -F demo_evidence >/dev/null || return 0
	demo_evidence || wrong "the evidence did not get through"
	say
}

step_hangup() {
	step "They talk for two seconds, then the agent hangs up. Everybody is released:"
	sleep 2
	room_has_two || wrong "somebody has left before the end: $(bridged rooms | xargs)"
	shown ifectl hangup "$CALL"
	bridged hangup "$CALL" | want "the end" "^$CALL: hung up, [0-9]"
	wait_until 30 phone_got_bye || wrong "the phone got no BYE"
	wait_until 30 no_rooms || wrong "the room is still there"
	shown "ifectl call $CALL | grep -E '^(state|H.323|talk)'"
	bridged call "$CALL" | grep -E '^(state|H.323|talk)' | want "the call's end" "^state +ended: user_hangup, cause 16"
	say
}

phone_got_bye() { tr -d '\r' <"$STACK/captures/security.msg" | grep -q '^BYE '; }
no_rooms() { [ "$(bridged rooms --json)" = '[]' ]; }

# What crosses between gateway and council, and nothing else.
capture_start() {
	proc_start h323-capture dumpcap -q -P -i lo -f "tcp and host $COUNCIL_IP" -w "$STACK/captures/h323.pcap"
	wait_until 30 test -s "$STACK/captures/h323.pcap" || stack_fail h323-capture "dumpcap does not record"
}

capture_stop() {
	wait_until 30 released_on_the_wire || true
	proc_stop h323-capture
}

released_on_the_wire() { h323_lines | grep -q 'releaseComplete'; }

# A line for each packet that carries H.225 or H.245: seconds, sender, tshark's summary, the caller's name in a set-up.
h323_lines() {
	tshark -r "$STACK/captures/h323.pcap" -Y 'h225 or h245' -T fields -E separator='|' \
		-e frame.time_relative -e ip.src -e _ws.col.Info -e h225.h323_ID 2>/dev/null
}

# The whole of it is in captures/h323.txt; acknowledgements and the like are not printed.
print_wire() {
	say "Part 3, the wire: H.323 between gateway and council meanwhile, as tshark reads it; the caller's name is the trace id"
	say
	h323_lines | awk -F '|' -v gateway="$GATEWAY_IP" '
		{ way = ($2 == gateway) ? "gateway --> council" : "gateway <-- council"; sub(/,.*/, "", $4)
		  count = split($3, parts, /CS: /)
		  for (i = 2; i <= count; i++) {
			sub(/ +$/, "", parts[i]); layer = "H.225"
			if (sub(/^facility /, "", parts[i])) layer = "H.245"
			sub(/ OpenLogicalChannel/, ", opens its audio channels", parts[i])
			printf "%8.3f  %s  %s  %s%s\n", $1, way, layer, parts[i], (parts[i] ~ /^setup/ ? ", caller " $4 : "")
		  } }' >"$STACK/captures/h323.txt"
	grep -vE 'Ack$|callProceeding|progress' "$STACK/captures/h323.txt" |
		want "the set-up with the trace id" "gateway --> council  H.225  setup.*caller $TRACE\$"
	local message
	for message in 'H.225  connect' 'H.245  terminalCapabilitySet' 'H.245  masterSlaveDetermination' 'H.225  releaseComplete'; do
		grep -q "$message" "$STACK/captures/h323.txt" || wrong "$message is not there"
	done
	say
}

# The same call, told by the log alone.
print_story() {
	say "Part 4, the story: the same call from the witness log, Kamailio's entries and the bridge's under one trace id"
	say
	ifectl witness show --log "$STACK/witness" --vkey "$STACK/witness.vkey" --trace "$TRACE" >"$STACK/captures/story" || wrong "the log does not tell it"
	cat "$STACK/captures/story"
	local event
	for event in ESCALATE APPROVED 'RINGING' 'COUNCIL_JOIN the expert' 'H323_CONNECTED guardian-1' 'H323_RELEASED guardian-1' TERMINATED; do
		grep -q " $event" "$STACK/captures/story" || wrong "$event is not in the story"
	done
	say
}
