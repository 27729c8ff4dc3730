#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../scenes.sh"

KAMAILIO_CFG=$CASE_DIR/kamailio.cfg NO_EXPERT=1 start
play

# ife.explain has the scope of check_policy(): one answer about a call between others.
explained=$(rpc ife.explain - - - sip:alice@elsewhere.example sip:bob@elsewhere.example)
expect "explain: others" '[1,"not_for_gate",2]' \
	"$(jq -c '[length, .[0].outcome, .[0].returns]' <<<"$explained")"
explained=$(rpc ife.explain - - - sip:alice@elsewhere.example "sip:$SAFETY")
expect "explain: to an expert" '["headers","refuse"]' \
	"$(jq -c '[.[0].gate, .[0].outcome]' <<<"$explained")"
expect "explain counts nothing" 0 "$(rpc ife.stats | jq .not_for_gate)"
expect_alive

# When Kamailio stops while a phone rings, the script has not left that call.
left='.detail == "left by the script without an answer"'
expect_log 1 "$left"
play ringing
proc_stop kamailio
wait_log 1 '.event == "STOP" and .producer == "kamailio-0"'
expect "calls left by the script" 1 "$(log_count "$left")"
