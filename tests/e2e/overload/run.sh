#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

worker() { rpc core.psx | jq -r '.[] | select(.DSC | test("udp receiver")) | .PID'; }
transactions() { rpc tm.stats | jq .total; }

# A buffer that a hundred INVITEs fill by a good part.
start -A WORKERS=1 -A PIKE_DENSITY=100000 -A RECEIVE_BUFFER=0 -A SHED_STRANGERS=10 \
	-A SHED_PARTIES=30
pid=$(worker)
signed_csv "$STACK/under-way.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
load_begin under-way uac "$STACK/under-way.csv" -d 2000
wait_log 1 '.event == "CONNECTED"'
signed_csv "$STACK/party.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 5
signed=$(stack_sign council-2026a "$COUNCIL" "$SAFETY" safety)
raw_request "$STACK/stranger.sip" INVITE stranger@caller.example "$signed" '/^X-IF-Signature/d'

kill -STOP "$pid"
send_raw "$STACK/stranger.sip" --source "$STRANGER_IP" --times 100 --all --wait 12 \
	>"$STACK/stranger.replies" &
flood=$!
queued() { awk -v port="$(printf ':%04X' "$SIP_PORT")" \
	'$2 ~ port"$" { split($5, q, ":"); if (q[2] != "00000000") found = 1 } END { exit !found }' \
	/proc/net/udp; }
wait_until 10 queued
sleep 2.5
CALLER_PORT=$SPARE_PORT stack_calls party uac "$STACK/party.csv" -p "$SPARE_PORT" &
party=$!
sleep 0.5
kill -CONT "$pid"
wait "$flood"
wait "$party" || fail "calls of a party behind the flood"
load_end || fail "the call under way is not ended"

expect "replies to strangers" 100 \
	"$(jq -s 'map(select(.code >= 200)) | length' "$STACK/stranger.replies")"
expect "most are shed" yes \
	"$(jq -s 'map(select(.code == 503 and .retry_after > 0)) | length >= 50' \
		"$STACK/stranger.replies" | sed s/true/yes/)"
expect "none with 500" 0 "$(jq -s 'map(select(.code == 500)) | length' "$STACK/stranger.replies")"
expect "calls of the party" 5 \
	"$(jq -s 'map(select(.code == 200)) | length' "$STACK/captures/party.outcomes")"
expect_log 6 '.event == "TERMINATED"'
expect "shed calls are in the log" true \
	"$(log_entries | jq -s 'any(.[]; .event == "REJECTED" and (.detail // "" | test("Overloaded")))')"
expect_alive

# Memory that is short: Kamailio itself takes more than a percent of it.
proc_stop kamailio
stack_start_kamailio -A SHED_MEMORY=1
signed_csv "$STACK/short.csv" 503 council-2026a "$COUNCIL" "$SAFETY" safety --count 5
expect_ok "calls while memory is short" stack_calls short uac "$STACK/short.csv"
expect "they may try again" 5 \
	"$(jq -s 'map(select(.code == 503 and .retry_after > 0)) | length' \
	"$STACK/captures/short.outcomes")"
expect_alive
