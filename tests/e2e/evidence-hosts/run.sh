#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"

expect_ok "certificates" "$IFE_ROOT/scripts/make-test-ca.sh" "$STACK/tls"
mapfile -t ports < <(siptool ports 2 18000 18999)
TLS=https://localhost:${ports[0]} BARE=http://localhost:${ports[1]}
proc_start host python3 "$CASE_DIR/host.py" "${ports[0]}" "$STACK/tls/server.pem" \
	"$STACK/tls/server.key" "${ports[1]}"
host_answers() {
	curl -sf -o /dev/null --cacert "$STACK/tls/ca.pem" "$TLS/file.png" &&
		curl -sf -o /dev/null "$BARE/file.png"
}
wait_until 10 host_answers
EVIDENCE_MORE="  allowed_hosts: [\"localhost:${ports[0]}\", \"localhost:${ports[1]}\"]
  http_ca: tls/ca.pem
  file_len_max: 1000000
  http_s: 5
  media_types: [\"image/*\"]"
start_with_evidence

# missing COUNT URI...: calls about them; once so many cannot be had, the name and the reason of
# each, by the call's state.
missing() {
	local wanted=$1 answer call
	shift
	answer=$(call_about "$@")
	call=$(jq -r .call_id <<<"$answer")
	wait_until 30 missing_are "$wanted" "$call"
	api GET "/v1/calls/$call" | jq -r '[.evidence_errors[] | "\(.name):\(.code)"] | join(" ")'
	expect_call "$call" connected >&2
}
missing_are() { [ "$(api GET "/v1/calls/$2" | jq '.evidence_errors | length')" = "$1" ]; }
# to URI: the host that answers over TLS sends on to it.
to() { printf '%s/to/%s\n' "$TLS" "$(jq -rn --arg uri "$1" '$uri | @uri')"; }

# By an authority of our own, with and without a length, and by redirects from host to host.
answer=$(call_about "$TLS/file.png" "$TLS/unsaid.png" "$BARE/file.png" "$(to "$TLS/file.png")" \
	"$(to "$(to "$TLS/unsaid.png")")")
call=$(jq -r .call_id <<<"$answer")
expect_call "$call" connected
expect "what arrives verified" '[true,true,true,true,true]' \
	"$(peer transfer "$(jq -r .evidence_link <<<"$answer")" "$STACK/received" | jq -c .verified)"
curl -sf --cacert "$STACK/tls/ca.pem" "$TLS/file.png" >"$STACK/file.png"
expect "different files among them" 1 \
	"$(sha256sum "$STACK/file.png" "$STACK/received"/*.png | cut -d ' ' -f 1 | sort -u | wc -l)"
expect "errors of the call" 0 "$(api GET "/v1/calls/$call" | jq '.evidence_errors | length')"

# A redirect must not leave the allowed hosts, nor TLS, nor go round in circles.
expect "redirects that are not followed" \
	"file.png:not_allowed file.png:not_allowed passwd:not_allowed loop.png:not_allowed" \
	"$(missing 4 "$(to "https://127.0.0.1:${ports[0]}/file.png")" "$(to "$BARE/file.png")" \
	"$(to file:///etc/passwd)" "$TLS/loop.png" | sed 's/[^ ]*%2F//g')"

# Hosts that break off, dawdle, or send more than is allowed; what they began is not kept.
expect "what cannot be had" \
	"large.png:too_large growing.png:too_large slow.png:timeout broken.png:unreachable cut.png:unreachable gone.png:http_status" \
	"$(missing 6 "$TLS/large.png" "$TLS/growing.png" "$TLS/slow.png" "$TLS/broken.png" "$TLS/cut.png" \
	"$TLS/gone.png")"
expect_log 10 '.event == "EVIDENCE_FAILED"'

# An authority that signed nothing here.
expect_ok "another authority" "$IFE_ROOT/scripts/make-test-ca.sh" "$STACK/stranger"
for call in $(api GET /v1/calls | jq -r '.[].call_id'); do
	api DELETE "/v1/calls/$call" >/dev/null
done
expect_channels gateway 0
proc_kill bridge
sed -i 's|http_ca: tls/ca.pem|http_ca: stranger/ca.pem|' "$STACK/bridge.yaml"
bridge_start
expect "with a certificate by nobody who is trusted" file.png:unreachable \
	"$(missing 1 "$TLS/file.png")"
expect "said in the bridge's log" 1 \
	"$(grep -c 'file.png.*invalid peer certificate' "$STACK/log/bridge.log")"
expect_alive
