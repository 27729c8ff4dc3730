#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"

files=$STACK/evidence
head -c 700001 /dev/urandom >"$files/report.pdf"
: >"$files/empty.txt"
echo '# What the council saw' >"$files/notes.md"
mkdir "$STACK/host"
head -c 300000 /dev/urandom >"$STACK/host/picture.png"
echo '<script>' >"$STACK/host/page.xhtml"
ln -s /etc/passwd "$files/outside"
HOST_PORT=$(siptool ports 1 18000 18999)
proc_start host python3 -m http.server --bind 127.0.0.1 --directory "$STACK/host" "$HOST_PORT"
EVIDENCE_MORE="  allowed_hosts: [\"127.0.0.1:$HOST_PORT\"]
  media_types: [\"image/*\"]
  link_s: 20"
start_with_evidence

# This link is not used in its time.
unused=$(call_about notes.md | jq -r .evidence_link)
made=$(date +%s)

# Everything that can be had, and what cannot.
answer=$(call_about report.pdf empty.txt "http://127.0.0.1:$HOST_PORT/picture.png" notes.md \
	outside missing.txt ../keys/council-2026a.key \
	"http://127.0.0.1:$HOST_PORT/page.xhtml" "http://127.0.0.1:1/x.png")
call=$(jq -r .call_id <<<"$answer")
link=$(jq -r .evidence_link <<<"$answer")
expect_call "$call" connected
expect "link in the INVITE" "$link" "$(invited_link 2)"
expect "evidence state" offered "$(api GET "/v1/calls/$call" | jq -r .evidence_state)"
expect "what cannot be had" \
	"outside:not_allowed missing.txt:not_found council-2026a.key:not_allowed page.xhtml:type_not_allowed x.png:not_allowed" \
	"$(api GET "/v1/calls/$call" | jq -r '[.evidence_errors[] | "\(.name):\(.code)"] | join(" ")')"
mkdir "$STACK/received/first"
seen=$(peer transfer "$link" "$STACK/received/first")
expect "verified" '[true,true,true,true]' "$(jq -c .verified <<<"$seen")"
expect "types" '["application/pdf","text/plain","image/png","text/markdown"]' \
	"$(jq -c .kinds <<<"$seen")"
expect "files are what they were" "" "$(
	cd "$STACK/received/first" || exit
	cmp 0-report.pdf "$files/report.pdf"
	cmp 1-empty.txt "$files/empty.txt"
	cmp 2-picture.png "$STACK/host/picture.png"
	cmp 3-notes.md "$files/notes.md"
)"
expect "kept across the break" true "$(jq '.kept > 0 and .kept < .total' <<<"$seen")"
expect "told to the page as well" 5 "$(jq '.unavailable | length' <<<"$seen")"
expect_evidence "$call" verified
expect "state of the call" connected "$(api GET "/v1/calls/$call" | jq -r .sip_call_state)"
wait_log 1 '.event == "EVIDENCE_VERIFIED"'
expect_log 2 '.event == "EVIDENCE_OPEN"'
expect_log 2 '.event == "EVIDENCE_OFFER"'
expect_log 5 '.event == "EVIDENCE_FAILED"'
expect "hash of a file in the log" true \
	"$(log_entries | jq -s "any(.event == \"EVIDENCE_SENT\" and .evidence.sha256 == \"$(sha256sum "$files/report.pdf" | cut -d ' ' -f 1)\")")"
expect "trace ids" 1 \
	"$(log_entries | jq -r 'select(.event | startswith("EVIDENCE")) | .trace_id' | sort -u | wc -l)"
for name in manifest receipt; do
	expect_ok "proof of the $name" ifectl witness check-proof --vkey "$STACK/witness.vkey" \
		--proof "$STACK/received/first/$name.tlog-proof" --entry "$STACK/received/first/$name.entry"
	expect "manifest in the entry of the $name" 1 \
		"$(grep -c "\"manifest\":\"$(jq -r .manifest <<<"$seen")\"" "$STACK/received/first/$name.entry")"
done

