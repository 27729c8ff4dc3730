#!/usr/bin/env bash
# Starts the demo's deployment and leaves it running; `make down` stops it.
set -uo pipefail
. "$(dirname "$0")/lib/demo-stack.sh"

UP=${IFE_UP_DIR:-$IFE_TARGET/up}

main() {
	alone "make up" "$UP.lock"
	if stack_load "$UP" && proc_alive kamailio; then
		die "already running in ${UP#"$IFE_ROOT/"} (make down stops it)"
	fi
	if stack_load "$UP"; then demo_close; fi
	trap 'demo_close' EXIT
	trap 'note "Stopping all that runs"; exit 130' INT TERM
	WELL_KNOWN_PORTS=1 demo_stack "$UP" "${IFE_NET:-}"
	if bridge_possible; then bridge_stack; fi
	trap - EXIT
	announce
}

announce() {
	local ifectl=${IFE_BIN#"$IFE_ROOT/"}/ifectl up=${UP#"$IFE_ROOT/"}
	cat <<-TEXT
		IF.ESCALATE is up.

		  SIP (UDP and TCP)   127.0.0.1:$SIP_PORT
		  JSON-RPC (UDP)      127.0.0.1:$RPC_PORT
		  metrics (HTTP)      http://127.0.0.1:$HTTP_PORT/metrics
		  registry            $up/registry.yaml
		  private keys        $up/keys/
		  witness log         $up/witness   verifier key: $up/witness.vkey
		  state (tmpfs)       $STATE
	TEXT
	if bridge_possible; then announce_bridge "$up"; fi
	cat <<-TEXT

		Try a call through the gate:
		  scripts/call.sh $SECURITY security
		  $ifectl witness verify --log $up/witness --vkey $up/witness.vkey
		  python3 scripts/lib/siptool.py rpc $RPC_PORT ife.stats
	TEXT
	if bridge_possible; then
		try_bridge "$ifectl" "$up"
	else
		printf '\n%s\n%s\n' \
			"Asterisk and the bridge are not started: only root can make and enter" \
			"Asterisk's root directory. As root (or with sudo), make up starts them too."
	fi
	printf '\nmake down stops it.\n'
}

announce_bridge() {
	cat <<-TEXT
		  bridge's API        $1/bridge.sock, and http://127.0.0.1:$API_PORT
		  operator's page     http://127.0.0.1:$API_PORT/ui/   token: $1/keys/bridge-token
		  Asterisk            gateway $GATEWAY_IP, council $COUNCIL_IP
	TEXT
}

try_bridge() {
	cat <<-TEXT

		Try the way to the council's conference:
		  export IFE_BRIDGE=unix:$2/bridge.sock IFE_AGENT=$AGENT IFE_AGENT_KEY=$2/keys/guard-2026a.key
		  $1 escalate --hazard security ${EVIDENCE[*]/#/--evidence } --trace-id my-first-escalation --wait
		  $1 rooms
		  $1 calls
		  $1 hangup my-first-escalation
		  $1 witness show --log $2/witness --vkey $2/witness.vkey --trace my-first-escalation
	TEXT
}

main "$@"
