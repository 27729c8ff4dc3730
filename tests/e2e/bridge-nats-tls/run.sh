#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
NATS_AT=tls://localhost NATS_MORE=", credentials_file: user.creds, ca: tls/ca.pem"
. "$(dirname "$0")/../bridge-nats.sh"

NATS_CONF=$STACK/nats.conf
export NATS_CA=$STACK/tls/ca.pem NATS_CREDS=$STACK/user.creds
expect_ok "certificates" "$IFE_ROOT/scripts/make-test-ca.sh" "$STACK/tls"
expect_ok "another authority" "$IFE_ROOT/scripts/make-test-ca.sh" "$STACK/stranger"
expect_ok "keys and tokens" python3 "$CASE_DIR/account.py" "$STACK" "$NATS_PORT" \
	"$STACK/tls/server.pem" "$STACK/tls/server.key"
nats_start
nats_streams
start_with_bridge

escalation m-1 trace-nats-tls-1 safety | send_message
expect_outcome m-1 connected
expect_worked_off
expect "calls of the expert" 1 "$(calls_to safety | wc -l)"

# expect_out EDIT REASON: with that edit of its configuration the bridge lives, is not ready, and
# says why.
expect_out() {
	proc_kill bridge
	cp "$STACK/bridge.yaml" "$STACK/bridge.good"
	sed -i "$1" "$STACK/bridge.yaml"
	proc_start bridge "$BRIDGE_BIN" run --config "$STACK/bridge.yaml"
	wait_until 20 grep -qiE "$2" "$STACK/log/bridge.log"
	expect "ready with $1" "503 false" "$(api_status GET /readyz) $(api GET /readyz | jq .nats)"
	# Logged once for any number of attempts.
	sleep 1
	expect "said of NATS with $1" 1 "$(grep -ciE "$2" "$STACK/log/bridge.log")"
	cp "$STACK/bridge.good" "$STACK/bridge.yaml"
}
expect_out 's|ca: tls/ca.pem|ca: stranger/ca.pem|' 'certificate is by an authority that neither'
expect_out 's|user.creds|stranger.creds|' 'NATS cannot be reached: .*authorization violation'

# In good order again it takes up the messages sent meanwhile.
escalation m-2 trace-nats-tls-2 safety | send_message
proc_kill bridge
bridge_start
expect_outcome m-2 connected 30
expect "calls of the expert" 2 "$(calls_to safety | wc -l)"
expect_alive
