# The deployment that `make demo` and `make up` share: three experts, one council, all on loopback. Sourced.
# shellcheck shell=bash

. "$(dirname "${BASH_SOURCE[0]}")/stack.sh"

# demo_stack DIR: everything started, ready for calls.
demo_stack() {
	stack_new "$1"
	stack_keys council-2026a safety-2026a ethics-2026a security-2026a stranger-2026a
	demo_registry >"$STACK/registry.yaml"
	ifectl registry check "$STACK/registry.yaml" >"$STACK/log/registry-check.log" 2>&1 || stack_fail registry-check "the registry is not valid"
	stack_start_witnessd
	stack_start_kamailio
	stack_expert safety "$EXPERT_PORT" uas
	stack_expert security "$SPARE_PORT" uas
	stack_expert council-gateway "$GATEWAY_PORT" uas
}

# The safety advisor takes one call a minute, so that the demo's second good call to it is over quota.
demo_registry() {
	QUOTA='{per_minute: 1, concurrent: 1, max_call_s: 3600}' \
		ETHICS_QUOTA='{per_minute: 10, concurrent: 2, max_call_s: 14400}' stack_registry
	QUOTA='{per_minute: 10, concurrent: 2, max_call_s: 14400}' registry_expert "$SECURITY" "$SPARE_PORT" security security-2026a
}
