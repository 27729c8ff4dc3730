# Sourced by the part bridge-kills after the cases' libraries: one call per round, one kill in it,
# and a judgement.
# shellcheck shell=bash

# Rounds of each process, way and place: 30 of each process and place.
ROUNDS=${KILL_ROUNDS:-$([ "$SCALE" = short ] && echo 1 || echo 5)}
# `early` is received, approved and inviting, hit by a delay after the request; the others are hit
# when the bridge reports that state.
PLACES=(early ringing answered bridging connected ending)
read -ra PROCESSES <<<"${KILL_ONLY:-bridge asterisk nats}"
WAYS=(http nats)
RING_MS=600
RANDOM=$((SEED % 32768))

kills_main() {
	local process way place
	nats_start
	nats_streams
	start_with_bridge
	stack_expert ethics "$ETHICS_PORT" uas-late -d "$RING_MS"
	for process in "${PROCESSES[@]}"; do
		for way in "${WAYS[@]}"; do
			for place in "${PLACES[@]}"; do
				is_chosen "$process" "$way" "$place" || continue
				group "$process" "$way" "$place"
			done
		done
	done
	judge_log
	expect_alive
}

# The short form leaves out kills that a neighbour covers: each process, way and place is there,
# not each combination.
is_chosen() {
	[ "$SCALE" = short ] || return 0
	case $1.$2.$3 in
	bridge.http.early | bridge.http.ending | bridge.nats.bridging | asterisk.nats.early | \
		asterisk.http.ringing | nats.nats.answered)
		return 0
		;;
	esac
	return 1
}

# group PROCESS WAY PLACE: its rounds, and a line of the results.
group() {
	local number lost=0 doubled=0 untrue=0 left=0 connected=0 ok=true
	for number in $(seq "$ROUNDS"); do
		round "$1" "$2" "$3" "$number"
		printf '%s %s %s %s: %s\n' "$1" "$2" "$3" "$number" "$VERDICT"
	done
	[ $((lost + doubled + untrue + left)) = 0 ] || ok=false
	jq -cn --arg fault "kill -9 of $1 at $3, over ${2^^}" --argjson rounds "$ROUNDS" --argjson lost \
		"$lost" --argjson doubled "$doubled" \
		--argjson through "$untrue" --argjson ok "$ok" --arg note \
		"$connected connected, $left with a channel left" \
		'{$fault, $rounds, $lost, $doubled, $through, $ok, $note}' >>"$PROVE_RESULTS"
	$ok || fail "kill of $1 at $3 over $2: $lost lost, $doubled doubled, $untrue untrue, $left with a channel left"
}

# Milliseconds, of the seed.
random_ms() { printf '0.%03d' $((RANDOM % $1)); }

round() {
	local process=$1 way=$2 place=$3 id=k-$1-$2-$3-$4 follower
	local trace=trace-$id
	CALL=sip-call-$(printf %s "$trace" | sha256sum | cut -c 1-16)
	MESSAGE=$(escalation "$id" "$trace" ethics)
	curl -sN --unix-socket "$STACK/bridge.sock" http://bridge/v1/events >"$STACK/events" 2>/dev/null &
	follower=$!
	sleep 0.1
	begin "$way"
	reach "$place"
	end_process "$process"
	kill "$follower" 2>/dev/null
	wait "$follower" 2>/dev/null
	sleep "$(random_ms 800)"
	start_process "$process"
	wait_until 40 bridge_ready || fail "not ready after a kill of $process"
	judge "$process" "$way" "$place" "$id" "$trace"
	clean_up
}

begin() {
	case $1 in
	http) api POST '/v1/escalations?wait=connected' "$MESSAGE" >/dev/null & ;;
	nats) send_message <<<"$MESSAGE" ;;
	esac
}

# Returns when the call is at that place.
reach() {
	case $1 in
	early) sleep "$(random_ms 60)" ;;
	ending)
		told connected
		api DELETE "/v1/calls/$CALL" >/dev/null &
		sleep "$(random_ms 60)"
		;;
	*)
		told "$1"
		[ $((RANDOM % 2)) = 0 ] || sleep "$(random_ms 20)"
		;;
	esac
}
# told STATE: the bridge has reported that state, or a later one if this one was too short to be
# seen.
told() {
	wait_until 20 grep -qE "\"call_id\":\"$CALL\".*\"sip_call_state\":\"($(later "$1"))\"" \
		"$STACK/events"
}
later() {
	local state seen=
	for state in ringing answered bridging connected failed ended; do
		[ "$state" != "$1" ] || seen=1
		[ -z "$seen" ] || printf '%s|' "$state"
	done | sed 's/|$//'
}

