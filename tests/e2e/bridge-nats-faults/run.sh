#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../bridge-nats.sh"

BUCKET=KV_ife-claims-$CONSUMER
NATS_CONF=$STACK/nats.conf
# nats_conf [PERMISSIONS]: one user for all, who may do everything else.
nats_conf() {
	printf 'listen: "127.0.0.1:%s"\njetstream {store_dir: "%s"}\nno_auth_user: all\nauthorization {users: [{user: all, password: all%s}]}\n' \
		"$NATS_PORT" "$STACK/nats" "${1:+, permissions: $1}" >"$NATS_CONF"
}
is_unready() { [ "$(api GET /readyz | jq .nats)" = false ]; }
expect_unready() {
	wait_until 30 is_unready
	expect "not ready: $1" "503 false" "$(api_status GET /readyz) $(api GET /readyz | jq .nats)"
	expect "metric: $1" 1 "$(api GET /metrics | grep -c '^ife_bridge_nats_up 0')"
}
expect_ready() {
	wait_until 30 bridge_ready
	expect "ready: $1" "200 true" "$(api_status GET /readyz) $(api GET /readyz | jq .nats)"
}
expect_said() {
	wait_until 30 grep -qE "$1" "$STACK/log/bridge.log"
	expect_ok "the log says $1" grep -qE "$1" "$STACK/log/bridge.log"
}
# delete KIND.NAME...: without a word to the bridge.
delete() { for what in "$@"; do expect_ok "delete $what" nats api \
	"${what%%.*}.DELETE.${what#*.}"; done; }
# update STREAM JQ: its configuration.
update() {
	local config
	config=$(nats info "$1" | jq -c ".config | $2")
	expect_ok "update $1" nats api "STREAM.UPDATE.$1" "$config"
}
expect_one_call() { expect "calls about $1" 1 "$(calls_to safety "$1" | wc -l)"; }
poison() { printf 'not JSON %s' "$1" | send_message; }

nats_conf
nats_start
nats_streams
start_with_bridge

# The stream is made anew: sequences begin with 1 again, and the news of the old ones is no
# reason to be silent.
escalation m-1 trace-faults-1 safety | send_message
expect_outcome m-1 connected
poison 1
wait_until 15 dead_are 1
delete STREAM.IFCONNECT
expect_unready "without its stream"
nats stream IFCONNECT if.connect.escalate
expect_ready "with its stream anew"
escalation m-2 trace-faults-2 safety | send_message
poison 2
expect_outcome m-2 connected
wait_until 15 dead_are 2
expect "dead letters of both streams" 2 "$(dead_letters | wc -l)"
expect_worked_off
expect_one_call trace-faults-1
expect_one_call trace-faults-2

# The bucket of claims, then the consumer.
delete "STREAM.$BUCKET"
escalation m-3 trace-faults-3 safety | send_message
expect_outcome m-3 connected 40
expect_one_call trace-faults-3
# By the look after the bucket, or by the claim of the message, if that comes before.
expect_said 'no messages are taken: (.*bucket ife-claims-ife-bridge|a claim cannot be written)'
expect_ready "with its bucket anew"
delete "CONSUMER.IFCONNECT.$CONSUMER"
escalation m-4 trace-faults-4 safety | send_message
expect_outcome m-4 connected 40
expect_ready "with its consumer anew"
expect_worked_off
expect_one_call trace-faults-4
expect "outcomes of what was worked off before" "1 1" \
	"$(outcome_of m-2 | wc -l) $(outcome_of m-3 | wc -l)"

# Everything that bridges remember by: all messages come again, and the gateway alone knows who was
# called.
proc_kill bridge
delete "CONSUMER.IFCONNECT.$CONSUMER" "STREAM.$BUCKET"
# The letter of the second poison is purged: JetStream remembers its id and holds it no more.
expect_ok "purge" nats api STREAM.PURGE.DEAD
rm -rf "$STACK/store"
proc_start bridge "$BRIDGE_BIN" run --config "$STACK/bridge.yaml"
expect_ready "after a loss of all memory"
expect_worked_off 40
expect "dead letters after the purge" 1 "$(dead_letters | wc -l)"
for number in 2 3 4; do
	expect_one_call "trace-faults-$number"
	expect "outcomes of m-$number" connected "$(outcome_of "m-$number" | jq -r .status | sort -u)"
done

# Dead letters have nowhere to go, then no room.
delete STREAM.DEAD
expect_unready "without a stream of dead letters"
poison 3
nats stream DEAD if.connect.dead
expect_ready "with a stream of dead letters"
wait_until 30 dead_are 1
update DEAD '.max_msgs = 1 | .discard = "new"'
poison 4
expect_unready "without room for dead letters"
expect_said 'dead letter.*maximum messages exceeded'
update DEAD '.max_msgs = -1'
wait_until 60 dead_are 2
expect_ready "with room for dead letters"
expect "dead letters" 2 "$(dead_letters | wc -l)"
expect_worked_off

# The bucket has no room, then may not be written.
update "$BUCKET" '.max_bytes = 1'
escalation m-5 trace-faults-5 safety | send_message
expect_unready "without room for claims"
update "$BUCKET" '.max_bytes = -1'
expect_outcome m-5 connected 60
nats_conf '{publish: {deny: ["$KV.>"]}}'
kill -HUP "$(proc_pid nats)"
wait_until 15 grep -q Reloaded "$STACK/log/nats.log"
escalation m-6 trace-faults-6 safety | send_message
expect_unready "without permission"
nats_conf
kill -HUP "$(proc_pid nats)"
expect_outcome m-6 connected 60
expect_ready "with all permissions"

# The stream of outcomes goes while a phone rings: published to those who listen, and by a stream
# made anew from then on.
stack_expert ethics "$ETHICS_PORT" uas-late -d 3000
escalation m-7 trace-faults-7 ethics | send_message
ringing() {
	api GET /v1/calls | jq \
		-e '.[] | select(.trace_id == "trace-faults-7" and .sip_call_state == "ringing")'
}
wait_until 20 ringing
delete STREAM.OUTCOME
expect_worked_off 60
nats stream OUTCOME if.connect.outcome
escalation m-8 trace-faults-8 safety | send_message
expect_outcome m-8 connected 40
expect_worked_off
for number in 5 6 8; do expect_one_call "trace-faults-$number"; done
expect "letters about valid messages" 0 "$(dead_letters | grep -c TOO_MANY)"
expect_alive
