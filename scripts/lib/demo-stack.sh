# The deployment of `make demo` and `make up`, on loopback: three experts, one council; as root also
# Asterisk and the bridge. Sourced.
# shellcheck shell=bash

. "$(dirname "${BASH_SOURCE[0]}")/stack.sh"
. "$IFE_ROOT/scripts/lib/bridge-stack.sh"
. "$IFE_ROOT/scripts/lib/demo-evidence.sh"

# demo_stack DIR [N]: starts all but Asterisk and the bridge; N (IFE_NET) is for bridge_plan.
demo_stack() {
	stack_new "$1"
	stack_keys council-2026a bridge-2026a guard-2026a safety-2026a ethics-2026a security-2026a \
		stranger-2026a
	demo_registry >"$STACK/registry.yaml"
	ifectl registry check "$STACK/registry.yaml" >"$STACK/log/registry-check.log" 2>&1 ||
		stack_fail registry-check "the registry is not valid"
	if bridge_possible; then bridge_plan "${2:-}"; fi
	stack_start_witnessd
	stack_start_kamailio
	stack_expert safety "$EXPERT_PORT" uas
	stack_expert security "$SPARE_PORT" uas
	bridge_possible || stack_expert council-gateway "$GATEWAY_PORT" uas
}

# Stops the deployment, complete or not.
demo_close() {
	bridge_close
	stack_close
}

# SECURITY_ACCEPTANCE: how the security expert accepts calls. The quota of the safety expert is one
# call a minute: the demo's second valid call exceeds it. The bridge has its own key.
demo_registry() {
	local key="{kid: bridge-2026a, public_key: \"${PUBLIC[bridge-2026a]}\", covers: [base]}"
	QUOTA='{per_minute: 1, concurrent: 1, max_call_s: 3600}' \
		ETHICS_QUOTA='{per_minute: 10, concurrent: 2, max_call_s: 14400}' stack_registry |
		sed "/kid: council-2026a/a \\      - $key"
	QUOTA='{per_minute: 10, concurrent: 2, max_call_s: 14400}' \
		ACCEPTANCE=${SECURITY_ACCEPTANCE:-none} registry_expert "$SECURITY" "$SPARE_PORT" security \
		security-2026a
}
