#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"
. "$(dirname "$0")/../page.sh"

page_setup
printf 'a report\n' >"$STACK/evidence/report.txt"
registry_edit() { sed 's/{name: alignment/{name: alignment, decision_assurance: [passkey]/'; }
start_with_evidence
export IFE_BRIDGE="unix:$STACK/bridge.sock" IFE_AGENT=if://agent/guard \
	IFE_AGENT_KEY=$STACK/keys/guard-2026a.key
cp "$STACK/registry.yaml" "$STACK/registry.before"

reload() { kill -HUP "$(proc_pid bridge)"; }
escalate() {
	ifectl escalate --json --wait --hazard alignment --trace-id "$1" \
		--evidence "$STACK/evidence/report.txt" | jq -r .call_id
}
# A passkey is bound to a name, and the loopback's address is none.
link_of() { invited_link "$1" | sed 's|//127.0.0.1:|//localhost:|'; }

browser passkey "$CASE_DIR/case.mjs" "http://localhost:$EVIDENCE_PORT/e/passkey" "$STACK" &
page=$!
wait_until 120 test -s "$STACK/line"
awk -v line="$(cat "$STACK/line")" -v aor="aors: [\"sip:$SAFETY\"]" \
	'{ print } index($0, aor) { print "    passkeys:"; print "      " line }' \
	"$STACK/registry.before" >"$STACK/registry.yaml"
expect_ok "the registry with the passkey" "$IFE_BIN/ifectl" registry check "$STACK/registry.yaml"
reload
wait_until 15 grep -q 'registry reloaded' "$STACK/log/bridge.log"

call=$(escalate trace-passkey-1)
expect "passkeys" 1 "$(api GET "/v1/calls/$call" | jq '.asked.passkeys | length')"
link_of 1 >"$STACK/link1" && : >"$STACK/first"
wait_until 120 test -e "$STACK/signed"
shown=$(api GET "/v1/calls/$call")
expect "decision" 'deny passkey' "$(jq -r '.decision | "\(.choice) \(.assurance)"' <<<"$shown")"
wait_log 1 '.event == "DECISION" and .assurance == "passkey" and .choice == "deny"'
jq -c . <<<"$shown" >"$STACK/call.json"
expect "verified" 1 "$("$IFE_BIN/ifectl" decision verify "$STACK/call.json" \
	--registry "$STACK/registry.yaml" | grep -c 'signed by a passkey of the expert at localhost')"
expect "without the passkey" 1 \
	"$("$IFE_BIN/ifectl" decision verify "$STACK/call.json" --registry "$STACK/registry.before" \
	>/dev/null 2>&1; echo $?)"
altered=$(jq -c '.decisions[0] | .decision.choice = "approve"' "$STACK/call.json")
expect "an altered one" 1 \
	"$("$IFE_BIN/ifectl" decision verify - --registry "$STACK/registry.yaml" <<<"$altered" >/dev/null \
	2>&1; echo $?)"
expect "an altered one at the API" INVALID_SIGNATURE \
	"$(api POST "/v1/calls/$call/decisions" \
		"$(jq -c '.decision | .time = (now | todate)' <<<"$altered")" | jq -r .code)"

# Out of the registry: the page offers it no more, and the bridge refuses it.
cp "$STACK/registry.before" "$STACK/registry.yaml"
reload
wait_until 15 test "$(grep -c 'registry reloaded' "$STACK/log/bridge.log")" -ge 2
: >"$STACK/revoked"
wait "$page" || fail "page: passkey"
wait_log 1 '.event == "DECISION_REFUSED" and .reason == "forged" and .assurance == "passkey"'
expect_alive
