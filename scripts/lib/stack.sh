# One deployment: keys, registry, ife-witnessd, Kamailio with the shipped kamailio.cfg, sipp as
# experts and callers; on loopback, or in a network of the caller. Sourced by the demo, `make up`
# and the end-to-end cases. All files are under $STACK except the state directory, which must be
# tmpfs.
# shellcheck shell=bash

. "$(dirname "${BASH_SOURCE[0]}")/../env.sh"
. "$IFE_ROOT/scripts/lib/proc.sh"

SIPP_DIR=$IFE_ROOT/tests/sipp
COUNCIL=council@council.example
SAFETY=expert-safety@external.advisor
ETHICS=expert-ethics@external.advisor
SECURITY=expert-security@external.advisor
QUOTA_WIDE='{per_minute: 100000, concurrent: 10000, max_call_s: 3600}'

# IFE_INSTALLED: programs and module of the installed packages, in the place of the build's.
use_installed() {
	IFE_BIN=$(type -P ifectl) && [ -x "${IFE_BIN%/*}/ife-witnessd" ] ||
		die "ifectl and ife-witnessd are not installed; install the packages (docs/operations.md)"
	IFE_BIN=${IFE_BIN%/*}
	IFE_MODULE_DIR=$(kamailio_modules)
	[ -f "$IFE_MODULE_DIR/if_escalate.so" ] ||
		die "the module is not installed; install kamailio-if-escalate-modules (docs/operations.md)"
	[ "$(id -u)" != 0 ] || [ -x "$IFE_BIN/ife-bridge" ] ||
		die "ife-bridge is not installed; install its package (docs/operations.md)"
}

siptool() { python3 "$IFE_ROOT/scripts/lib/siptool.py" "$@"; }
ifectl() { "$IFE_BIN/ifectl" "$@"; }

# stack_addresses [NET]: sets an address for each party, in the /24 network NET ("198.51.100") of
# this host. Without NET all share the loopback, except addresses that must differ from the
# caller's.
# shellcheck disable=SC2120
stack_addresses() {
	if [ -n "${1:-}" ]; then
		PROXY_IP=$1.1
		CALLER_IP=$1.16 CALLER2_IP=$1.17 COUNCIL_NET=$1.16/28
		GATEWAY_IP=$1.20 GATEWAY2_IP=$1.21
		EXPERT_IP=$1.33 ETHICS_IP=$1.34 SPARE_IP=$1.35
		STRANGER_IP=$1.65
	else
		PROXY_IP=127.0.0.1
		CALLER_IP=127.0.0.1 CALLER2_IP=127.0.0.3 COUNCIL_NET=127.0.0.0/8
		GATEWAY_IP=127.0.0.1 GATEWAY2_IP=127.0.0.1
		EXPERT_IP=127.0.0.1 ETHICS_IP=127.0.0.1 SPARE_IP=127.0.0.1
		STRANGER_IP=127.0.0.7
	fi
}
stack_addresses

# address_of PORT: prints the address of the party with this port.
address_of() {
	case $1 in
	"$EXPERT_PORT") echo "$EXPERT_IP" ;;
	"$ETHICS_PORT") echo "$ETHICS_IP" ;;
	"$GATEWAY_PORT") echo "$GATEWAY_IP" ;;
	"$GATEWAY2_PORT") echo "$GATEWAY2_IP" ;;
	"$CALLER_PORT") echo "$CALLER_IP" ;;
	"$SPARE_PORT") echo "$SPARE_IP" ;;
	*) echo "$PROXY_IP" ;;
	esac
}

# stack_new DIR: makes an empty deployment in DIR and chooses ports, 5060 to 5069 with
# WELL_KNOWN_PORTS.
stack_new() {
	STACK=$1
	rm -rf "$STACK"
	mkdir -p "$STACK"/{keys,log,run,captures,sipp,kamailio-run}
	chmod 700 "$STACK/keys"
	stack_state_dir
	stack_ports
	stack_save
}

# Saves the variables for later shells (make down, helpers of a case).
stack_save() {
	{
		declare -p STACK STATE STATE_MOUNTED SIP_PORT TLS_PORT RPC_PORT HTTP_PORT
		declare -p EXPERT_PORT ETHICS_PORT GATEWAY_PORT GATEWAY2_PORT CALLER_PORT SPARE_PORT
		declare -p PROXY_IP CALLER_IP CALLER2_IP EXPERT_IP ETHICS_IP GATEWAY_IP GATEWAY2_IP
		declare -p SPARE_IP STRANGER_IP COUNCIL_NET IFE_BIN
	} | sed 's/^declare -[-x]/declare -g/' >"$STACK/stack.env"
}

# stack_load DIR: loads a deployment of another shell.
stack_load() {
	[ -f "$1/stack.env" ] || return 1
	. "$1/stack.env"
}

# Workers map rings and policy state: a store to a page on a disk may stall, so tmpfs is required.
stack_state_dir() {
	local dir
	STATE='' STATE_MOUNTED=''
	for dir in /dev/shm /run; do
		if [ -w "$dir" ] && [ "$(stat -f -c %T "$dir" 2>/dev/null)" = tmpfs ]; then
			STATE=$(mktemp -d "$dir/if-escalate.XXXXXX")
			return
		fi
	done
	[ "$(id -u)" = 0 ] || die "no tmpfs at /dev/shm or /run, and only root can mount one"
	STATE=$STACK/state
	mkdir -p "$STATE"
	mount -t tmpfs -o size=256m,mode=700 if-escalate "$STATE" ||
		die "cannot mount a tmpfs at $STATE"
	STATE_MOUNTED=1
}

stack_ports() {
	local ports=()
	if [ -n "${WELL_KNOWN_PORTS:-}" ]; then
		mapfile -t ports < <(siptool ports 10 5060 5069 2>/dev/null | sort)
	fi
	[ "${#ports[@]}" = 10 ] ||
		mapfile -t ports < <(siptool ports 10 "${IFE_PORT_FIRST:-15000}" "${IFE_PORT_LAST:-15999}")
	[ "${#ports[@]}" = 10 ] || die "not enough free ports"
	SIP_PORT=${ports[0]} TLS_PORT=${ports[1]} RPC_PORT=${ports[2]} HTTP_PORT=${ports[3]}
	EXPERT_PORT=${ports[4]} ETHICS_PORT=${ports[5]} CALLER_PORT=${ports[8]} SPARE_PORT=${ports[9]}
	GATEWAY_PORT=${ports[6]} GATEWAY2_PORT=${ports[7]}
}

# Stops the processes and removes the state directory; the files under $STACK stay.
stack_close() {
	[ -n "${STACK:-}" ] || return 0
	proc_stop_all
	if [ -n "${STATE_MOUNTED:-}" ]; then umount "$STATE" 2>/dev/null; fi
	case "${STATE:-}" in
	/dev/shm/if-escalate.* | /run/if-escalate.* | "$STACK"/state) rm -rf "$STATE" ;;
	esac
	rm -f "$STACK/stack.env"
}

# stack_key KID: makes a key pair; the private half in keys/KID.key, the public one on stdout.
stack_key() {
	ifectl keygen --kid "$1" --out "$STACK/keys/$1.key" --json | jq -r .public_key
}

# stack_keys KID...: sets PUBLIC[KID].
stack_keys() {
	local kid
	declare -gA PUBLIC
	for kid in "$@"; do
		PUBLIC[$kid]=$(stack_key "$kid")
		[ -n "${PUBLIC[$kid]}" ] || die "ifectl keygen $kid failed"
	done
}

# Prints the registry of most cases; experts come last, so that a case may append more. QUOTA,
# ETHICS_QUOTA, FLOOD_RATE and FLOOD_BURST set its limits.
stack_registry() {
	cat <<-YAML
		version: 1
		freshness_s: 60
		flood: {rate_per_s: ${FLOOD_RATE:-100000}, burst: ${FLOOD_BURST:-100000}}
		default_expert: $SAFETY
		hazards:
		  - {name: safety, description: harm to life or health}
		  - {name: alignment, description: an agent acts against its principals}
		  - {name: ethics, description: a moral question that the council must not judge alone}
		  - {name: security, description: a breach or an exploitable weakness}
		councils:
		  - domain: council.example
		    aors: ["sip:$COUNCIL", "sip:deputy@council.example"]
		    sources: [$COUNCIL_NET]
		    transports: [udp, tcp, tls]
		    signers:
		      - {kid: council-2026a, public_key: "${PUBLIC[council-2026a]}", covers: [base]}
		experts:
	YAML
	registry_expert "$SAFETY" "$EXPERT_PORT" "safety, alignment" safety-2026a
	QUOTA=${ETHICS_QUOTA:-${QUOTA:-}} registry_expert "$ETHICS" "$ETHICS_PORT" ethics ethics-2026a
}

# registry_expert AOR PORT HAZARDS KID [YAML LINE ...]: EXPERT_TRANSPORT (";transport=tcp") is added
# to the contact. EXPERT_CONTACT and EXPERT_SOURCES replace the defaults from the port. To answer is
# to accept, unless ACCEPTANCE is set otherwise.
registry_expert() {
	local aor=$1 port=$2 hazards=$3 kid=$4 ip
	shift 4
	ip=$(address_of "$port")
	cat <<-YAML
		  - id: $aor
		    name: ${aor%%@*}
		    aors: ["sip:$aor"]
		    contact: "${EXPERT_CONTACT:-sip:${aor%%@*}@$ip:$port${EXPERT_TRANSPORT:-}}"
		    hazards: [$hazards]
		    sources: [${EXPERT_SOURCES:-$(network_of "$ip")}]
		    transports: [udp, tcp, tls]
		    acceptance: ${ACCEPTANCE:-none}
		    quota: ${QUOTA:-$QUOTA_WIDE}
		    signers:
		      - {kid: $kid, public_key: "${PUBLIC[$kid]}", covers: [base]}
	YAML
	if [ $# != 0 ]; then printf '    %s\n' "$@"; fi
}

# network_of ADDRESS: prints the address, or the loopback network.
network_of() {
	case $1 in
	127.*) echo 127.0.0.0/8 ;;
	*) echo "$1" ;;
	esac
}

stack_start_witnessd() {
	stack_run_witnessd "$@"
	wait_until 15 witnessd_ready_or_gone
	witnessd_ready || stack_fail witnessd "ife-witnessd did not get ready"
}

# The process alone, ready or not.
stack_run_witnessd() {
	proc_start witnessd "$IFE_BIN/ife-witnessd" --init \
		--log-dir "${LOG_DIR:-$STACK/witness}" --state-dir "$STATE" \
		--origin "${ORIGIN:-witness.example/escalate}" --node node1 \
		--key "$STACK/keys/witness.key" --cosigner-key "$STACK/keys/cosigner.key" \
		--vkey-out "$STACK/witness.vkey" "$@"
}

witnessd_ready_or_gone() { proc_gone witnessd || witnessd_ready; }

# Ready: the status file has this process as running, and there is a checkpoint.
witnessd_ready() {
	local pid
	pid=$(proc_pid witnessd) && [ -s "$STACK/witness.vkey" ] &&
		[ -s "${LOG_DIR:-$STACK/witness}/checkpoint" ] && witnessd_says running "$pid"
}

# witnessd_says STATE [PID]: whether the status file, renewed once a second, has this state.
witnessd_says() {
	[ "$(jq -r '"\(.state) \(.pid)"' "$STATE/witnessd.json" 2>/dev/null)" = \
		"$1 ${2:-$(proc_pid witnessd)}" ]
}

# stack_start_kamailio [KAMAILIO ARG ...]: starts the shipped configuration, or KAMAILIO_CFG, in the
# foreground of its own session, with settings by define.
stack_start_kamailio() {
	local file=${KAMAILIO_CFG:-$IFE_ROOT/kamailio.cfg}
	kamailio_args "$@"
	proc_start kamailio kamailio -DD -E -f "$file" -Y "$STACK/kamailio-run" \
		-m "${KAMAILIO_SHM_MB:-64}" -M 16 "${KAMAILIO_ARGS[@]}"
	wait_until 20 kamailio_ready_or_gone
	kamailio_ready >/dev/null 2>&1 || stack_fail kamailio "Kamailio did not get ready"
}

# kamailio_args [KAMAILIO ARG ...]: sets KAMAILIO_ARGS. A define among the arguments replaces the
# default, because Kamailio accepts each define once.
kamailio_args() {
	local define given=" $* "
	[ -f "$STACK/dispatcher.list" ] || stack_dispatcher >"$STACK/dispatcher.list"
	KAMAILIO_ARGS=(-L "$(kamailio_modules):$IFE_MODULE_DIR")
	for define in "SIP_ADDR=$PROXY_IP" ${PIKE_DENSITY:+"PIKE_DENSITY=$PIKE_DENSITY"} \
		"SIP_PORT=$SIP_PORT" "TLS_PORT=$TLS_PORT" WORKERS=4 \
		"RPC_SOCKET=\"udp:127.0.0.1:$RPC_PORT\"" WITH_METRICS "METRICS_PORT=$HTTP_PORT" \
		"REGISTRY=\"$STACK/registry.yaml\"" "STATE_DIR=\"$STATE\"" "NODE=\"node1\"" \
		"GATEWAYS=\"$STACK/dispatcher.list\""; do
		[[ $given == *" ${define%%=*}="* ]] || KAMAILIO_ARGS+=(-A "$define")
	done
	KAMAILIO_ARGS+=("$@")
}

# Prints the directory of the modules of the Kamailio in PATH.
kamailio_modules() { kamailio -I | sed -n 's/^ *Default paths to modules: *//p'; }

# Set 1: the H.323 gateways, the first one preferred.
stack_dispatcher() {
	printf '1 sip:%s:%s 0 20\n1 sip:%s:%s 0 10\n' \
		"$GATEWAY_IP" "$GATEWAY_PORT" "$GATEWAY2_IP" "$GATEWAY2_PORT"
}

kamailio_ready_or_gone() { proc_gone kamailio || kamailio_ready; }

kamailio_ready() {
	proc_alive kamailio && siptool rpc "$RPC_PORT" core.uptime --timeout 0.5
}

rpc() { siptool rpc "$RPC_PORT" "$@"; }

# stack_expert NAME PORT SCENARIO [SIPP ARG ...]: starts sipp as a callee at the port's address.
# SCENARIO is a name in tests/sipp or a path.
stack_expert() { stack_expert_at "$1" "$(address_of "$2")" "${@:2}"; }

# stack_expert_at NAME ADDRESS PORT SCENARIO [SIPP ARG ...]: the same at a given address. Without
# its watchdog, which ends sipp after ten stalls of three seconds of a busy machine.
stack_expert_at() {
	local name=$1 ip=$2 port=$3 scenario=$4
	shift 4
	case $scenario in */*) ;; *) scenario=$SIPP_DIR/$scenario.xml ;; esac
	proc_start "$name" bash -c 'cd "$1" && shift && exec "$@"' expert "$STACK/sipp" \
		sipp -sf "$scenario" -i "$ip" -p "$port" -nostdin -aa -watchdog_interval 0 \
		-trace_msg -message_file "$STACK/captures/$name.msg" \
		-trace_logs -log_file "$STACK/log/$name.actions" \
		-trace_err -error_file "$STACK/log/$name.err" "$@"
	wait_until 5 port_taken "$port" || stack_fail "$name" "sipp did not open port $port"
}

port_taken() { ! siptool ports 1 "$1" "$1"; }

# stack_sign KEY FROM TO HAZARD [IFECTL ARG ...]: prints JSON with trace_id and signature, one line
# per --count.
stack_sign() {
	local key=$1 from=$2 to=$3 hazard=$4
	shift 4
	ifectl sign --json --key "$STACK/keys/$key.key" --from "sip:$from" --to "sip:$to" \
		--hazard "$hazard" "$@"
}

# csv_lines FROM TO EXPECTED: converts stack_sign's JSON to lines for sipp -inf. sipp also splits at
# the semicolons of the signature; the scenario restores them.
csv_lines() {
	jq -r --arg from "$1" --arg to "$2" --arg expected "$3" \
		'[$from, $to, .trace_id, .hazard, .signature, $expected] | join(";")'
}

# signed_csv FILE EXPECTED KEY FROM TO HAZARD [IFECTL ARG ...]: appends calls to a CSV.
signed_csv() {
	local file=$1 expected=$2
	shift 2
	[ -s "$file" ] || echo SEQUENTIAL >"$file"
	stack_sign "$@" | csv_lines "$2" "$3" "$expected" >>"$file"
}

# Prints the body of the callers' scenarios, as sent.
sipp_body() { sed -n '/^v=0/,/^]]>/{/^]]>/q;p}' "$SIPP_DIR/uac.xml" | sed 's/$/\r/'; }

# stack_calls NAME SCENARIO CSV [SIPP ARG ...]: dials every line of the CSV once; outcomes in
# captures/NAME.outcomes. SCENARIO is a name in tests/sipp or a path. Call-IDs are
# N.NAME@caller.example, N from 1. A provisional reply after the final one, from a busy proxy, does
# not end a call (-abortunexp).
stack_calls() {
	local name=$1 scenario=$2 csv=$3 rc=0
	shift 3
	case $scenario in */*) ;; *) scenario=$SIPP_DIR/$scenario.xml ;; esac
	(
		cd "$STACK/sipp" || exit 1
		timeout --foreground -k 5 "${CALLS_TIMEOUT_S:-120}" \
			sipp -sf "$scenario" "${CALL_IP:-$PROXY_IP}:${CALL_PORT:-$SIP_PORT}" \
			-i "$CALLER_IP" -p "$CALLER_PORT" -inf "$csv" -m "$(($(wc -l <"$csv") - 1))" \
			-r 50 -d 100 -nostdin -default_behaviors all,-abortunexp -watchdog_interval 0 \
			-cid_str "%u.$name@caller.example" \
			-trace_msg -message_file "$STACK/captures/$name.msg" \
			-trace_err -error_file "$STACK/log/$name.err" "$@" \
			>"$STACK/log/$name.log" 2>&1 </dev/null
	) || rc=$?
	siptool outcomes "$STACK/captures/$name.msg" >"$STACK/captures/$name.outcomes"
	return "$rc"
}

# stack_fail NAME WHY: prints the end of the log NAME and ends the script.
stack_fail() {
	printf 'error: %s; the end of %s:\n' "$2" "$STACK/log/$1.log" >&2
	tail -n 25 "$STACK/log/$1.log" >&2
	exit 1
}

log_entries() { siptool entries "${LOG_DIR:-$STACK/witness}"; }

# log_count JQ_CONDITION: prints the number of matching entries.
log_count() { log_entries | jq -s "map(select($1)) | length"; }

log_has() { [ "$(log_count "$2")" -ge "$1" ]; }

# wait_log COUNT JQ_CONDITION: waits, because entries reach the public log after the call.
wait_log() { wait_until 10 log_has "$1" "$2"; }

# Verifies the log from its public files and the verifier key.
stack_verify() {
	ifectl witness verify --log "${LOG_DIR:-$STACK/witness}" --vkey "$STACK/witness.vkey" "$@"
}

[ -z "${IFE_INSTALLED:-}" ] || use_installed
