#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"

# The guardian's key is made with the others, so its public half is known when the configuration is
# written.
KEYS=guardian-1
bridge_start() {
	sed -i "s|guardians: \[.*\]|guardians: [{name: guardian-1, peer: mcu-7f3a, alias: guardian-quiet, public_key: \"${PUBLIC[guardian-1]}\"}]|; s/council_max: 50/council_max: 25/" "$STACK/bridge.yaml"
	proc_start bridge "$BRIDGE_BIN" run --config "$STACK/bridge.yaml"
	wait_until 15 bridge_ready_or_gone
	bridge_ready || stack_fail bridge "ife-bridge did not get ready"
}
start_with_bridge
stack_expert ethics "$ETHICS_PORT" uas-busy

expect_ok "the contract is true" python3 "$CASE_DIR/contract.py" "$STACK/bridge.sock" \
	"$IFE_ROOT/docs/INTERFACES/workstream-4-sip-contract.yaml" \
	"$STACK/keys" "$STACK/captures/safety.msg" "$STACK/captures/api.txt"
admission() { wait_log 1 ".event == \"ADMISSION\" and .room == \"council\" and $1"; }
admission '.verdict == "approved" and .guardian == "guardian-1"'
for reason in INVALID_SIGNATURE PII_POLICY_VIOLATION BANDWIDTH_EXCEEDED; do
	admission ".verdict == \"rejected\" and .guardian == \"guardian-1\" and .reason == \"$reason\""
done
admission '.verdict == "rejected" and .guardian == null and .reason == "NOT_REGISTERED"'
expect_alive
