#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"

# The bridge logs all that it can.
export BRIDGE_LOG=trace
head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$STACK/token"
head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$STACK/turn-secret"
head -c 32 /dev/urandom | base64 | sed 's/^/whsec_/' >"$STACK/pager-secret"
chmod 600 "$STACK/turn-secret" "$STACK/pager-secret"
mapfile -t ports < <(siptool ports 2 16000 16999)
API_PORT=${ports[0]} HOOK_PORT=${ports[1]} HOOK_TOKEN=$(head -c 18 /dev/urandom | base64 |
	tr '+/' '-_')
LISTEN_MORE=", tcp: {address: \"127.0.0.1:$API_PORT\", token_file: token}"
EVIDENCE_MORE="  turn: {urls: [\"turn:turn.example:3478\"], secret_file: turn-secret}
notify: {allowed_hosts: [\"127.0.0.1:$HOOK_PORT\"], secrets: {pager: pager-secret}}"
registry_edit() {
	sed "/^  - id: $SAFETY/a\\    notify: [{webhook: \"http://127.0.0.1:$HOOK_PORT/?token=$HOOK_TOKEN\", secret: pager}]"
}
echo '# What the council saw' >"$STACK/evidence/notes.md"
KEYS=guardian-1 start_with_evidence
GUARDIANS="{name: guardian-1, section: mcu-7f3a, public_key: \"${PUBLIC[guardian-1]}\"}" \
	bridge_config >"$STACK/bridge.yaml"
proc_stop bridge
bridge_start
proc_start hook python3 "$CASE_DIR/hook.py" "$HOOK_PORT" "$STACK/signatures"

# secret WHAT TEXT: remembered; nothing may keep it.
secrets=$STACK/secrets
secret() {
	[ "${#2}" -ge 16 ] || fail "no secret to look for: $1"
	printf '%s\t%s\n' "$1" "$2" >>"$secrets"
}
cookie_of() { sed -n 's/.*ife_evidence=\([^;]*\).*/\1/p'; }
secret "token of the API" "$(cat "$STACK/token")"
secret "TURN secret" "$(cat "$STACK/turn-secret")"
secret "AMI secret" "$(cat "$TESTBED/ami-secret")"
secret "webhook secret" "$(sed 's/^whsec_//' "$STACK/pager-secret")"
secret "token of the webhook's receiver" "$HOOK_TOKEN"
for key in "$STACK"/keys/*.key; do
	secret "private key ${key##*/}" "$(awk '{print $3}' "$key")"
done
configured=$(cat "$secrets")

# An escalation whose link an independent WebRTC peer uses: the peer's own ICE password and the
# bridge's are on the wire.
answer=$(ifectl escalate --json --bridge "unix:$STACK/bridge.sock" \
	--key "$STACK/keys/guard-2026a.key" --source if://agent/guard --hazard safety --evidence notes.md)
call=$(jq -r .call_id <<<"$answer") link=$(jq -r .evidence_link <<<"$answer")
secret "token of the first link" "${link#*#}"
export PEER_SECRETS=$STACK/peer-secrets
expect "evidence is received" '[true]' \
	"$(peer transfer "$link" "$STACK/received" | jq -c .verified)"
while IFS=$'\t' read -r what text; do secret "$what" "$text"; done <"$PEER_SECRETS"
expect "secrets of both sides" "cookie;offered ice-pwd;answered ice-pwd" \
	"$(cut -f 1 "$PEER_SECRETS" | awk '!seen[$0]++' | paste -sd ';')"
expect_evidence "$call" verified
wait_until 15 test -s "$STACK/signatures"
wait_log 1 '.event == "NOTIFIED" and .channel == "webhook" and .outcome == "delivered"'

# A guardian's link, used by hand.
link=$(api POST /v1/guardians/admissions \
	"$(python3 "$IFE_ROOT/tests/e2e/guardian.py" "$STACK/keys/guardian-1.key" admission council)" |
	jq -r '.evidence[0].evidence_link')
secret "token of a guardian's link" "${link#*#}"
cookie=$(curl -s -D - -o /dev/null -X POST -H "Authorization: Bearer ${link#*#}" \
	"${link%%#*}/redeem" | cookie_of)
secret "cookie of a guardian" "$cookie"

# A link that is redeemed by hand, with an offer that has every kind of secret in it; and a link
# that nobody uses.
answer=$(call_about notes.md)
second=$(jq -r .call_id <<<"$answer") link=$(jq -r .evidence_link <<<"$answer")
secret "token of the second link" "${link#*#}"
jar=$STACK/jar
curl -s -D "$jar" -o "$STACK/description" -X POST -H "Authorization: Bearer ${link#*#}" \
	"${link%%#*}/redeem"
cookie=$(cookie_of <"$jar")
secret "second cookie" "$cookie"
secret "TURN credential" "$(jq -r '.ice_servers[0].credential' "$STACK/description")"
{
	printf 'v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n'
	printf 'a=ice-ufrag:8hhY\r\na=ice-pwd:SECRETice0asd88fgpdd777uzj\r\na=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n'
	printf 'a=fingerprint:sha-256 %s\r\n' "$(printf '4A:%.0s' {1..31})4A"
	printf 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRETsdes0WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9\r\na=key-mgmt:mikey SECRETmikey0AQAFgM0Xf\r\n'
} >"$STACK/offer"
for text in SECRETice0asd88fgpdd777uzj SECRETsdes0WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9 \
	SECRETmikey0AQAFgM0Xf; do
	secret "of an offer by hand" "$text"
done
status=$(curl -s -o "$STACK/sdp-answer" -w '%{http_code}' -X POST \
	-H "Cookie: ife_evidence=$cookie" -H 'Content-Type: application/sdp' \
	--data-binary "@$STACK/offer" "${link%%#*}/offer")
expect "an offer by hand" 201 "$status"
secret "of an answer" "$(sed -n 's/^a=ice-pwd:\([^\r]*\)\r*$/\1/p' "$STACK/sdp-answer")"
# Refused text may not be quoted either.
curl -s -o /dev/null -X POST -H "Cookie: ife_evidence=$cookie" -H 'Content-Type: application/sdp' \
	--data-binary "SECRETice0asd88fgpdd777uzj" "${link%%#*}/offer"
curl -s -o /dev/null -H "Authorization: Bearer $(cat "$STACK/token")x" \
	"http://127.0.0.1:$API_PORT/v1/calls"
third=$(call_about notes.md)
secret "token of a link that nobody used" "$(jq -r .evidence_link <<<"$third" | sed 's/.*#//')"

# No answer of the API has configured secrets, and none but the guardian's own has the guardian's
# link.
for path in /v1/calls "/v1/calls/$call" /v1/rooms /v1/evidence/peers /readyz /metrics; do api GET \
	"$path"; done >"$STACK/answers"
while IFS=$'\t' read -r what text; do
	expect "answers with a secret: $what" 0 "$(grep -cF -- "$text" "$STACK/answers")"
done < <(printf '%s\n' "$configured" && grep guardian "$secrets")

# After a restart, and after the calls' ends.
proc_stop bridge 10
bridge_start
for id in "$call" "$second" "$(jq -r .call_id <<<"$third")"; do
	api DELETE "/v1/calls/$id" >/dev/null
	expect_call "$id" ended
done
wait_log 2 '.event == "EVIDENCE_OFFER"'

# What people are given (the API's answers, the INVITE at the phone) and the files that hold keys
# are not among these.
kept=("$STACK/witness" "$STATE" "$STACK/store" "$STACK/log/bridge.log" "$STACK/log/witnessd.log"
	"$STACK/log/kamailio.log")
for path in "${kept[@]}"; do [ -e "$path" ] || fail "nothing at $path"; done
while IFS=$'\t' read -r what text; do
	expect "files with a secret: $what" "" "$(grep -rlF -- "$text" "${kept[@]}" | xargs)"
done <"$secrets"
expect "kinds of secrets that were looked for" 26 "$(cut -f 1 "$secrets" | sort -u | wc -l)"
expect_alive
