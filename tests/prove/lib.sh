# Sourced by the parts that run the proxy: addresses, a deployment, its supervision, and where
# results go.
# shellcheck shell=bash
set -uo pipefail

PROVE_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$PROVE_HERE/../../scripts/lib/stack.sh"
. "$PROVE_HERE/result.sh"

# Everybody has addresses of documentation (RFC 5737), none of them loopback's and none private:
# what depends on those shows itself. THIRD is where nothing may ever go; names resolve to it.
PROXY_IP=192.0.2.1
CALLER_NET=192.0.2.0/24
CALLER_IPS=(192.0.2.10 192.0.2.11 192.0.2.12 192.0.2.13)
EXPERT_IPS=(198.51.100.10 198.51.100.20 198.51.100.30)
STRANGER_IPS=(203.0.113.10 203.0.113.11 203.0.113.12 203.0.113.13 203.0.113.14 203.0.113.15
	203.0.113.16 203.0.113.17)
THIRD_IP=203.0.113.200
SIP_PORT_FIXED=5060
TLS_PORT_FIXED=5061

# The namespace's addresses, a way out that leads nowhere and can be listened at, and a resolver of
# our own.
prove_network() {
	local ip
	for ip in "$PROXY_IP" "${CALLER_IPS[@]}" "${EXPERT_IPS[@]}" "${STRANGER_IPS[@]}" "$THIRD_IP"; do
		ip addr add "$ip/32" dev lo || die "no address $ip"
	done
	ip link add out0 type veth peer name out1 || die "no veth pair"
	ip link set out0 arp off up
	ip link set out1 up
	ip route add default dev out0 src "$PROXY_IP"
	mount -t tmpfs tmpfs /dev/shm || die "no tmpfs at /dev/shm"
	printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >"$PROVE_DIR/resolv.conf"
	mount --bind "$PROVE_DIR/resolv.conf" /etc/resolv.conf
}

# prove_deployment [KAMAILIO ARG ...]: witness and proxy with the shipped configuration, 64 MB as
# Debian starts it. QUOTA and MAX_CALL_S as in stack.sh; PROVE_WAIT_MS for witness_wait_ms.
prove_deployment() {
	prove_network
	stack_new "$PROVE_DIR/$PROVE_PART"
	SIP_PORT=$SIP_PORT_FIXED TLS_PORT=$TLS_PORT_FIXED
	stack_keys council-2026a safety-2026a ethics-2026a
	prove_registry >"$STACK/registry.yaml"
	printf '1 sip:%s:5060 0 20\n' "${EXPERT_IPS[2]}" >"$STACK/dispatcher.list"
	"$IFE_ROOT/scripts/make-test-ca.sh" "$STACK/tls" >"$STACK/log/ca.log" 2>&1 || die "no test CA"
	# Parts send bursts and streams of one address: shedding and the bound of connections
	# have cases of their own.
	PROVE_ARGS=(-A "SIP_ADDR=$PROXY_IP" -A WITH_TLS -A "TLS_CERT=\"$STACK/tls/server.pem\""
		-A "TLS_KEY=\"$STACK/tls/server.key\"" -A "TLS_CA=\"$STACK/tls/ca.pem\""
		-A SHED_STRANGERS=100 -A SHED_PARTIES=100 -A TCP_PER_STRANGER=128 -A TCP_STRANGER_S=60 "$@")
	[ -z "${PROVE_WAIT_MS:-}" ] || PROVE_ARGS+=(-A "WITNESS_WAIT_MS=$PROVE_WAIT_MS")
	stack_start_witnessd
	prove_kamailio
}

prove_kamailio() {
	KAMAILIO_SHM_MB=64 stack_start_kamailio "${PROVE_ARGS[@]}"
	wait_until 20 all_processes || stack_fail kamailio "its last process is not there"
}

