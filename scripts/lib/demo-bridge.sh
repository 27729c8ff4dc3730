# Parts 2 to 4 of the demo: an escalation to the council's conference and its end, its H.323
# messages, and its log entries. Sourced by demo.sh, whose deployment runs.
# shellcheck shell=bash

HAZARD=security
REASON="Someone signs in with the keys of a colleague who has left"
QUESTION="What shall happen to the account?"
OPTIONS=("lock it" "leave it")
# Maximum width of printed output.
WIDTH_MAX=116

full_way() {
	TRACE=demo-$(date +%s)
	STEPS=0
	say "Part 2, the full way: an agent escalates, an expert joins the council's H.323 conference"
	say
	bridge_stack
	# shellcheck source=tests/e2e/phone.sh
	. "$IFE_ROOT/tests/e2e/phone.sh"
	# In the place of the gate's phone one that hears and presses keys.
	proc_stop security
	PHONE_TRACE=yes phone security "$SPARE_PORT" PCMU 440
	capture_start
	say "  agent --IFMessage--> ife-bridge --AMI--> Asterisk $(asterisk_version)," \
		"gateway $GATEWAY_IP --SIP--> Kamailio, the gate --> expert"
	say "                                                  |"
	say "                                                  +-- conference room --H.323-->" \
		"Asterisk, council $COUNCIL_IP: a guardian"
	say
	step_escalate
	step_invite
	step_room
	step_evidence
	step_decide
	step_hangup
	capture_stop
	print_wire
}

# step TEXT: prints it with a number.
step() {
	STEPS=$((STEPS + 1))
	say "$STEPS. $*"
	say
}

# shown COMMAND...: prints the command line.
shown() { say "    \$ $*"; }

# want LABEL PATTERN: prints stdin, indented; it must match the pattern.
want() {
	local label=$1 pattern=$2 text
	text=$(cat)
	awk -v max="$WIDTH_MAX" '{
		print "    " (length($0) > max ? substr($0, 1, max - 3) "..." : $0) }' <<<"$text"
	grep -qE "$pattern" <<<"$text" || wrong "$label is not there: /$pattern/"
}

wrong() {
	WRONG=$((WRONG + 1))
	say "    ^ WRONG: $*"
}

# The agent waits until the expert, who hears the reason, has pressed 1.
step_escalate() {
	local files=() file asked=(--reason "$REASON" --question "$QUESTION")
	for file in "${EVIDENCE[@]}"; do files+=(--evidence "$file"); done
	for file in "${OPTIONS[@]}"; do asked+=(--option "$file"); done
	step "The agent signs an IFMessage and sends it to the bridge, which asks the gate and calls:"
	shown ifectl escalate --hazard "$HAZARD" "${files[@]}" --trace-id "$TRACE" \
		--wait --reason "'$REASON'"
	expert_accepts &
	local expert=$!
	escalate "$HAZARD" "${files[@]}" --trace-id "$TRACE" --wait "${asked[@]}" \
		>"$STACK/captures/escalate" ||
		wrong "the escalation failed"
	wait "$expert"
	sed '/ received$/d; /^$/,$d' "$STACK/captures/escalate" |
		want "the expert in the conference" "connected +confbridge:$ROOM:"
	CALL=$(awk '$1 == "call" { print $2 }' "$STACK/captures/escalate")
	bridged call "$CALL" --json | jq -e '.accepted_by == "key"' >/dev/null ||
		wrong "the call is not accepted by key"
	say "    The phone heard why, and the expert pressed 1. What it heard: ${STACK#"$IFE_ROOT"/}/captures/heard.wav"
	say
}

# The briefing takes some twelve seconds; the key comes after the first four.
expert_accepts() {
	wait_until 60 phone_heard_speech 80 && press 1
}
press() { media press $((SPARE_PORT + 2)) "$1"; }
phone_heard_speech() { [ "$(media loud "$(phone_heard security)" 2>/dev/null)" -ge "$1" ]; }
phone_messages() { sed 's/\x1b\[[0-9;]*m//g' "$STACK/log/security.log" | tr -d '\r'; }

# By page the expert has decided in the browser; by phone they change their mind.
step_decide() {
	step "The expert decides on the page, and again by phone: *1, read back, and 1 to confirm:"
	bridged call "$CALL" --json | jq -e '.decision | .choice == "leave it" and .assurance == "link"' \
		>/dev/null ||
		wrong "the page did not decide"
	press '*1'
	# A key is heard from the first word of the read-back on.
	wait_until 30 choice_is_read_back || wrong "the choice was not read back"
	press 1
	wait_until 30 decided_by_phone || wrong "the phone did not decide"
	bridged call "$CALL" --json >"$STACK/captures/decision.json"
	shown "ifectl call $CALL --json >decision.json; ifectl decision verify decision.json --registry registry.yaml"
	ifectl decision verify "$STACK/captures/decision.json" --registry "$STACK/registry.yaml" 2>&1 |
		want "the verified decisions" 'lock it'
	say
}
choice_is_read_back() {
	contains "Playing '[^']*/confirm-" <"$STACK/$TESTBED/gateway/log/messages.log"
}
decided_by_phone() {
	bridged call "$CALL" --json | jq -e '.decision | .choice == "lock it" and .assurance == "phone"' \
		>/dev/null
}

