#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start
signed=$(stack_sign council-2026a "$COUNCIL" "$SAFETY" safety)
signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
load_begin call uac "$STACK/calls.csv" -d 8000
wait_log 1 '.event == "CONNECTED"'
proc_stop kamailio
stack_start_kamailio

# header_tag METHOD-OR-STATUS HEADER: a tag of the first such message that the expert has seen or
# sent.
header_tag() {
	grep -a -A12 "^$1" "$STACK/captures/safety.msg" |
		sed -n "s/^$2:.*;tag=\([^;[:space:]]*\).*/\1/p" | head -n 1
}
caller_tag=$(header_tag 'INVITE sip:' From) callee_tag=$(header_tag 'SIP/2.0 200' To)
expect_ok "tags of the call" test -n "$caller_tag" -a -n "$callee_tag"
for target in "$STRANGER_IP:9" "$ETHICS_IP:$ETHICS_PORT" "$PROXY_IP:$SIP_PORT" \
	"localhost:$EXPERT_PORT"; do
	TO_TAG=$callee_tag raw_request "$STACK/info.sip" INFO 1.call@caller.example "$signed" \
		"s|^\(From:.*;tag=\).*|\1$caller_tag|" "s|^INFO sip:[^ ]*|INFO sip:x@$target|"
	wanted=403
	[ "$target" != "$PROXY_IP:$SIP_PORT" ] || wanted=482
	expect "INFO to $target" "$wanted" "$(final_code "$STACK/info.sip" --wait 2)"
done
load_end || fail "the call did not end as it should"
expect_log 1 '.event == "TERMINATED" and .code == 200'
expect "INFOs at the expert" 0 "$(grep -ac '^INFO sip:' "$STACK/captures/safety.msg")"
expect_rpc_eventually 0 ife.stats .active_calls
expect_alive
