# Asterisk as gateway and as council, and ife-bridge at the gateway's AMI, for the demo and `make
# up`. Sourced after stack.sh. All files are under $STACK except Asterisk's root, where $STACK is
# mounted.
# shellcheck shell=bash

TESTBED=testbed
AGENT=if://agent/guard
ROOM=council
# Only root can mount and use chroot.
bridge_possible() { [ "$(id -u)" = 0 ]; }

# bridge_plan [N]: sets loopback addresses of gateway and council, one set per deployment: set N, or
# the first that no deployment of this host has. Call it before any process starts.
bridge_plan() {
	local net=${1:-}
	[ -n "$net" ] || claim_net
	GATEWAY_IP=127.0.$net.2 COUNCIL_IP=127.0.$net.3
	{ read -r API_PORT && read -r EVIDENCE_PORT; } < <(siptool ports 2 8080 8180) ||
		die "no free ports for the bridge"
	printf '1 sip:%s:%s 0 20\n' "$GATEWAY_IP" "$GATEWAY_PORT" >"$STACK/dispatcher.list"
	declare -p GATEWAY_IP COUNCIL_IP API_PORT EVIDENCE_PORT |
		sed 's/^declare --/declare -g --/' >>"$STACK/stack.env"
}

# Sets `net` to the first set that is free. Every process of the deployment inherits the claim,
# which ends with the last of them.
claim_net() {
	mkdir -p /run/lock
	for net in {1..60}; do
		exec 7>>"/run/lock/if-escalate-net-$net"
		flock -n 7 && return
	done
	die "no loopback addresses are left for another deployment"
}

# Evidence files of a call, in its evidence root.
EVIDENCE=(incident.md sensor.png)

# bridge_stack: starts Asterisk and the bridge. Witness and Kamailio must run.
bridge_stack() {
	local log=$STACK/log/testbed.log
	TESTBED_SUITE=$("$IFE_ROOT/scripts/testbed.sh" suite 2>"$log") ||
		die "cannot make a root with Asterisk: $(tail -n 1 "$log")"
	declare -p TESTBED_SUITE | sed 's/^declare --/declare -g --/' >>"$STACK/stack.env"
	testbed start >>"$log" 2>&1 || stack_fail testbed "Asterisk did not start"
	head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$STACK/keys/bridge-token"
	chmod 600 "$STACK/keys/bridge-token"
	"$IFE_ROOT/scripts/lib/evidence-sample.py" "$STACK/evidence"
	bridge_config >"$STACK/bridge.yaml"
	proc_start bridge "$IFE_BIN/ife-bridge" run --config "$STACK/bridge.yaml"
	wait_until 20 bridge_ready_or_gone
	bridge_ready || stack_fail bridge "ife-bridge did not get ready"
}

# Stops the bridge and both Asterisks, and unmounts.
bridge_close() {
	[ -n "${TESTBED_SUITE:-}" ] || return 0
	proc_stop bridge
	testbed stop >>"$STACK/log/testbed.log" 2>&1
	TESTBED_SUITE=
}

# The phones of the demo send no RTP: no RTP timeout.
testbed() {
	RTP_TIMEOUT_S=0 GATEWAY_IP=$GATEWAY_IP COUNCIL_IP=$COUNCIL_IP GATEWAY_SIP_PORT=$GATEWAY_PORT \
		KAMAILIO_IP=$PROXY_IP KAMAILIO_PORT=$SIP_PORT \
		"$IFE_ROOT/scripts/testbed.sh" "$1" "$TESTBED_SUITE" "$STACK/$TESTBED"
}

bridge_config() {
	cat <<-YAML
		node: node1
		state_dir: $STATE
		store_dir: store
		registry: registry.yaml
		witness: required
		witness_log: {dir: witness, vkeys: witness.vkey}
		ami: {address: "$GATEWAY_IP:5038", username: ife-bridge, secret_file: $TESTBED/ami-secret}
		council:
		  aor: "sip:$COUNCIL"
		  signing_key: keys/bridge-2026a.key
		  backend: confbridge
		  default_room: $ROOM
		  guardians:
		    - {name: guardian-1, peer: mcu-7f3a, alias: guardian-tone}
		listen:
		  unix: bridge.sock
		  tcp: {address: "127.0.0.1:$API_PORT", token_file: keys/bridge-token}
		agents:
		  - {id: "$AGENT", kid: guard-2026a, public_key: "${PUBLIC[guard-2026a]}"}
		speech: {dir: $TESTBED/prompts}
		evidence:
		  public_url: "http://127.0.0.1:$API_PORT"
		  udp: "${EVIDENCE_IP:-127.0.0.1}:$EVIDENCE_PORT"
		  roots: [evidence]
		  signing_key: keys/bridge-2026a.key
	YAML
}

bridge_ready_or_gone() { proc_gone bridge || bridge_ready; }
bridge_ready() {
	[ "$(curl -s --max-time 5 --unix-socket "$STACK/bridge.sock" -o /dev/null -w '%{http_code}' \
		http://bridge/readyz)" = 200 ]
}

# asterisk_version: prints the gateway's.
asterisk_version() {
	chroot "$IFE_TARGET/testbed/root-$TESTBED_SUITE" asterisk -V 2>/dev/null |
		sed -E 's/^Asterisk ([0-9.]+).*/\1/'
}

# escalate HAZARD [IFECTL ARG ...]: escalates as the council's agent.
escalate() {
	local hazard=$1
	shift
	ifectl escalate --bridge "unix:$STACK/bridge.sock" --source "$AGENT" \
		--key "$STACK/keys/guard-2026a.key" --hazard "$hazard" "$@"
}

# bridged SUBCOMMAND [IFECTL ARG ...]: calls, call, rooms, hangup.
bridged() {
	ifectl "$@" --bridge "unix:$STACK/bridge.sock"
}
