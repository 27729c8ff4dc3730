#!/usr/bin/env bash
# What run.py reads: one line of JSON per measurement, by a real bridge with real calls. measure.sh
# MIB ROUNDS LOADS SESSIONS PINGS
. "$(dirname "$0")/../../e2e/lib.sh"
. "$(dirname "$0")/../../e2e/bridge.sh"
. "$(dirname "$0")/../../e2e/evidence.sh"
. "$(dirname "$0")/../../e2e/page.sh"

mib=$1 rounds=$2 loads=$3 sessions=$4 pings=$5
# Standard output is for the figures alone.
# 5 to 8 are locks of the libraries above.
exec 4>&1 1>&2
page_setup
# By itself Chromium tells other pages of no address but that of the default route; in a namespace
# there is none.
ip route show default | contains . || ip route add default via 192.0.2.2 dev ife-page0 ||
	die "there is no default route, and none can be made"
agent=$(evidence_agent) || die "the agent cannot be built"
head -c 20000 /dev/urandom >"$STACK/evidence/small.bin"
head -c "${mib}M" /dev/zero >"$STACK/evidence/chromium.bin"
truncate -s 500M "$STACK/evidence/large.bin"
start_with_evidence
link_to() { ROOM=${2:-council} call_about "$1" | jq -r .evidence_link; }
memory_kib() { awk -v name="$1:" '$1 == name {print $2}' "/proc/$(proc_pid bridge)/status"; }
# An expert takes 50 calls at once: those of one measurement end before the next.
hang_up() {
	local id
	for id in $(api GET /v1/calls | jq -r '.[] | select(.ended == null) | .call_id'); do
		api DELETE "/v1/calls/$id" >/dev/null
	done
}
figure() { jq -c --arg name "$1" '. + {name: $name}' >&4; }

timeout 280 node "$CASE_DIR/browser.mjs" "$(link_to chromium.bin)" "$(link_to small.bin)" \
	"$((mib * 1024 * 1024))" "$rounds" "$loads" | figure browser
hang_up
"$agent" ping "$(link_to small.bin)" "$pings" | figure ping
hang_up

links=()
for number in $(seq "$sessions"); do links+=("$(link_to small.bin "room-$((number % 5))")"); done
peers_are() { [ "$(api GET /v1/evidence/peers | jq length)" = "$1" ]; }
before=$(memory_kib VmRSS)
mkfifo "$STACK/go"
"$agent" many "${links[@]}" <"$STACK/go" >"$STACK/many.json" &
many=$!
exec 7>"$STACK/go"
wait_until 60 peers_are "$sessions" || fail "the sessions did not open"
sleep 3
after=$(memory_kib VmRSS)
exec 7>&-
wait "$many" || fail "the sessions did not end well"
jq -n --argjson before "$before" --argjson after "$after" --argjson sessions "$sessions" \
	'{sessions: $sessions, kib: (($after - $before) / $sessions)}' | figure idle
hang_up

before=$(memory_kib VmHWM)
"$agent" drain "$(link_to large.bin)" >"$STACK/large.json"
jq --argjson before "$before" --argjson after "$(memory_kib VmHWM)" \
	'. + {grown_kib: ($after - $before)}' "$STACK/large.json" | figure large
