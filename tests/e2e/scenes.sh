# Sourced by cases that are scenes of tests/parties/sip: parties in Python that play what sipp
# cannot.
# shellcheck shell=bash

# play: runs the case's scenes.py; what failed in them fails the case. All messages are in
# captures/dialogs.trace.
play() {
	local name output
	for name in STACK COUNCIL SAFETY ETHICS IFE_BIN RPC_PORT SIP_PORT EXPERT_PORT ETHICS_PORT \
		GATEWAY_PORT CALLER_PORT SPARE_PORT \
		PROXY_IP CALLER_IP CALLER2_IP EXPERT_IP ETHICS_IP GATEWAY_IP SPARE_IP STRANGER_IP; do
		export "${name?}"
	done
	output=$(PYTHONPATH="$IFE_ROOT/tests/parties" PYTHONDONTWRITEBYTECODE=1 python3 \
		"$CASE_DIR/scenes.py" "$@" 2>&1) || {
		fail "scenes of $CASE"
		printf '%s\n' "$output" | tail -n 60 | sed 's/^/       /'
	}
}