end_process() {
	case $1 in
	asterisk) testbed_kill gateway ;;
	*) proc_kill "$1" ;;
	esac
}
start_process() {
	case $1 in
	asterisk) testbed start >>"$STACK/log/testbed.log" 2>&1 ;;
	bridge) bridge_start ;;
	nats) nats_start ;;
	esac
}

# The outcome that the agent has: by the message sent again, or by the subject of outcomes. Empty
# when there is none in time.
outcome_by() {
	case $1 in
	http) wait_until 60 has_answer && cat "$STACK/answer" ;;
	nats) wait_until 60 has_outcome "$2" && outcome_of "$2" | head -n 1 ;;
	esac
}
# Busy or out of reach for the moment is no outcome: the same message comes again.
has_answer() {
	api POST '/v1/escalations?wait=connected' "$MESSAGE" >"$STACK/answer"
	jq -e '(.status == "connected" or .status == "rejected") or (.code != null and
		.code != "UNAVAILABLE" and .code != "CAPACITY_EXCEEDED")' "$STACK/answer" >/dev/null
}

status_of() { jq -r 'if .code then "rejected" else .status end'; }

# judge PROCESS WAY PLACE ID TRACE: adds to the account of the group.
judge() {
	local outcome status why phone again
	outcome=$(outcome_by "$2" "$4")
	phone=$(python3 "$PROVE_HERE/phone.py" "$STACK/captures/ethics.msg" "$5")
	status=$(status_of <<<"$outcome")
	# A problem document has it in its detail.
	why=$(jq -r '.reason // .detail // ""' <<<"$outcome")
	VERDICT="status '$status' reason '$why' phone '$phone'"
	if [ -z "$outcome" ]; then
		lost=$((lost + 1))
		return
	fi
	[ "$status" != connected ] || connected=$((connected + 1))
	[ "${phone%% *}" -le 1 ] || doubled=$((doubled + 1))
	is_true "$1" "$3" "$status" "$why" "$phone" || untrue=$((untrue + 1))
	# Sent again it is the same, and over NATS it is published once.
	if [ "$2" = http ]; then
		has_answer
		again=$(status_of <"$STACK/answer")
	else
		again=$(outcome_of "$4" | jq -r .status)
	fi
	[ "$again" = "$status" ] || untrue=$((untrue + 1))
}

# is_true PROCESS PLACE STATUS REASON PHONE: a call is connected when the phone has talked, and
# otherwise the reason is not a phone's that was never asked. Where Asterisk lives, so does the
# call: a phone that answers is connected.
is_true() {
	local process=$1 place=$2 status=$3 why=${4%% *} calls answered
	read -r calls answered _ <<<"$5"
	if [ "$status" = connected ]; then
		[ "$answered" = answered ]
		return
	fi
	[ "$process" = asterisk ] || return 1
	case $place in connected | ending) return 1 ;; esac
	case $why in
	gateway_lost | gateway_restarted | gateway_down | unseen) true ;;
	*) false ;;
	esac
}

# No call is left, under any outcome.
clean_up() {
	local call
	for call in $(api GET /v1/calls |
		jq -r '.[] | select(.sip_call_state != "ended" and .sip_call_state != "failed") | .call_id'); do
		api DELETE "/v1/calls/$call" >/dev/null
	done
	if ! wait_until 20 channels_are gateway 0; then
		left=$((left + 1))
		VERDICT+=" channels $(channels_at gateway)"
	fi
}

# Each call reported as connected is in the log, and the log verifies.
judge_log() {
	local missing count
	outcomes | jq -r 'select(.status == "connected") | .trace_id' | sort -u >"$STACK/told"
	log_entries | jq -r 'select(.event == "COUNCIL_JOIN" or .event == "CONNECTED") | .trace_id' |
		sort -u >"$STACK/witnessed"
	count=$(wc -l <"$STACK/told")
	missing=$(comm -23 "$STACK/told" "$STACK/witnessed" | wc -l)
	expect "connected calls that are not in the log" 0 "$missing"
	expect_ok "the log verifies" stack_verify
	jq -cn --argjson rounds "$count" --argjson lost "$missing" --argjson ok \
		"$([ "$FAILURES" = 0 ] && echo true || echo false)" \
		'{fault: "outcomes told over NATS and the log, after all rounds", $rounds, $lost, doubled: 0, through: 0, $ok, note: "verified by ifectl"}' >>"$PROVE_RESULTS"
}
