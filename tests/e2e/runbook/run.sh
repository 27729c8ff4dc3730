#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

QUOTA='{per_minute: 1000, concurrent: 1, max_call_s: 3600}'
start
signed_csv "$STACK/stuck.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
signed_csv "$STACK/before.csv" 403/replay council-2026a "$COUNCIL" "$SAFETY" safety

# One seat, and a call that holds it; no side hangs up.
proc_start stuck sipp -sf "$SIPP_DIR/uac.xml" "$PROXY_IP:$SIP_PORT" -i "$CALLER_IP" \
	-p "$CALLER_PORT" -inf "$STACK/stuck.csv" -m 1 -d 600000 \
	-nostdin -cid_str '%u.stuck@caller.example'
expect_rpc_eventually 1 ife.stats .active_calls
signed_csv "$STACK/busy.csv" 486/quota council-2026a "$COUNCIL" "$SAFETY" safety
CALLER_PORT=$SPARE_PORT stack_calls busy uac "$STACK/busy.csv"
expect_calls busy "$STACK/busy.csv"
expect_ok "the release" rpc ife.release 1.stuck@caller.example
expect "the seat" 0 "$(rpc ife.stats | jq .active_calls)"
expect_log 1 '.event == "TERMINATED" and .detail == "released by an operator" and
	.call_id == "1.stuck@caller.example"'
signed_csv "$STACK/next.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
CALLER_PORT=$SPARE_PORT stack_calls next uac "$STACK/next.csv"
expect_calls next "$STACK/next.csv"
proc_stop stuck

# The tmpfs of a host that was restarted is empty.
proc_stop kamailio
rm -f "$STATE"/shared.* "$STATE"/registry.*
stack_start_kamailio
expect_ok "calls signed before" stack_calls before uac "$STACK/before.csv"
expect_calls before "$STACK/before.csv"
# A signature of the table's own second is refused as well.
signed_csv "$STACK/anew.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety \
	--iat $(($(date +%s) + 2))
expect_ok "calls signed anew" stack_calls anew uac "$STACK/anew.csv"
expect_calls anew "$STACK/anew.csv"
expect_alive
