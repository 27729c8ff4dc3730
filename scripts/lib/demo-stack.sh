# The deployment that `make demo` and `make up` share: three experts, one council, all on loopback; as root Asterisk and the bridge too. Sourced.
# shellcheck shell=bash

. "$(dirname "${BASH_SOURCE[0]}")/stack.sh"
. "$IFE_ROOT/scripts/lib/bridge-stack.sh"
# The step in which the expert's browser gets the evidence, where there is one: demo_evidence.
if [ -f "$IFE_ROOT/scripts/lib/demo-evidence.sh" ]; then . "$IFE_ROOT/scripts/lib/demo-evidence.sh"; fi

# demo_stack DIR N: everything started but Asterisk and the bridge, ready for calls; N, of IFE_NET, is for bridge_plan.
demo_stack() {
	stack_new "$1"
	stack_keys council-2026a bridge-2026a guard-2026a safety-2026a ethics-2026a security-2026a stranger-2026a
	demo_registry >"$STACK/registry.yaml"
	ifectl registry check "$STACK/registry.yaml" >"$STACK/log/registry-check.log" 2>&1 || stack_fail registry-check "the registry is not valid"
	if bridge_possible; then bridge_plan "$2"; fi
	stack_start_witnessd
	stack_start_kamailio
	stack_expert safety "$EXPERT_PORT" uas
	stack_expert security "$SPARE_PORT" uas
	bridge_possible || stack_expert council-gateway "$GATEWAY_PORT" uas
}

# Stops everything, however far it got.
demo_close() {
	bridge_close
	stack_close
}

# The safety advisor takes one call a minute, so that the demo's second good call to it is over quota. The bridge signs with a key of its own.
demo_registry() {
	QUOTA='{per_minute: 1, concurrent: 1, max_call_s: 3600}' \
		ETHICS_QUOTA='{per_minute: 10, concurrent: 2, max_call_s: 14400}' stack_registry |
		sed "/kid: council-2026a/a \\      - {kid: bridge-2026a, public_key: \"${PUBLIC[bridge-2026a]}\", covers: [base]}"
	QUOTA='{per_minute: 10, concurrent: 2, max_call_s: 14400}' registry_expert "$SECURITY" "$SPARE_PORT" security security-2026a
}
