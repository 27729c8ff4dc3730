#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../bridge-nats.sh"

# A second expert for safety, after the first.
registry_edit() { sed 's/hazards: \[ethics\]/hazards: [ethics, safety]/'; }

# bridge_at NODE COMMAND...: with that bridge's socket.
bridge_at() { BRIDGE_SOCK=$STACK/$1.sock "${@:2}"; }
bridge_run() {
	proc_start "$1" "$BRIDGE_BIN" run --config "$STACK/$1.yaml"
	wait_until 20 bridge_at "$1" bridge_ready || stack_fail "$1" "ife-bridge $1 did not get ready"
}
bridge_start() {
	for node in node1 node2; do
		sed -e "s/^node: .*/node: $node/; s/^store_dir: .*/store_dir: store-$node/; s/unix: bridge.sock/unix: $node.sock/" "$STACK/bridge.yaml" >"$STACK/$node.yaml"
		bridge_run "$node"
	done
}
# holder CALL_ID STATE: the bridge that has the call in that state.
holder() {
	for node in node1 node2; do
		[ "$(bridge_at "$node" api GET "/v1/calls/$1" | jq -r .sip_call_state)" != "$2" ] || echo "$node"
	done
}
is_held() { [ -n "$(holder "$@")" ]; }
call_id() { printf 'sip-call-%s\n' "$(printf %s "$1" | sha256sum | cut -c 1-16)"; }
# claim_of_lost MESSAGE_ID: as a bridge leaves it that took the message on and was heard of no more.
claim_of_lost() {
	local key
	key=$(printf 'if://agent/guard\0%s' "$1" | sha256sum | cut -d ' ' -f 1)
	printf '{"node":"lost"}' |
		nats publish "\$KV.ife-claims-$CONSUMER.$key" >>"$STACK/log/published.log" ||
		fail "no claim for $1"
}

GUARDIANS='{name: guardian-1, peer: mcu-7f3a, alias: guardian-quiet}'
nats_start
nats_streams
start_with_bridge
stack_expert ethics "$ETHICS_PORT" uas-late -d 6000

# Killed while the phone rings. The expert answers a bridge that is not there any more.
call=$(call_id trace-failover-1)
escalation f-1 trace-failover-1 ethics | send_message
wait_until 20 is_held "$call" ringing
first=$(holder "$call" ringing)
proc_kill "$first"
expect_outcome f-1 connected 40
expect "participant" "confbridge:council:ife.$first.${call#sip-call-}.e0" \
	"$(outcome_of f-1 | jq -r .h323_participant)"
expect "expert" "$ETHICS" "$(outcome_of f-1 | jq -r .expert_id)"
expect "calls about trace 1" 1 "$(calls_to ethics trace-failover-1 | wc -l)"
expect_worked_off
# The guardians, whom the lost bridge did not call: by the other one, and not again by the first.
second=$([ "$first" = node1 ] && echo node2 || echo node1)
bridge_at "$second" expect_room council 2
# It comes back, has its call again, and publishes nothing anew.
bridge_run "$first"
bridge_at "$first" expect_call "$call" connected 15
expect "outcomes of trace 1" 1 "$(outcome_of f-1 | wc -l)"
bridge_at "$first" expect_room council 2

# Lost between its claim and its call: no expert was called, so one has to be.
claim_of_lost f-2
escalation f-2 trace-failover-2 safety | send_message
expect_outcome f-2 connected 30
expect "calls about trace 2" 1 "$(calls_to safety trace-failover-2 | wc -l)"

# Lost after an expert who did not answer: that one is left alone, the next one is called.
claim_of_lost f-3
call=$(call_id trace-failover-3)
asterisk_cli gateway database put ife-call "${call#sip-call-}" lost:1 >/dev/null
escalation f-3 trace-failover-3 safety | send_message
expect_outcome f-3 connected 30
expect "expert" "$ETHICS" "$(outcome_of f-3 | jq -r .expert_id)"
expect "calls about trace 3" "0 1" \
	"$(calls_to safety trace-failover-3 | wc -l) $(calls_to ethics trace-failover-3 | wc -l)"

note=$(asterisk_cli gateway database get ife-call "${call#sip-call-}")
expect "note of the gateway" ":2:answered" "$(sed -n 's/^Value: node[12]\(.*\)/\1/p' <<<"$note")"

# Both in turn, wherever they are in their work.
for turn in 1 2 3 4; do
	for number in 1 2; do
		escalation "g-$turn-$number" "trace-storm-$turn-$number" safety | send_message
	done
	sleep "0.0$((RANDOM % 10))"
	node=node$((1 + turn % 2))
	proc_kill "$node"
	bridge_run "$node"
done
for turn in 1 2 3 4; do
	for number in 1 2; do
		expect_outcome "g-$turn-$number" connected 60
		trace=trace-storm-$turn-$number
		expect "calls about $trace" 1 "$({ calls_to safety "$trace" && calls_to ethics "$trace"; } |
			wc -l)"
	done
done
expect_worked_off
expect "dead letters" 0 "$(dead_letters | wc -l)"
expect_alive
