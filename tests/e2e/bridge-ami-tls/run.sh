#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"

AMI_PORT=5039
expect_ok "certificates" "$IFE_ROOT/scripts/make-test-ca.sh" "$TESTBED/tls"
expect_ok "another authority" "$IFE_ROOT/scripts/make-test-ca.sh" "$STACK/stranger"
tls_of() { printf ', login: plain, tls: {ca: %s, name: %s}' "$1" "$2"; }
AMI_MORE=$(tls_of testbed/tls/ca.pem localhost)
start_with_bridge

connected() {
	api POST '/v1/escalations?wait=connected' "$(escalation "$@")" | jq -r .sip_call_state
}
expect "state of a call over TLS" connected "$(connected m-1 trace-ami-tls-1 safety)"
ami_sessions() { asterisk_cli gateway manager show connected | grep -c '^  *ife-bridge '; }
expect "AMI sessions" 1 "$(ami_sessions)"
testbed_kill gateway
not_ready() { [ "$(api_status GET /readyz)" = 503 ]; }
expect_ok "not ready without Asterisk" wait_until 10 not_ready
testbed start >>"$STACK/log/testbed.log" 2>&1
expect_ok "ready when Asterisk is back" wait_until 30 bridge_ready
expect "state of the next call" connected "$(connected m-2 trace-ami-tls-2 safety)"

# expect_refused TLS SETTINGS, PATTERN: the bridge comes up, but never gets to AMI.
expect_refused() {
	local before
	proc_stop bridge
	AMI_MORE=$1 bridge_config >"$STACK/bridge.yaml"
	before=$(wc -l <"$STACK/log/bridge.log")
	proc_start bridge "$BRIDGE_BIN" run --config "$STACK/bridge.yaml"
	wait_until 10 said_since "$before" "$2" ||
		fail "the bridge does not say $2: $(tail -n +"$((before + 1))" "$STACK/log/bridge.log")"
	expect "readiness" 503 "$(api_status GET /readyz)"
	expect "AMI sessions" 0 "$(ami_sessions)"
}
said_since() { tail -n +"$(($1 + 1))" "$STACK/log/bridge.log" | contains -E "$2"; }
expect_refused "$(tls_of testbed/tls/ca.pem gateway.council.example)" \
	'certificate not valid for name'
expect_refused "$(tls_of stranger/ca.pem localhost)" 'invalid peer certificate'
expect_alive