# What must be refused. The call is an agent's escalation this time.
link=$(ifectl escalate --json --bridge "unix:$STACK/bridge.sock" \
	--key "$STACK/keys/guard-2026a.key" --source if://agent/guard --hazard safety \
	--evidence notes.md | jq -r .evidence_link)
seen=$(peer abuse "$link")
expect "refusals" '{"wrong_token":401,"no_cookie":401,"second_redeem":409,"no_offer":400,"large_offer":413,"no_sdp":400,"unknown_file":"unknown_file","bad_offset":"bad_offset","replayed":"bad_sequence","wrong_signer":"bad_signature","third":"bad_binding","frame":"bad_message","hang_up":204,"hang_up_again":404}' \
	"$(jq -c . <<<"$seen")"

# A file that changes after it was offered: the good block goes out, nothing of the bad one.
cp "$files/report.pdf" "$files/changing.pdf"
answer=$(call_about changing.pdf)
seen=$(peer changed "$(jq -r .evidence_link <<<"$answer")" "$files/changing.pdf")
expect "a changed file" '{"code":"unavailable","file":0,"received":262144}' "$(jq -c . <<<"$seen")"
expect_evidence "$(jq -r .call_id <<<"$answer")" failed
expect "the call goes on" connected \
	"$(api GET "/v1/calls/$(jq -r .call_id <<<"$answer")" | jq -r .sip_call_state)"
wait_log 1 '.event == "EVIDENCE_FAILED" and .evidence.error == "unavailable"'

# Messages both ways, live state, the end.
curl -s -N --max-time 60 --unix-socket "$STACK/bridge.sock" http://bridge/v1/events \
	>"$STACK/events" &
events=$!
answer=$(call_about)
call=$(jq -r .call_id <<<"$answer") link=$(jq -r .evidence_link <<<"$answer")
peer talk "$link" >"$STACK/talk.json" &
talk=$!
has_peer() { api GET /v1/evidence/peers | jq -e --arg call "$call" 'any(.call_id == $call)'; }
wait_until 15 has_peer
wait_until 15 grep -q 'the premise is wrong' "$STACK/events"
expect "a message to nobody" 404 \
	"$(api_status POST /v1/evidence/peers/sip-call-0000000000000000/messages \
	'{"message":{"text":"x"}}')"
expect "sent to, and shown" "$call shown" \
	"$(api POST "/v1/evidence/peers/$call/messages" '{"message":{"text":"go on"}}' |
	jq -r '.peers[0].call_id + " " + .messages[0].state')"
wait_until 15 grep -q '"heard":{"text":"go on"}' "$STACK/events"
api DELETE "/v1/calls/$call" >/dev/null
wait "$talk"
expect "what the expert heard" '{"text":"go on"} ended 410' \
	"$(jq -r '"\(.heard | tojson) \(.states[-1]) \(.afterwards)"' "$STACK/talk.json")"
expect "what became of the expert's messages" "m-1 taken;m-1 taken;m-2 too_long;m 3 bad_id" \
	"$(jq -r '.bounds | join(";")' "$STACK/talk.json")"
expect "events" "datachannel_open ifmessage_received ifmessage_sent ifmessage_shown peer_disconnected webrtc_answer_created" \
	"$(grep -o '"event":"[a-z_]*"' "$STACK/events" | cut -d '"' -f 4 | sort -u | xargs)"
kill "$events" 2>/dev/null
wait_log 1 ".event == \"EVIDENCE_OPEN\" and .call_id == \"$call\""

# Links that lead nowhere any more.
answer=$(call_about notes.md)
api DELETE "/v1/calls/$(jq -r .call_id <<<"$answer")" >/dev/null
expect "a link of a call that is over" '{"status":410,"code":"CALL_OVER"}' \
	"$(peer over "$(jq -r .evidence_link <<<"$answer")" | jq -c .)"
expired() { [ "$(($(date +%s) - made))" -gt 21 ]; }
wait_until 30 expired
expect "a link whose time has run out" '{"status":401,"code":"LINK_INVALID"}' \
	"$(peer expired "$unused" | jq -c .)"
expect_alive
