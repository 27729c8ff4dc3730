#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start
signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 3
signed_csv "$STACK/calls.csv" 403/hazard council-2026a "$COUNCIL" "$SAFETY" ethics --count 2
expect_ok "calls" stack_calls calls uac "$STACK/calls.csv"
expect_calls calls "$STACK/calls.csv"

status=$(rpc ife.status)
expect "mode" enforce "$(jq -r .mode <<<"$status")"
stats=$(rpc ife.stats)
expect "approved" 3 "$(jq .approved <<<"$stats")"
expect "rejected by hazard" 2 "$(jq .rejected.hazard <<<"$stats")"
expect "experts" 2 "$(rpc ife.experts | jq length)"

# Kamailio's statistics and Prometheus agree.
expect "statistic" 3 "$(rpc stats.fetch if_escalate: | jq -r '."if_escalate.approved"')"
metrics=$(python3 - "http://127.0.0.1:$HTTP_PORT/metrics" <<-'PY'
	import sys, urllib.request
	opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
	print(opener.open(sys.argv[1], timeout=5).read().decode())
PY
)
expect "metric" 3 "$(awk '$1 == "kamailio_if_escalate_approved" { print $2 + 0 }' <<<"$metrics")"
expect "metric of a gate" 2 \
	"$(awk '$1 == "kamailio_if_escalate_rejected_hazard" { print $2 + 0 }' <<<"$metrics")"

# A dry run of a call has each gate's verdict and spends nothing: the same signature passes
# afterwards.
signed=$(stack_sign council-2026a "$COUNCIL" "$SAFETY" safety)
explained=$(rpc ife.explain "$(jq -r .hazard <<<"$signed")" "$(jq -r .trace_id <<<"$signed")" \
	"$(jq -r .signature <<<"$signed")" \
	"sip:$COUNCIL" "sip:$SAFETY" "$CALLER_IP" udp)
[ "$(jq 'length' <<<"$explained")" -ge 1 ] || fail "ife.explain says nothing: $explained"
# Too few, too many or wrong parameters are an error that names the right ones, and nothing is
# answered as if all were well.
expect_fails "explain without a callee" "parameters: hazard trace_id" rpc ife.explain safety \
	trace-12345 - "sip:$COUNCIL"
expect_fails "explain with one too many" "parameters: hazard trace_id" \
	rpc ife.explain safety trace-12345 - "sip:$COUNCIL" "sip:$SAFETY" 192.0.2.1 udp call-1 more
expect_fails "explain from no address" "peer_ip" rpc ife.explain safety trace-12345 - \
	"sip:$COUNCIL" "sip:$SAFETY" nowhere
expect_fails "explain over no transport" "transport is udp" \
	rpc ife.explain safety trace-12345 - "sip:$COUNCIL" "sip:$SAFETY" 192.0.2.1 pigeon
expect_fails "release of nothing" "parameters: call_id" rpc ife.release
expect_fails "release of two" "parameters: call_id" rpc ife.release one two
expect_fails "release of an unknown call" "no call under way" rpc ife.release one
echo SEQUENTIAL >"$STACK/explained.csv"
csv_lines "$COUNCIL" "$SAFETY" 200 <<<"$signed" >>"$STACK/explained.csv"
expect_ok "explained call passes" stack_calls explained uac "$STACK/explained.csv"
expect_calls explained "$STACK/explained.csv"

rpc ife.reset_stats >/dev/null
expect "approved after the reset" 0 "$(rpc ife.stats | jq .approved)"
expect_alive
