#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../netns.sh"
EVIDENCE_IP=10.99.3.1
. "$(dirname "$0")/../evidence.sh"

netns expert
veth expert 10.99.3.2/24 10.99.3.1/24
head -c 4000000 /dev/urandom >"$STACK/evidence/report.bin"
EVIDENCE_MORE="  grace_s: 4"
start_with_evidence
carry_http expert

answer=$(call_about report.bin)
call=$(jq -r .call_id <<<"$answer") link=$(jq -r .evidence_link <<<"$answer")
PEER_ADDRESS='' PEER_IN=expert peer loss "$link" "$STACK/received" >"$STACK/loss.json" &
loss=$!
peers_are() { [ "$(api GET /v1/evidence/peers | jq length)" = "$1" ]; }
wait_until 60 test -e "$STACK/received/first"
ip link set veth-expert down
sleep 1.5
ip link set veth-expert up
touch "$STACK/received/first-over"
wait_until 60 test -e "$STACK/received/second"
expect "connections after a short break" 1 "$(api GET /v1/evidence/peers | jq length)"
ip link set veth-expert down
wait_until 60 peers_are 0
expect "connections after a long break" 0 "$(api GET /v1/evidence/peers | jq length)"
ip link set veth-expert up
touch "$STACK/received/second-over"
wait "$loss"
expect "what the expert saw" '{"survived":true,"verified":[true]}' "$(jq -c . "$STACK/loss.json")"
expect_evidence "$call" verified
expect_log 2 ".event == \"EVIDENCE_OPEN\" and .call_id == \"$call\""

# The bridge dies and comes back; its calls have lived on.
answer=$(call_about report.bin)
call=$(jq -r .call_id <<<"$answer") link=$(jq -r .evidence_link <<<"$answer")
expect_call "$call" connected
restart() {
	proc_kill bridge
	bridge_start
	expect_call "$call" connected
	expect_evidence "$call" open
	touch "$STACK/received/second-over"
}
rm "$STACK/received"/*
PEER_ADDRESS='' PEER_IN=expert peer loss "$link" "$STACK/received" >"$STACK/restart.json" &
loss=$!
wait_until 60 test -e "$STACK/received/first"
touch "$STACK/received/first-over"
wait_until 60 test -e "$STACK/received/second"
restart
wait "$loss"
expect "after a restart of the bridge" '{"survived":true,"verified":[true]}' \
	"$(jq -c . "$STACK/restart.json")"
expect "the link is still used" 409 \
	"$(curl -s -o /dev/null -w '%{http_code}' -X POST -H "Authorization: Bearer ${link#*#}" \
	"${link%%#*}/redeem")"
api DELETE "/v1/calls/$call" >/dev/null
# A session on disk outlives its call by the time for a decision, and answers that the call is over.
sessions_under_way() {
	find "$STACK/store/evidence" -name '*.json' -exec jq -r '.ended_unix_s // "live"' {} + |
		grep -c live
}
gone() { [ "$(sessions_under_way)" = 1 ]; }
wait_until 10 gone
expect "sessions of calls under way, on disk" 1 "$(sessions_under_way)"
expect_alive
