#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"

GUARDIANS='{name: guardian-1, peer: mcu-7f3a, alias: guardian-tone}'
expect_ok "certificates" "$IFE_ROOT/scripts/make-test-ca.sh" "$STACK/tls"
head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$STACK/token"
token=$(cat "$STACK/token")
API_PORT=$(siptool ports 1 16000 16999)
LISTEN_MORE=", tcp: {address: \"127.0.0.1:$API_PORT\", token_file: token, tls: {cert: tls/server.pem, key: tls/server.key, client_ca: tls/ca.pem}}"
start_with_bridge
call_expert="{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"safety\"}"

# over_tcp ARG...: status of GET /v1/calls, 000 when there is no connection.
over_tcp() {
	curl -s -o /dev/null -w '%{http_code}' --cacert "$STACK/tls/ca.pem" \
		"https://localhost:$API_PORT/v1/calls" "$@"
}
certificate=(--cert "$STACK/tls/client.pem" --key "$STACK/tls/client.key")
expect "token and certificate" 200 \
	"$(over_tcp "${certificate[@]}" -H "Authorization: Bearer $token")"
expect "no token" 401 "$(over_tcp "${certificate[@]}")"
expect "no certificate" 000 "$(over_tcp -H "Authorization: Bearer $token")"

# Events, and a room with a guardian who was called over H.323.
curl -s -N --max-time 60 --unix-socket "$STACK/bridge.sock" http://bridge/v1/events \
	>"$STACK/events" &
events=$!
expect "a room opens" 201 "$(api_status POST /v1/rooms '{"call_id":"council"}')"
expect_room council 1
call=$(api POST /v1/calls "$call_expert" | jq -r .call_id)
expect_call "$call" connected
expect_room council 2
expert=$(api GET "/v1/calls/$call" | jq -r .mcu_participant_id)
expect "muting" true "$(api PUT "/v1/rooms/council/participants/$expert/mute" '{"muted":true}' |
	jq -r --arg id "$expert" '.participants[] | select(.id == $id) | .muted')"
wait_until 5 grep -q '"sip_call_state":"connected"' "$STACK/events"
expect "events of the call" "approved connected inviting ringing" \
	"$(grep -o '"sip_call_state":"[a-z]*"' "$STACK/events" | cut -d '"' -f 4 |
	grep -vE 'received|answered|accepted|bridging' | sort -u | xargs)"
kill "$events" 2>/dev/null
expect "approval" true \
	"$(api POST /v1/policy/external-call "{\"expert_id\":\"$SAFETY\",\"hazard\":\"safety\"}" |
	jq .approved)"
expect "refusal" "false hazard" \
	"$(api POST /v1/policy/external-call "{\"expert_id\":\"$SAFETY\",\"hazard\":\"ethics\"}" |
	jq -r '"\(.approved) \(.gate)"')"
admission='{"terminal_id":"guardian-1","call_id":"council","call_type":"ROUTINE","bandwidth_bps":1,"has_pii":false,"timestamp":"2026-01-01T00:00:00Z","signature":"AA","public_key":"x"}'
expect "admission without a signature" INVALID_SIGNATURE \
	"$(api POST /v1/guardians/admissions "$admission" | jq -r .reject_reason)"

# The registry again: a bad one is refused, a good one counts.
cp "$STACK/registry.yaml" "$STACK/registry.good"
echo 'version: 1' >"$STACK/registry.yaml"
kill -HUP "$(proc_pid bridge)"
wait_log 1 '.event == "RELOAD" and (.detail // "" | contains("refused"))'
expect "the old registry" 200 "$(api_status GET /readyz)"
sed 's/hazards: \[ethics\]/hazards: [security]/' "$STACK/registry.good" >"$STACK/registry.yaml"
kill -HUP "$(proc_pid bridge)"
wait_log 1 '.event == "RELOAD" and .producer == "bridge-node1" and .detail == "registry reloaded"'
expect "the new registry" hazard \
	"$(api POST /v1/calls "{\"expert_id\":\"$ETHICS\",\"hazard_type\":\"ethics\"}" | jq -r .gate)"

# Without its witness the bridge places no call.
proc_stop witnessd
not_ready() { [ "$(api_status GET /readyz)" = 503 ]; }
wait_until 10 not_ready
expect "a call that cannot be witnessed" 503 "$(api_status POST /v1/calls "$call_expert")"
stack_start_witnessd
wait_until 10 bridge_ready

# SIGTERM: the connected call lives on.
channels=$(channels_at gateway)
proc_stop bridge 10
expect "channels of the gateway after the end" "$channels" "$(channels_at gateway)"
bridge_start
expect_call "$call" connected
expect "the room ends" 204 "$(api_status DELETE /v1/rooms/council)"
expect_channels gateway 0

# check names the fault.
expect_ok "check" "$BRIDGE_BIN" check --config "$STACK/bridge.yaml"
sed 's/backend: confbridge/backend: confbrigde/' "$STACK/bridge.yaml" >"$STACK/bad.yaml"
expect_fails "check of a bad file" 'bad.yaml.*confbrigde' "$BRIDGE_BIN" check \
	--config "$STACK/bad.yaml"
{ cat "$STACK/bridge.yaml"; echo \
	'nats: {url: a, stream: b, consumer: c, subject: d, dead_letter_subject: e}'; } >"$STACK/bad.yaml"
expect_fails "check of servers that are none" 'nats.url: must be' "$BRIDGE_BIN" check \
	--config "$STACK/bad.yaml"
expect_alive