# Kamailio answers before its processes are all there, and parts compare them. This is the last.
all_processes() { rpc core.psx | contains 'tcp main process'; }

prove_registry() {
	cat <<-YAML
		version: 1
		freshness_s: 60
		flood: {rate_per_s: ${FLOOD_RATE:-100000}, burst: ${FLOOD_RATE:-100000}}
		hazards:
		  - {name: safety}
		  - {name: ethics}
		councils:
		  - domain: council.example
		    aors: ["sip:$COUNCIL"]
		    sources: [$CALLER_NET]
		    transports: [udp, tcp, tls]
		    signers:
		      - {kid: council-2026a, public_key: "${PUBLIC[council-2026a]}", covers: [base]}
		experts:
	YAML
	prove_expert "$SAFETY" "${EXPERT_IPS[0]}" safety safety-2026a "$QUOTA_WIDE"
	prove_expert "$ETHICS" "${EXPERT_IPS[1]}" ethics ethics-2026a "${QUOTA:-$QUOTA_WIDE}"
}

# prove_expert AOR IP HAZARD KID QUOTA
prove_expert() {
	cat <<-YAML
		  - id: $1
		    aors: ["sip:$1"]
		    contact: "sip:${1%%@*}@$2:5060"
		    hazards: [$3]
		    sources: [$2/32]
		    transports: [udp, tcp, tls]
		    quota: $5
		    signers:
		      - {kid: $4, public_key: "${PUBLIC[$4]}", covers: [base]}
	YAML
}

# The environment of a part's Python.
prove_env() {
	export STACK STATE IFE_BIN IFE_ROOT PROXY_IP SIP_PORT TLS_PORT RPC_PORT THIRD_IP COUNCIL \
		SAFETY ETHICS SEED SCALE PROVE_RESULTS
	export CALLERS="${CALLER_IPS[*]}" EXPERTS="${EXPERT_IPS[*]}" STRANGERS="${STRANGER_IPS[*]}"
}

# prove_python SCRIPT [ARG ...]
prove_python() {
	prove_env
	PYTHONDONTWRITEBYTECODE=1 python3 "$PROVE_HERE/$1.py" "${@:2}"
}

# prove_log SCRIPT: a part about the log alone, on a disk and a tmpfs of its own.
prove_log() {
	mount -t tmpfs tmpfs /dev/shm || die "no tmpfs at /dev/shm"
	export IFE_BIN IFE_ROOT SEED SCALE PROVE_RESULTS PROVE_DIR
	PYTHONDONTWRITEBYTECODE=1 python3 "$PROVE_HERE/$1.py"
}

# Starts a process again that ends, as systemd would; each start is a line of log/restarts.
supervise() {
	while [ ! -e "$STACK/stop-supervision" ]; do
		if proc_gone witnessd; then
			(stack_start_witnessd) && echo witnessd >>"$STACK/log/restarts"
		fi
		if proc_gone kamailio; then
			# A session that is still being killed holds the ports.
			local pid
			read -r pid _ <"$STACK/run/kamailio.pid" 2>/dev/null && {
				kill -KILL -- "-$pid" 2>/dev/null
				wait_until 5 session_gone "$pid"
			}
			(prove_kamailio) && echo kamailio >>"$STACK/log/restarts"
		fi
		sleep 0.05
	done
}

supervise_begin() {
	: >"$STACK/log/restarts"
	supervise &
	SUPERVISOR=$!
}

supervise_end() {
	touch "$STACK/stop-supervision"
	wait "$SUPERVISOR" 2>/dev/null
	rm -f "$STACK/stop-supervision"
}

prove_finish() {
	local rc=$?
	trap - EXIT
	[ ! -n "${SUPERVISOR:-}" ] || supervise_end
	[ -z "${STACK:-}" ] || stack_close
	umount /etc/resolv.conf 2>/dev/null
	exit "$rc"
}
trap prove_finish EXIT
trap 'exit 130' INT TERM
