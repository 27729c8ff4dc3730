# Sourced by the part room-truth after the cases' libraries: terminals that dial in over H.323, a
# bridge that is killed, and three accounts of the room that must agree after each round.
# shellcheck shell=bash

ROUNDS=${TRUTH_ROUNDS:-$([ "$SCALE" = short ] && echo 5 || echo 50)}
RANDOM=$((SEED % 32768))
# The dials' own account.
ADMITTED=0 REFUSED=0 KILLS=0 WRONG=0

truth_main() {
	KEYS=guardian-2 start_with_bridge
	GUARDIANS="{name: guardian-2, section: mcu-7f3a, public_key: \"${PUBLIC[guardian-2]}\"}" \
		bridge_config >"$STACK/bridge.yaml"
	proc_stop bridge
	bridge_start
	local round
	for round in $(seq "$ROUNDS"); do one_round "$round"; done
	hang_up_all
	settle "the end"
	judge
	local ok=true
	[ "$FAILURES" = 0 ] || ok=false
	result "guardians and strangers dial in, the bridge is killed" "$ROUNDS" "$WRONG" 0 \
		"$ADMITTED" "$ok" "$KILLS kills; $ADMITTED times admitted, $REFUSED times refused"
	expect_alive
}

one_round() {
	local round=$1 cut_short=no before=$ADMITTED joins_before
	joins_before=$(joins)
	ask_to_join
	[ $((RANDOM % 4)) != 0 ] || escalate_once "$round"
	dial_some
	if [ $((RANDOM % 3)) != 0 ]; then
		KILLS=$((KILLS + 1))
		proc_kill bridge
		dial_some
		[ $((RANDOM % 2)) = 0 ] || { hang_up_all && cut_short=yes; }
		sleep "0.$((RANDOM % 10))"
		bridge_start
	fi
	# A terminal that is hung up at once is not in the room.
	[ "$cut_short" = yes ] || expect_ok "every admitted guardian is in the room" \
		wait_until 20 came_in $((joins_before + ADMITTED - before))
	settle "round $round"
	[ $((RANDOM % 2)) = 0 ] || hang_up_all
}

# By Asterisk's own log.
joins() { grep -c "Channel OOH323/[^ ]* joined 'softmix'" "$TESTBED/gateway/log/messages.log"; }
came_in() { [ "$(joins)" -ge "$1" ]; }

# The guardian is admitted, or loses the admission since it would show personal data.
ask_to_join() {
	local pii=false wanted=true
	if [ $((RANDOM % 4)) = 0 ]; then pii=true wanted=false; fi
	local answer
	answer=$(api POST /v1/guardians/admissions \
		"$(truth admission "$STACK/keys/guardian-2.key" "$pii")")
	expect "the admission" "$wanted" "$(jq -r .confirmed <<<"$answer")"
	IS_ADMITTED=$wanted
}

escalate_once() {
	api POST '/v1/escalations?wait=connected' "$(escalation "m-$1" "trace-truth-$1" safety)" \
		>"$STACK/call.json"
	expect "the call" connected "$(jq -r .sip_call_state "$STACK/call.json")"
}

# One to three terminals: the guardian, another name from the same address, one without a name.
dial_some() {
	local names=(guardian-2 guardian-2 guardian-3 "") name is_in
	for _ in $(seq $((1 + RANDOM % 3))); do
		name=${names[$((RANDOM % 4))]}
		is_in=$(truth dial "$COUNCIL_IP" "$TESTBED/ami-secret" $((3 + RANDOM % 20)) "$name")
		if [ "$name" = guardian-2 ] && [ "$IS_ADMITTED" = true ]; then
			ADMITTED=$((ADMITTED + 1))
			expect "the admitted guardian gets in" yes "$is_in"
		else
			REFUSED=$((REFUSED + 1))
			expect "'$name' without admission gets in" no "$is_in"
		fi
	done
}

# Every terminal and every expert hangs up.
hang_up_all() {
	asterisk_cli council channel request hangup all >/dev/null
	asterisk_cli gateway channel request hangup all >/dev/null
}

# settle LABEL: log, list and conference become the same.
settle() {
	wait_until 30 agree && return
	WRONG=$((WRONG + 1))
	fail "$1: $(truth compare "$STACK")"
}

agree() {
	log_entries >"$STACK/entries" && api GET /v1/rooms >"$STACK/rooms.json" &&
		asterisk_cli gateway core show channels concise >"$STACK/channels" &&
		truth compare "$STACK" >/dev/null
}

# Everybody who was dialled in for is in the log.
judge() {
	local joined left removed
	entries() { jq -r "select(.producer == \"bridge-node1\" and $1)$2" "$STACK/entries"; }
	removed=$(entries '.event == "REMOVE" and .reason == "not_admitted"' .seq | wc -l)
	expect "refusals in the log" "$REFUSED" "$removed"
	joined=$(entries '.event == "COUNCIL_JOIN" and .guardian == "guardian-2"' .participant | sort -u)
	left=$(entries '.event == "COUNCIL_LEAVE" and .guardian == "guardian-2"' .participant | sort -u)
	expect "guardians in the log" "$(joins)" "$(grep -c . <<<"$joined")"
	expect "guardians who left" "$joined" "$left"
}

truth() { python3 "$PROVE_HERE/room_truth.py" "$@"; }
