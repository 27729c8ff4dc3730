#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

# One address calls more often than the ban table allows.
PIKE_DENSITY=1000000
CALL_TLS_PORT=$SPARE_PORT
tls=$STACK/tls
"$IFE_ROOT/scripts/make-test-ca.sh" "$tls" >"$STACK/log/ca.log" 2>&1 || stack_fail ca "no test CA"
# The expert's phone, as TLS: socat in front of sipp. The contact's port is socat's.
EXPERT_TCP_PORT=$ETHICS_PORT
proc_start phone-tls socat \
	"OPENSSL-LISTEN:$EXPERT_PORT,bind=$EXPERT_IP,reuseaddr,fork,cert=$tls/server.pem,key=$tls/server.key,cafile=$tls/ca.pem,verify=1" \
	"TCP:$(address_of "$EXPERT_TCP_PORT"):$EXPERT_TCP_PORT"
NO_EXPERT=1 EXPERT_TRANSPORT=";transport=tls" start -A WITH_TLS \
	-A "TLS_CERT=\"$tls/server.pem\"" -A "TLS_KEY=\"$tls/server.key\"" -A "TLS_CA=\"$tls/ca.pem\""
stack_expert safety "$EXPERT_TCP_PORT" uas -t t1
proc_start caller-tls socat "TCP-LISTEN:$CALL_TLS_PORT,bind=$CALLER_IP,reuseaddr,fork" \
	"OPENSSL:$PROXY_IP:$TLS_PORT,bind=$CALLER_IP,cert=$tls/client.pem,key=$tls/client.key,cafile=$tls/ca.pem,verify=1,commonname=localhost"
wait_until 5 port_taken "$CALL_TLS_PORT"

handshake() {
	openssl s_client -connect "$PROXY_IP:$TLS_PORT" -CAfile "$tls/ca.pem" -verify_return_error -brief \
		"$@" </dev/null
}
expect_fails "no client certificate" "alert|error|handshake" handshake -tls1_2
expect_ok "with a client certificate" handshake -tls1_2 -cert "$tls/client.pem" -key \
	"$tls/client.key"
expect_fails "TLS 1.1" "alert|error|unsupported|no protocols" handshake -tls1_1 -cert \
	"$tls/client.pem" -key "$tls/client.key"

CALL_IP=$CALLER_IP CALL_PORT=$CALL_TLS_PORT load tls -t t1
expect "transport in the log" tls \
	"$(log_entries | jq -r 'select(.event == "APPROVED") | .peer | split(":")[0]' | sort -u)"
