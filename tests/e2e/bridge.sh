# Sourced by the bridge's cases after lib.sh: Asterisk as gateway and council in the test bed's
# root, ife-bridge at its AMI.
# shellcheck shell=bash

BRIDGE_BIN=${BRIDGE_BIN:-$IFE_BIN/ife-bridge}
# The test bed's Asterisks have two addresses of the loopback, and so all parties are there.
stack_addresses
GATEWAY_IP=127.0.0.2 COUNCIL_IP=127.0.0.3
TESTBED=$STACK/testbed
BACKEND=${BACKEND:-confbridge}

# The test bed's addresses and ports, for scripts/testbed.sh.
testbed() {
	GATEWAY_IP=$GATEWAY_IP COUNCIL_IP=$COUNCIL_IP GATEWAY_SIP_PORT=$GATEWAY_PORT \
		KAMAILIO_IP=$PROXY_IP KAMAILIO_PORT=$SIP_PORT BACKEND=$BACKEND \
		"$IFE_ROOT/scripts/testbed.sh" "$1" "$TESTBED_SUITE" "$TESTBED"
}

# TESTBED_SUITE names a Debian suite for Asterisk's root; otherwise it is the newest that can be
# had.
testbed_suite() {
	if [ -n "${TESTBED_SUITE:-}" ]; then
		testbed root >"$STACK/log/testbed.log" 2>&1
	else
		TESTBED_SUITE=$("$IFE_ROOT/scripts/testbed.sh" suite 2>"$STACK/log/testbed.log")
	fi || die "no root for Asterisk: $(tail -1 "$STACK/log/testbed.log")"
}

# Asterisk leaves nothing mounted, however the case ends.
bridge_finish() {
	local rc=$?
	[ -z "${TESTBED_SUITE:-}" ] || testbed stop >>"$STACK/log/testbed.log" 2>&1
	(exit "$rc")
	finish
}
trap bridge_finish EXIT

# Keys, registry, witness, Kamailio, Asterisk and the bridge; experts as `start` has them.
# BRIDGE_MORE is added to the configuration.
start_with_bridge() {
	printf '1 sip:%s:%s 0 20\n' "$GATEWAY_IP" "$GATEWAY_PORT" >"$STACK/dispatcher.list"
	KEYS="guard-2026a ${KEYS:-}" start "$@"
	testbed_suite
	testbed start >>"$STACK/log/testbed.log" 2>&1 ||
		die "Asterisk does not start: $(tail -3 "$STACK/log/testbed.log")"
	bridge_config >"$STACK/bridge.yaml"
	bridge_start
}

# A case may define agents_more for further entries of the configuration's list.
agents_more() { :; }

bridge_config() {
	cat <<-YAML
		node: node1
		state_dir: $STATE
		store_dir: store
		registry: registry.yaml
		witness: required
		ami: {address: "$GATEWAY_IP:${AMI_PORT:-5038}", username: ife-bridge, secret_file: testbed/ami-secret${AMI_MORE:-}}
		council:
		  aor: "sip:$COUNCIL"
		  signing_key: keys/council-2026a.key
		  backend: $BACKEND
		  mcu_peer: mcu-7f3a
		  mcu_alias: ${MCU_ALIAS:-council}
		  guardians: [${GUARDIANS:-}]
		calls: {expert_max: ${CALLS_MAX:-50}, council_max: ${CALLS_MAX:-50}, total_max: ${CALLS_MAX:-50}, h323_legs_max: ${CALLS_MAX:-50}, ring_s: ${RING_S:-30}}
		listen: {unix: bridge.sock${LISTEN_MORE:-}}
		agents: [{id: "if://agent/guard", kid: guard-2026a, public_key: "${PUBLIC[guard-2026a]}"}$(agents_more)]
		${BRIDGE_MORE:-}
	YAML
}

bridge_start() {
	proc_start bridge "$BRIDGE_BIN" --log "${BRIDGE_LOG:-info}" run --config "$STACK/bridge.yaml"
	wait_until 15 bridge_ready_or_gone
	bridge_ready || stack_fail bridge "ife-bridge did not get ready"
}

bridge_ready_or_gone() { proc_gone bridge || bridge_ready; }
bridge_ready() { [ "$(api_status GET /readyz)" = 200 ]; }

# api METHOD PATH [BODY]: the answer's body. api_status: its status.
api() { api_call "$@" -o -; }
api_status() { api_call "$@" -o /dev/null -w '%{http_code}'; }
api_call() {
	local method=$1 path=$2 body=()
	shift 2
	case ${1:-} in "{"*)
		body=(-H 'Content-Type: application/json' --data-binary "$1")
		shift
		;;
	esac
	curl -s --max-time 60 --unix-socket "${BRIDGE_SOCK:-$STACK/bridge.sock}" -X "$method" \
		"http://bridge$path" "${body[@]}" "$@"
}

# escalation ID TRACE HAZARD [ROOM]: a signed IFMessage.
escalation() { python3 "$IFE_ROOT/tests/e2e/ifmessage.py" "$STACK/keys/guard-2026a.key" "$@"; }

# expect_call CALL_ID STATE: within some seconds.
expect_call() {
	wait_until "${3:-10}" call_is "$1" "$2"
	expect "state of $1" "$2" "$(api GET "/v1/calls/$1" | jq -r .sip_call_state)"
}
call_is() { [ "$(api GET "/v1/calls/$1" | jq -r .sip_call_state)" = "$2" ]; }

# expect_room ROOM COUNT: so many participants, within some seconds; 0 when there is no such room.
expect_room() {
	wait_until 10 room_has "$1" "$2"
	expect "participants of $1" "$2" "$(room_count "$1")"
}
room_count() { api GET "/v1/rooms/$1" | jq -r '.participant_count // 0'; }
room_has() { [ "$(room_count "$1")" = "$2" ]; }

# Calls that Asterisk itself has, by its own account: gateway or council.
asterisk_cli() {
	local name=$1
	shift
	chroot "$IFE_TARGET/testbed/root-$TESTBED_SUITE" asterisk -C "$TESTBED/$name/etc/asterisk.conf" \
		-rx "$*"
}
channels_at() { asterisk_cli "$1" core show channels count | awk '/active channel/ {print $1}'; }
channels_are() { [ "$(channels_at "$1")" = "$2" ]; }
expect_channels() {
	wait_until 10 channels_are "$1" "$2"
	expect "channels of the $1" "$2" "$(channels_at "$1")"
}

# requests_are NAME METHOD COUNT: so many requests of that method at an expert.
requests_are() { [ "$(grep -ac "^$2 " "$STACK/captures/$1.msg")" = "$3" ]; }

# testbed_kill NAME: an Asterisk dies without a word.
testbed_kill() {
	kill -KILL "$(cat "$TESTBED/$1.pid")"
	wait_until 5 testbed_gone "$1"
}
testbed_gone() { ! kill -0 "$(cat "$TESTBED/$1.pid")" 2>/dev/null; }

# story TRACE: the log's events of a trace as producer:EVENT, without Kamailio's worker numbers.
story() {
	log_entries | jq -r --arg trace "$1" \
		'select(.trace_id == $trace) | (.producer | sub("-[^-]*$"; "")) + ":" + .event' | xargs
}
