# Sourced by the part `containers` after the cases' libraries: the deployment of compose.yaml, and
# calls through it.
# shellcheck shell=bash

DEPLOYMENT=$WORK/deployment
SERVICES=(witnessd kamailio asterisk bridge)
# Of deployment.sh.
NET=172.31.86

# step NAME COMMAND: one line of the results.
step() {
	local before=$FAILURES ok=true
	NOTE=
	printf '%s\n' "$1"
	"$2"
	[ "$FAILURES" = "$before" ] || ok=false
	result "$1" 1 0 0 0 "$ok" "$NOTE"
}

compose() { (cd "$DEPLOYMENT" && "$IFE_ROOT/tests/containers/compose.sh" -p if-escalate "$@"); }
# inside SERVICE COMMAND...
inside() { podman exec "if-escalate_$1_1" "${@:2}"; }
# tool ARG ...: the command line, in its container.
tool() { compose --profile tools run --rm -T ifectl "$@"; }
volume() { podman volume inspect -f '{{.Mountpoint}}' "if-escalate_$1"; }

# The operator's steps of docs/containers.md: lay out, registry and bridge, begin the log, start.
deploy() {
	local service
	stack_keys council-2026a guard-2026a safety-2026a ethics-2026a
	expect_ok "deployment.sh" lay_out
	# The remains of a killed run.
	compose down -v >"$STACK/log/compose.log" 2>&1
	PUBLIC[bridge-2026a]=$(grep -o 'ed25519:[^"]*' "$STACK/log/deployment.log")
	registry >"$DEPLOYMENT/etc/registry.yaml"
	# No guardian is there to be called.
	sed -i -e 's/^  guardians:$/  guardians: []/' -e '/^    - {name: guardian-/d' \
		-e "s|\(kid: guard-2026a, public_key: \)\"[^\"]*\"|\1\"${PUBLIC[guard-2026a]}\"|" \
		"$DEPLOYMENT/etc/bridge.yaml"
	expect_ok "the log is begun" compose run --rm -T witnessd init
	expect_ok "up" compose up -d "${SERVICES[@]}"
	LOG_DIR=$(volume witness)
	for service in "${SERVICES[@]}"; do
		expect_ready "$service"
	done
	parties
}

lay_out() {
	IFECTL=$IFE_BIN/ifectl "$IFE_ROOT/packaging/containers/deployment.sh" "$DEPLOYMENT" \
		>"$STACK/log/deployment.log" 2>&1
}

registry() {
	local signer="{kid: bridge-2026a, public_key: \"${PUBLIC[bridge-2026a]}\", covers: [base]}"
	stack_registry | sed "/kid: council-2026a/a \\      - $signer"
}

ready() { inside "$1" ready >/dev/null 2>&1; }

expect_ready() {
	wait_until 60 ready "$1" ||
		fail "$1 is not ready: $(podman logs --tail 15 "if-escalate_$1_1" 2>&1)"
}

# Caller and expert have addresses of the services' network, on this side of it. A bridge that takes
# its own hardware address from its ports forgets those of others when a port comes or goes: with an
# address of its own, this side keeps its knowledge, as other hosts do.
parties() {
	local device
	device=$(ip -o -4 addr show | awk -v net="$NET.1/" 'index($4, net) == 1 { print $2 }')
	[ -n "$device" ] || die "no network of the services"
	ip link set "$device" address 02:00:00:00:00:01
	ip addr add "$CALLER_IP/24" dev "$device"
	ip addr add "$EXPERT_IP/24" dev "$device"
	stack_expert safety "$EXPERT_PORT" uas
}

# The limits of compose.yaml hold for each container.
as_said() {
	local service
	for service in "${SERVICES[@]}"; do container_is_confined "$service"; done
	expect "time to stop" "$(stop_times ife-witnessd ife-bridge)" \
		"$(sed -n 's/s$//; s/^ *stop_grace_period: //p' "$DEPLOYMENT/compose.yaml" | xargs)"
	expect "the volume in memory" tmpfs "$(inside kamailio stat -f -c %T /run/if-escalate)"
	expect_fails "AMI from another container" "refused|unreachable" \
		inside kamailio bash -c "exec 3<>/dev/tcp/$GATEWAY_IP/5038"
	expect "chan_ooh323" 1 \
		"$(asterisk_says 'module show like ooh323' | grep -c 'chan_ooh323.so.*Running')"
}