# The lines of the INVITE at the phone with caller, reason, signature and witness hash.
step_invite() {
	step "The INVITE at the phone: signed by the bridge, approved and witnessed by the gate:"
	phone_messages | awk -v trace="X-IF-Trace-ID: $TRACE" '
		/^INVITE /  { text = ""; mine = 0; inside = 1 }
		inside && /^(INVITE |From:|X-IF-|Subject:|Call-Info:)/ { text = text $0 "\n" }
		$0 == trace { mine = 1 }
		inside && /^$/ { if (mine) { printf "%s", text; exit } inside = 0 }' \
		>"$STACK/captures/invite"
	grep -qx "Subject: $REASON" "$STACK/captures/invite" || wrong "the INVITE has no reason"
	want "the hash of the decision's entry in the log" '^X-IF-Witness-Hash: sha256:[0-9a-f]{64}' \
		<"$STACK/captures/invite"
	say
}

step_room() {
	step "The council's guardian was called over H.323. The participants of the room:"
	wait_until 30 room_has_two || wrong "the room does not fill"
	shown ifectl rooms
	bridged rooms | sed -E 's/ +confbridge:.*//' | want "the room" "^$ROOM +2 of "
	bridged rooms --json | jq -e --arg expert "$SECURITY" '.[0].participants | map([.role, .name]) |
		sort == [["expert", $expert], ["guardian", "guardian-1"]]' >/dev/null ||
		wrong "these are not the expert and the guardian"
	say
}

room_has_two() { [ "$(bridged rooms --json | jq -r '.[0].participant_count')" = 2 ]; }

# The evidence files, from the bridge to the expert's browser. demo_evidence reads $CALL, $TRACE,
# the link in captures/invite (Call-Info) or captures/escalate, and the files in $STACK/evidence; it
# calls `step`.
step_evidence() {
	demo_evidence || wrong "the evidence did not get through"
	say
}

step_hangup() {
	step "After two seconds the agent hangs up. All legs end:"
	sleep 2
	room_has_two || wrong "a participant has left before the end: $(bridged rooms | xargs)"
	shown ifectl hangup "$CALL"
	bridged hangup "$CALL" | want "the end" "^$CALL: hung up, [0-9]"
	wait_until 30 phone_got_bye || wrong "the phone got no BYE"
	cp "$(phone_heard security)" "$STACK/captures/heard.wav" ||
		wrong "what the phone heard was not kept"
	wait_until 30 no_rooms || wrong "the room is still there"
	shown "ifectl call $CALL | grep -E '^(state|H.323|talk)'"
	bridged call "$CALL" | grep -E '^(state|H.323|talk)' |
		want "the call's end" "^state +ended: user_hangup, cause 16"
	say
}

phone_got_bye() { phone_messages | contains '^BYE '; }
no_rooms() { [ "$(bridged rooms --json)" = '[]' ]; }

# Captures the packets between gateway and council.
capture_start() {
	proc_start h323-capture dumpcap -q -P -i lo -f "tcp and host $COUNCIL_IP" \
		-w "$STACK/captures/h323.pcap"
	wait_until 30 test -s "$STACK/captures/h323.pcap" ||
		stack_fail h323-capture "dumpcap does not record"
}

capture_stop() {
	wait_until 30 released_on_the_wire || true
	proc_stop h323-capture
}

released_on_the_wire() { h323_lines | contains 'releaseComplete'; }

# Prints a line for each packet with H.225 or H.245: seconds, sender, tshark's summary, the caller's
# name in a set-up.
h323_lines() {
	tshark -r "$STACK/captures/h323.pcap" -Y 'h225 or h245' -T fields -E separator='|' \
		-e frame.time_relative -e ip.src -e _ws.col.Info -e h225.h323_ID 2>/dev/null
}

# captures/h323.txt has all messages; acknowledgements and progress are not printed.
print_wire() {
	say "Part 3, the wire: H.323 between gateway and council; the caller's name is the trace id"
	say
	h323_lines | awk -F '|' -v gateway="$GATEWAY_IP" '
		{ way = ($2 == gateway) ? "gateway --> council" : "gateway <-- council"
		  sub(/,.*/, "", $4)
		  count = split($3, parts, /CS: /)
		  for (i = 2; i <= count; i++) {
			sub(/ +$/, "", parts[i]); layer = "H.225"
			if (sub(/^facility /, "", parts[i])) layer = "H.245"
			sub(/ OpenLogicalChannel/, ", opens its audio channels", parts[i])
			caller = parts[i] ~ /^setup/ ? ", caller " $4 : ""
			printf "%8.3f  %s  %s  %s%s\n", $1, way, layer, parts[i], caller
		  } }' >"$STACK/captures/h323.txt"
	grep -vE 'Ack$|callProceeding|progress' "$STACK/captures/h323.txt" |
		want "the set-up with the trace id" "gateway --> council  H.225  setup.*caller $TRACE\$"
	local message
	for message in 'H.225  connect' 'H.245  terminalCapabilitySet' \
		'H.245  masterSlaveDetermination' 'H.225  releaseComplete'; do
		grep -q "$message" "$STACK/captures/h323.txt" || wrong "$message is not there"
	done
	say
}

# The same call, from the log.
print_story() {
	say "Part 4, the log: entries of Kamailio and the bridge about this call, by its trace id"
	say
	ifectl witness show --log "$STACK/witness" --vkey "$STACK/witness.vkey" --trace "$TRACE" \
		>"$STACK/captures/story" || wrong "the log does not have the call"
	cat "$STACK/captures/story"
	local step
	for step in 'escalate' 'gate asked, approved' 'INVITE .*approved, signed by' 'rings' 'hears why' \
		'accepts.*by key' 'joins the room' \
		'H.323 connected .*guardian guardian-1' 'H.323 released .*guardian guardian-1' \
		'ended, user hangup'; do
		grep -qE " $step" "$STACK/captures/story" || wrong "$step is not in the log"
	done
	say
}
