#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"

GUARDIANS='{name: guardian-1, peer: mcu-7f3a, alias: guardian-tone}'
TOKEN=operator-$(printf '%s' "$STACK" | sha256sum | cut -c 1-40)
printf '%s\n' "$TOKEN" >"$STACK/token"
LISTEN_MORE=", tcp: {address: \"127.0.0.1:$GATEWAY2_PORT\", token_file: token}"
echo '# What the council saw' >"$STACK/evidence/notes.md"
start_with_evidence
stack_expert ethics "$ETHICS_PORT" uas-busy
MODULES=$("$IFE_ROOT/tests/browser/install.sh" 2>"$STACK/log/browser.log") ||
	die "no browser modules: $(tail -n 3 "$STACK/log/browser.log")"
[ -d "$MODULES" ] || die "no directory $MODULES"

# browser STEPS PORT: the steps of page.mjs of that name.
browser() {
	local steps=$1 port=$2
	expect_ok "the page: $steps" env PAGE_URL="http://127.0.0.1:$port/ui/" PAGE_TOKEN="$TOKEN" \
		PAGE_ENTRIES="$STACK/entries.json" \
		timeout 200 node "$CASE_DIR/page.mjs" "$steps"
}

# Calls of every kind. The gates' refusals come from sipp as the council's gateway.
CALLS=$STACK/refused.csv
signed_csv "$CALLS" 403/hazard council-2026a "$COUNCIL" "$SAFETY" ethics --count 3
signed_csv "$CALLS" 437/signature stranger "$COUNCIL" "$SAFETY" safety --count 2
signed_csv "$CALLS" 403/registry council-2026a mallory@elsewhere.example "$SAFETY" safety --count 1
signed_csv "$CALLS" 403/freshness council-2026a "$COUNCIL" "$SAFETY" safety \
	--iat $(($(date +%s) - 3600)) --count 2
expect_ok "refused calls" stack_calls refused uac "$CALLS"
MARKUP='<img/src=x/onerror=document.title=666>@page.example'
raw_request "$STACK/markup.sip" INVITE "$MARKUP" \
	"$(stack_sign council-2026a "$COUNCIL" "$SAFETY" ethics --trace-id trace-page-markup)"
expect "a call with markup in it" 403 "$(final_code "$STACK/markup.sip")"
expect "a busy expert" failed \
	"$(api POST '/v1/escalations?wait=connected' "$(escalation m-1 trace-page-busy ethics)" |
	jq -r .sip_call_state)"
expect "refused at the bridge" hazard \
	"$(api POST /v1/calls "{\"expert_id\":\"$ETHICS\",\"hazard_type\":\"safety\",\"trace_id\":\"trace-page-bridge\"}" | jq -r .gate)"
evidence=$(api POST '/v1/calls?wait=connected' \
	"{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"safety\",\"trace_id\":\"trace-page-evidence\",\"evidence_files\":[\"notes.md\",\"missing.txt\"]}")
expect "evidence is received" '[true]' \
	"$(peer transfer "$(jq -r .evidence_link <<<"$evidence")" "$STACK/received" | jq -c .verified)"
expect_evidence "$(jq -r .call_id <<<"$evidence")" verified
api DELETE "/v1/calls/$(jq -r .call_id <<<"$evidence")" >/dev/null
expect_call "$(jq -r .call_id <<<"$evidence")" ended
no_room() { [ "$(api GET /v1/rooms)" = '[]' ]; }
wait_until 30 no_room
answer=$(api POST '/v1/escalations?wait=connected' "$(escalation m-2 trace-page-connected safety)")
expect "a connected call" connected "$(jq -r .sip_call_state <<<"$answer")"
expect_room council 2
# The guardian's join is the last entry of the call's beginning.
for event in H323_CONNECTED COUNCIL_JOIN; do
	wait_log 1 ".event == \"$event\" and .trace_id == \"trace-page-connected\" and
		.guardian == \"guardian-1\""
done
log_entries | jq -s . >"$STACK/entries.json"
log_says() { [ "$(api GET /readyz | jq -r .log)" = "$1" ]; }
wait_until 10 log_says verified
expect "the log in /readyz" verified "$(api GET /readyz | jq -r .log)"

browser calls "$GATEWAY2_PORT"

# The proof that the page saves is one that the verifier takes.
index=$(api GET '/v1/witness/story?trace_id=trace-page-connected' | jq -r '.entries[0].index')
api GET "/v1/witness/entries/$index/proof" >"$STACK/proof"
api GET "/v1/witness/entries/$index" >"$STACK/entry.json"
expect_ok "the proof" ifectl witness check-proof --proof "$STACK/proof" \
	--entry "$STACK/entry.json" --vkey "$STACK/witness.vkey"

# On the Unix socket: the same page, no token, and nothing for pages of other sites.
expect "the page on the socket" 200 "$(api_status GET /ui/)"
expect "a page of another site" 403 "$(api_status GET /v1/calls -H 'Origin: https://evil.example')"
expect "a name that was made to point here" 403 \
	"$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$STACK/bridge.sock" \
	http://evil.example/v1/calls)"
expect "without the token" 401 \
	"$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$GATEWAY2_PORT/v1/witness/checkpoint")"

# One entry is changed in a copy of the log, in place, and a second bridge reads the copy.
cp -r "$STACK/witness" "$STACK/copy"
mapfile -t bundles < <(grep -rlF '"gate":"freshness"' "$STACK/copy/tile/entries")
[ "${#bundles[@]}" != 0 ] || fail "no bundle holds a refusal at the gate freshness"
# Earlier partial bundles hold the same entry; the first one in each is meant.
python3 - "${bundles[@]}" <<'PYTHON'
import pathlib, sys
for name in sys.argv[1:]:
    path = pathlib.Path(name)
    path.write_bytes(path.read_bytes().replace(b'"gate":"freshness"', b'"gate":"signature"', 1))
PYTHON
sed -e 's/^node: .*/node: node2/; s/^store_dir: .*/store_dir: store2/; s/dir: witness,/dir: copy,/' \
	-e "s/unix: bridge.sock/unix: bridge2.sock/; s/:$GATEWAY2_PORT/:$SPARE_PORT/; /^evidence:/,\$d" \
	"$STACK/bridge.yaml" >"$STACK/bridge2.yaml"
proc_start bridge2 "$BRIDGE_BIN" run --config "$STACK/bridge2.yaml"
second() { curl -s --max-time 10 --unix-socket "$STACK/bridge2.sock" "http://bridge$1"; }
second_alarmed() { [ "$(second /readyz | jq -r .log)" = mismatch ]; }
wait_until 20 second_alarmed
expect "the second bridge's alarm" mismatch "$(second /readyz | jq -r .log)"
expect "entries that are not what was signed" 1 \
	"$(second /v1/witness/checkpoint | jq '.alarms | length')"
browser tampered "$SPARE_PORT"
expect "the first bridge's log" verified "$(api GET /readyz | jq -r .log)"

expect_call "$(jq -r .call_id <<<"$answer")" ended
expect_alive
