#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../bridge-nats.sh"

BRIDGE_MORE=${BRIDGE_MORE/outcome_subject/deliveries_max: 1, outcome_subject}
CALLS_MAX=1
nats_start
nats_streams
start_with_bridge

escalation h-1 trace-held-1 safety | send_message
expect_outcome h-1 connected
call=$(outcome_of h-1 | jq -r .call_id)

# No place: held, given back, and delivered once more than bridges may be lost.
escalation h-2 trace-held-2 safety | send_message
given_back() { grep -q 'a message goes back to the stream: as many calls' "$STACK/log/bridge.log"; }
wait_until 60 given_back
expect_ok "it went back to the stream" given_back
redelivered() { [ "$(nats info IFCONNECT "$CONSUMER" | jq .num_redelivered)" != 0 ]; }
wait_until 30 redelivered
expect_ok "it came again" redelivered
sleep 2
expect "letters about a message that is held" 0 "$(dead_letters | wc -l)"
api DELETE "/v1/calls/$call" >/dev/null
expect_outcome h-2 connected 60
expect "calls about trace 2" 1 "$(calls_to safety trace-held-2 | wc -l)"
expect_worked_off

# A bridge was lost with it, and this one would be the second.
key=$(printf 'if://agent/guard\0h-3' | sha256sum | cut -d ' ' -f 1)
printf '{"node":"lost","process":"lost-1","tries":1}' |
	nats publish "\$KV.ife-claims-$CONSUMER.$key" >>"$STACK/log/published.log" || fail "no claim"
message=$(escalation h-3 trace-held-3 safety)
send_message <<<"$message"
expect_outcome h-3 rejected
expect "why" TOO_MANY_DELIVERIES "$(outcome_of h-3 | jq -r .code)"
expect "dead letter" TOO_MANY_DELIVERIES "$(dead_letters)"
send_message <<<"$message"
expect_worked_off
expect "the same again" "2 1" "$(outcome_of h-3 | wc -l) $(outcome_of h-3 | sort -u | wc -l)"
expect "dead letters" 1 "$(dead_letters | wc -l)"
expect "calls about trace 3" 0 "$(calls_to safety trace-held-3 | wc -l)"
expect_alive