asterisk_says() {
	inside asterisk asterisk -C /var/lib/if-escalate/asterisk/etc/asterisk.conf -rx "$1"
}

container_is_confined() {
	local service=$1 name=if-escalate_$1_1
	[ "$(inside "$service" id -u)" != 0 ] || fail "$service runs as root"
	expect "group of $service" if-escalate "$(inside "$service" id -gn)"
	expect "capabilities of $service" 0000000000000000 \
		"$(inside "$service" sed -n 's/^CapEff:\t//p' /proc/self/status)"
	expect "read-only root of $service" true \
		"$(podman inspect -f '{{.HostConfig.ReadonlyRootfs}}' "$name")"
	expect_fails "$service writes into its image" "Read-only|denied" \
		inside "$service" touch /usr/here
	expect "secrets in the image of $service" "" "$(secrets_in "$name")"
}

# Volumes are other file systems.
secrets_in() {
	podman exec -u 0 "$1" find / -xdev -type f \
		\( -name '*.key' -o -name '*-secret' -o -name '*-token' \) 2>/dev/null
}

# The units' own times.
stop_times() {
	local unit
	for unit in "$@"; do
		sed -n 's/^TimeoutStopSec=//p' "$IFE_ROOT/docs/examples/systemd/$unit.service"
	done | xargs
}

# At the gate: approved, unsigned, replayed. A signed request is sent at once: its signature is
# fresh for 60 seconds.
calls() {
	local signed
	signed=$(stack_sign council-2026a "$COUNCIL" "$SAFETY" safety)
	raw_request "$STACK/signed.sip" INVITE "signed-$SECONDS@caller" "$signed"
	expect "approved" 200 "$(final_code "$STACK/signed.sip")"
	raw_request "$STACK/replayed.sip" INVITE "replayed-$SECONDS@caller" "$signed"
	expect "replayed" 403 "$(final_code "$STACK/replayed.sip")"
	raw_request "$STACK/unsigned.sip" INVITE "unsigned-$SECONDS@caller" \
		"$(jq '.signature = "v=1"' <<<"$signed")" '/^X-IF-Signature/d'
	expect "unsigned" 428 "$(final_code "$STACK/unsigned.sip")"
}

# From the agent's message, by bridge, Asterisk and gate, to the expert in the room; and one that
# the policy refuses.
escalations() {
	expect_ok "escalation" escalate safety
	wait_log 1 '.event == "COUNCIL_JOIN"' || fail "nobody is in the room"
	expect_fails "an expert who is not for that hazard" "POLICY_REJECTED|hazard" \
		escalate safety --expert "$ETHICS"
}

# escalate HAZARD [IFECTL ARG ...]: as the council's agent.
escalate() {
	ifectl escalate --bridge "unix:$(volume state)/bridge.sock" --source if://agent/guard \
		--key "$STACK/keys/guard-2026a.key" --wait --hazard "$@"
}

# Each service is started anew, the volumes stay: spent signatures are spent, the log goes on.
restarts() {
	local service
	for service in kamailio witnessd asterisk bridge; do
		expect_ok "restart of $service" podman restart "if-escalate_${service}_1"
		expect_ready "$service"
	done
	expect "replayed after the restart" 403 "$(final_code "$STACK/replayed.sip")"
	calls
	expect_ok "escalation after the restarts" escalate safety
	podman kill --signal KILL if-escalate_witnessd_1 >/dev/null
	expect_ok "the writer after a kill" podman start if-escalate_witnessd_1
	expect_ready witnessd
}

# All that was approved is in the log, and the log is whole.
log_is_whole() {
	wait_log 3 '.event == "APPROVED"' || fail "calls are missing in the log"
	expect_ok "ifectl verifies the log in its container" tool witness verify \
		--log /var/lib/if-escalate/witness --vkey /var/lib/if-escalate/keys/witness.vkey
	cp "$(volume witness-keys)/witness.vkey" "$STACK/witness.vkey"
	stack_verify_quietly
	NOTE="$(log_entries | wc -l) entries"
}

close() {
	log_entries >"$STACK/log/entries"
	podman logs if-escalate_kamailio_1 >"$STACK/log/kamailio.log" 2>&1
	podman logs if-escalate_witnessd_1 >"$STACK/log/witnessd.log" 2>&1
	compose down -v -t 20 >>"$STACK/log/compose.log" 2>&1
	podman_gone
}
