#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../netns.sh"
EVIDENCE_IP=10.99.2.2
. "$(dirname "$0")/../evidence.sh"

netns turn
veth turn 10.99.2.1/24 10.99.2.2/24
netns expert
veth_between expert 10.99.1.2/24 turn 10.99.1.1/24
head -c 24 /dev/urandom | base64 >"$STACK/turn-secret"
cat >"$STACK/turnserver.conf" <<-CONF
	listening-ip=10.99.1.1
	relay-ip=10.99.2.1
	listening-port=3478
	min-port=20000
	max-port=20100
	use-auth-secret
	static-auth-secret=$(cat "$STACK/turn-secret")
	realm=council.example
	no-cli
	no-tls
	no-dtls
	fingerprint
	log-file=stdout
	simple-log
	pidfile=$STACK/run/turnserver
	userdb=$STACK/turndb
CONF
in_netns_start turn turnserver turnserver -c "$STACK/turnserver.conf"
head -c 600000 /dev/urandom >"$STACK/evidence/report.bin"
EVIDENCE_MORE="  turn: {urls: [\"turn:10.99.1.1:3478?transport=udp\"], secret_file: turn-secret}"
start_with_evidence
carry_http expert
export PEER_ADDRESS='' PEER_IN=expert

mkdir "$STACK/received/relayed"
seen=$(peer transfer "$(call_about report.bin | jq -r .evidence_link)" "$STACK/received/relayed" \
	--turn)
expect "verified" '[true]' "$(jq -c .verified <<<"$seen")"
expect "the chosen pair" '["relay"]' "$(jq -c .candidates <<<"$seen")"
expect "Link headers" 1 \
	"$(jq -r '.links[]' <<<"$seen" |
	grep -cE '^<turn:10.99.1.1:3478\?transport=udp>; rel="ice-server"; username="[0-9]+:[A-Za-z0-9_-]{22}"; credential="[^"]+"; credential-type="password"$')"
expect "the file is what it was" "" \
	"$(cmp "$STACK/received/relayed/0-report.bin" "$STACK/evidence/report.bin" 2>&1)"

# The control: without TURN there is no way.
link=$(call_about report.bin | jq -r .evidence_link)
if PEER_PATIENCE_S=6 "$IFE_ROOT/tests/evidence/run.sh" --in "$(netns_pid expert)" peer.py transfer \
	"$link" "$STACK/received" >/dev/null 2>&1; then
	fail "a transfer without TURN succeeded: the namespaces do not keep the two apart"
fi
expect "connections without TURN" 0 "$(api GET /v1/evidence/peers | jq length)"
expect_alive
