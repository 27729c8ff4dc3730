# The demo's second part: from an IFMessage to the council's conference, and out again. Sourced by demo.sh, whose deployment runs.
# shellcheck shell=bash

HAZARD=security
CAPTURE=captures/h323.pcap

# Everything but the story, which the log tells when all have stopped.
full_way() {
	TRACE=demo-$(date +%s)-$$
	say "Part 2, the full way: an agent escalates, an expert is called and joins the council's conference"
	say
	bridge_stack
	capture_start
	say "  Asterisk $(asterisk_version) is the gateway ($GATEWAY_IP) and, once more, the council ($COUNCIL_IP), where one guardian's"
	say "  H.323 terminal waits. ife-bridge tells the gateway what to do."
	say
	step_escalate
	step_invite
	step_room
	step_evidence
	step_hangup
	capture_stop
	step_wire
}

# shown COMMAND...: what a person would type.
shown() { say "    \$ $*"; }

# want LABEL PATTERN: stdin must hold it; it is printed all the same, indented.
want() {
	local label=$1 pattern=$2 text
	text=$(cat)
	sed 's/^/    /' <<<"$text"
	grep -qE "$pattern" <<<"$text" || wrong "$label is not there: $pattern"
}

wrong() {
	WRONG=$((WRONG + 1))
	say "    ^ WRONG: $*"
}

step_escalate() {
	say "1. The agent signs an IFMessage, hazard $HAZARD, and hands it to the bridge. Its policy gate agrees; the expert's phone rings, is answered:"
	say
	shown ifectl escalate --hazard "$HAZARD" --trace-id "$TRACE" --wait
	# shellcheck disable=SC2086
	escalate "$HAZARD" --trace-id "$TRACE" --wait ${DEMO_EVIDENCE_ARGS:-} >"$STACK/captures/escalate" || wrong "the escalation failed"
	sed '/^$/,$d' "$STACK/captures/escalate" | want "the expert in the conference" "connected +confbridge:$ROOM:"
	CALL=$(awk '$1 == "call" { print $2 }' "$STACK/captures/escalate")
	say
}

# The INVITE of this call as the phone got it: the lines that say what it is about, signed and witnessed.
step_invite() {
	say "2. The INVITE that the phone got, through Kamailio: signed by the bridge, allowed by ten gates, witnessed before it went on:"
	say
	tr -d '\r' <"$STACK/captures/security.msg" | awk -v trace="X-IF-Trace-ID: $TRACE" '
		/^INVITE /  { text = ""; mine = 0; inside = 1 }
		inside && (/^INVITE / || /^From:/ || /^X-IF-/ || /^Call-Info:/) { text = text substr($0, 1, 110) (length($0) > 110 ? "..." : "") "\n" }
		$0 == trace { mine = 1 }
		inside && /^$/ { if (mine) { printf "%s", text; exit } inside = 0 }' |
		want "the hash of the decision's entry in the log" '^X-IF-Witness-Hash: sha256:[0-9a-f]{64}'
	say
}

step_room() {
	say "3. The guardian's terminal was called over H.323. Who is in the room:"
	say
	wait_until 15 room_is_full || wrong "the room does not fill"
	shown ifectl rooms
	bridged rooms | sed -E 's/ +confbridge:.*//' | want "expert and guardian" "^$ROOM +2 of "
	bridged rooms --json | jq -e --arg expert "$SECURITY" '.[0].participants | map([.role, .name]) | sort == [["expert", $expert], ["guardian", "guardian-1"]]' \
		>/dev/null || wrong "not expert and guardian"
	say
}

room_is_full() { [ "$(bridged rooms --json | jq -r '.[0].participant_count')" = 2 ]; }

# Between answer and hang-up: files from the bridge to the expert's browser, where that step is there.
step_evidence() {
	declare -F demo_evidence >/dev/null || return 0
	demo_evidence || wrong "the evidence did not get through"
	say
}

step_hangup() {
	say "4. They have talked. The agent hangs up; the expert's phone gets its BYE, the room ends, and the guardian's terminal is released:"
	say
	shown ifectl hangup "$CALL"
	bridged hangup "$CALL" | want "the end" "^$CALL: hung up"
	wait_until 10 phone_got_bye || wrong "the phone got no BYE"
	wait_until 10 no_rooms || wrong "the room is still there"
	shown ifectl calls
	bridged calls --once | want "the call, over" "^$CALL .* ended .*user_hangup, cause 16"
	say
}

phone_got_bye() { tr -d '\r' <"$STACK/captures/security.msg" | grep -q '^BYE '; }
no_rooms() { [ "$(bridged rooms --json)" = '[]' ]; }

# What crosses between gateway and council, and nothing else.
capture_start() {
	proc_start h323-capture dumpcap -q -P -i lo -f "tcp and host $COUNCIL_IP" -w "$STACK/$CAPTURE"
	wait_until 10 test -s "$STACK/$CAPTURE" || stack_fail h323-capture "dumpcap does not record"
}

capture_stop() {
	wait_until 10 released_on_the_wire || true
	proc_stop h323-capture
}

released_on_the_wire() { h323_lines | grep -q 'releaseComplete'; }

# One line for each H.323 message: seconds, direction, what it is.
h323_lines() {
	tshark -r "$STACK/$CAPTURE" -Y 'h225 or h245' -T fields -e frame.time_relative -e ip.src -e _ws.col.Protocol -e _ws.col.Info 2>/dev/null
}

step_wire() {
	say "5. What went over the wire between gateway and council meanwhile, as tshark reads it:"
	say
	h323_lines >"$STACK/captures/h323.txt"
	cat "$STACK/captures/h323.txt"
	say
}

# print_story: the same call, told by the log alone.
print_story() {
	say "6. The whole story, from the witness log: Kamailio's entries and the bridge's, each proved to be in the signed log"
	say
	ifectl witness show --log "$STACK/witness" --vkey "$STACK/witness.vkey" --trace "$TRACE" >"$STACK/captures/story" || wrong "the log does not tell it"
	cat "$STACK/captures/story"
	say
}
