#!/usr/bin/env bash
# Starts the demo's deployment and leaves it running; `make down` stops it.
set -uo pipefail
. "$(dirname "$0")/lib/demo-stack.sh"

UP=$IFE_TARGET/up

main() {
	if stack_load "$UP" && proc_alive kamailio; then
		die "already running in target/up (make down stops it)"
	fi
	if stack_load "$UP"; then stack_close; fi
	trap 'stack_close' EXIT
	WELL_KNOWN_PORTS=1 demo_stack "$UP"
	trap - EXIT
	announce
}

announce() {
	cat <<-TEXT
		IF.ESCALATE is up.

		  SIP (UDP and TCP)   127.0.0.1:$SIP_PORT
		  JSON-RPC (UDP)      127.0.0.1:$RPC_PORT
		  metrics (HTTP)      http://127.0.0.1:$HTTP_PORT/metrics
		  registry            target/up/registry.yaml
		  private keys        target/up/keys/
		  witness log         target/up/witness   verifier key: target/up/witness.vkey
		  state (tmpfs)       $STATE

		Try:
		  scripts/call.sh $SECURITY security
		  ${IFE_BIN#"$IFE_ROOT/"}/ifectl witness verify --log target/up/witness --vkey target/up/witness.vkey
		  python3 scripts/lib/siptool.py rpc $RPC_PORT ife.stats

		make down stops it.
	TEXT
}

main "$@"
