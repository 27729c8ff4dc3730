#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"

GUARDIANS='{name: guardian-1, peer: mcu-7f3a, alias: guardian-tone}'
expect_ok "certificates" "$IFE_ROOT/scripts/make-test-ca.sh" "$STACK/tls"
head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$STACK/token"
API_PORT=$(siptool ports 1 16000 16999)
LISTEN_MORE=", tcp: {address: \"127.0.0.1:$API_PORT\", token_file: token, tls: {cert: tls/server.pem, key: tls/server.key, client_ca: tls/ca.pem}}"
start_with_bridge
export IFE_BRIDGE="unix:$STACK/bridge.sock" IFE_AGENT=if://agent/guard \
	IFE_AGENT_KEY=$STACK/keys/guard-2026a.key

# says LABEL CODE PATTERN COMMAND...: it ends with CODE and says PATTERN, on either stream.
says() {
	local label=$1 code=$2 pattern=$3 output rc=0
	shift 3
	output=$("$@" 2>&1) || rc=$?
	expect "$label: exit code" "$code" "$rc"
	grep -qE "$pattern" <<<"$output" || fail "$label: no /$pattern/ in: $output"
}

# An escalation, followed to the room.
says "no calls yet" 0 '^no calls$' ifectl calls
"$IFE_BIN/ifectl" calls --follow >"$STACK/followed" &
follower=$!
told=$(ifectl escalate --hazard safety --trace-id trace-ifectl-1 --wait)
expect "exit code of an escalation that connects" 0 $?
for line in 'ringing +expert-safety@external.advisor' 'connected +confbridge:council:' \
	'^state +connected' '^trace id +trace-ifectl-1' '^room +council'; do
	grep -qE "$line" <<<"$told" || fail "escalate --wait: no /$line/ in: $told"
done
call=$(awk '$1 == "call" { print $2 }' <<<"$told")
expect "INVITEs at the expert" 1 "$(grep -ac '^INVITE ' "$STACK/captures/safety.msg")"

# One call by its three names, and the table in its three forms.
for name in "$call" "${call#sip-call-}" trace-ifectl-1; do
	says "call $name" 0 '^ +[0-9.]+  connected ' ifectl call "$name"
done
expect "call --json" "connected trace-ifectl-1" \
	"$(ifectl call "$call" --json | jq -r '.sip_call_state + " " + .trace_id')"
# The H.323 side is connected when a guardian is seen in the room.
council_is_there() { ifectl calls | contains -E "^$call .* connected +connected "; }
wait_until 30 council_is_there
says "the table" 0 "^$call +expert-safety@external.advisor +safety +connected +connected " ifectl \
	calls
expect "calls --json" "$call" "$(ifectl calls --json | jq -r '.[0].call_id')"
on_a_terminal() {
	timeout 30 script -qec "stty cols 200 rows 24; timeout -s INT 3 $IFE_BIN/ifectl calls" /dev/null \
		</dev/null | tr -d '\r'
}
on_a_terminal >"$STACK/terminal"
grep -q "1 call live; Asterisk up, witness up" "$STACK/terminal" ||
	fail "no heading on a terminal: $(cat "$STACK/terminal")"
[ "$(grep -c "^$call" "$STACK/terminal")" -ge 2 ] ||
	fail "the table on a terminal was not drawn again"

# Rooms.
room_says() { ifectl rooms show council | contains -E "$1"; }
wait_until 10 room_says 'guardian +guardian-1'
says "the list of rooms" 0 '^council +2 of 50 \(confbridge\)' ifectl rooms
says "muting by name" 0 'expert-safety@external.advisor +muted' ifectl rooms mute council "$SAFETY"
says "unmuting by id" 0 'expert-safety@external.advisor +confbridge' ifectl rooms unmute council \
	"confbridge:council:ife.node1.${call#sip-call-}.e0"
for event in MUTE UNMUTE; do
	wait_log 1 ".event == \"$event\" and .room == \"council\" and .expert == \"$SAFETY\" and
		.trace_id == \"trace-ifectl-1\""
done
says "nobody of that name" 1 'nobody there is called mallory' ifectl rooms mute council mallory
says "no such room" 1 '^code +NOT_FOUND \(404\)' ifectl rooms show elsewhere
says "a name that is none" 1 '^field +call_id' ifectl rooms create 'a/../b c'
says "another room" 0 '^second ' ifectl rooms create second
says "its end" 0 '^second: ended' ifectl rooms end second
says "removing by name" 0 'council: confbridge:.* removed' ifectl rooms remove council guardian-1

# Hang-up.
says "hang-up" 0 "^$call: hung up" ifectl hangup trace-ifectl-1
says "hang-up of what is over" 1 "$call: " ifectl hangup "$call" "0000000000000000"
says "a call that is over" 0 '^state +ended: ' ifectl call "$call"
ended_is_told() { grep -qE "$call .*  ended " "$STACK/followed"; }
wait_until 5 ended_is_told || fail "calls --follow did not tell the end: $(cat "$STACK/followed")"
kill "$follower"

# Refusals.
says "a refusal by the gate" 1 '^gate +hazard$' ifectl escalate --hazard ethics --expert "$SAFETY"
expect "the same for programs" POLICY_REJECTED \
	"$(ifectl escalate --hazard ethics --expert "$SAFETY" --json | jq -r .code)"
says "an agent whom nobody knows" 1 '^code +UNKNOWN_AGENT \(401\)' ifectl escalate --hazard safety \
	--source if://agent/other
says "a key that is not the agent's" 1 '^field +signature' ifectl escalate --hazard safety \
	--key "$STACK/keys/stranger.key"
says "an expert whom nobody knows" 1 'EXPERT_NOT_FOUND \(404\)' ifectl escalate --hazard safety \
	--expert nobody@external.advisor

# A message from a file, sent twice, is one call.
ifectl escalate --hazard safety --trace-id trace-ifectl-2 --print >"$STACK/message.json"
first=$(ifectl escalate --message "$STACK/message.json" --json | jq -r .call_id)
expect "the first answer again" "$first" \
	"$(ifectl escalate --message - --wait --json <"$STACK/message.json" | jq -r .call_id)"
expect_call "$first" connected
expect "INVITEs at the expert" 2 "$(grep -ac '^INVITE ' "$STACK/captures/safety.msg")"
ifectl hangup "$first" >/dev/null

# TLS.
tls=(--bridge "https://localhost:$API_PORT" --ca "$STACK/tls/ca.pem"
	--cert "$STACK/tls/client.pem" --cert-key "$STACK/tls/client.key")
says "over TLS" 0 "^$call " ifectl calls "${tls[@]}" --token-file "$STACK/token"
says "without the token" 3 '401 Unauthorized' ifectl calls "${tls[@]}"
says "an authority that nobody trusts" 3 'certificate' ifectl calls \
	--bridge "https://localhost:$API_PORT" --token-file "$STACK/token"
says "without a client certificate" 3 "https://localhost:$API_PORT: " ifectl calls \
	--bridge "https://localhost:$API_PORT" --ca "$STACK/tls/ca.pem"

# No bridge.
proc_stop bridge
says "no bridge" 3 'is ife-bridge running' ifectl calls
expect_alive
