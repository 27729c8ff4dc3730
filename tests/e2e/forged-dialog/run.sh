#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start
signed=$(stack_sign council-2026a "$COUNCIL" "$SAFETY" safety)
route="Route: <sip:$PROXY_IP:$SIP_PORT;lr>, <sip:$EXPERT_IP:$EXPERT_PORT;lr>"
only_expert="Route: <sip:$EXPERT_IP:$EXPERT_PORT;lr>"

for method in INVITE BYE UPDATE INFO REFER; do
	TO_TAG=forged raw_request "$STACK/$method.sip" "$method" "tag-$method@caller.example" "$signed"
	expect "$method with a forged To-tag" 481 "$(final_code "$STACK/$method.sip" --wait 2)"
	TO_TAG=forged raw_request "$STACK/$method-route.sip" "$method" "route-$method@caller.example" \
		"$signed" "s|^Max-Forwards.*|&\r\n$route|"
	expect "$method with a forged To-tag and Route" 481 \
		"$(final_code "$STACK/$method-route.sip" --wait 2)"
	TO_TAG=forged TO="safety@$EXPERT_IP:$EXPERT_PORT" raw_request "$STACK/$method-direct.sip" \
		"$method" "direct-$method@caller.example" "$signed" "s|^Max-Forwards.*|&\r\n$route|"
	expect "$method to the expert's own address" 481 \
		"$(final_code "$STACK/$method-direct.sip" --wait 2)"
done
expect_log 3 '.event == "REJECTED" and .gate == "dialog" and .code == 481 and .cseq == 1 and
	(.call_id | test("-?INVITE@"))'

# An ACK cannot be answered; it must not be forwarded either.
TO_TAG=forged raw_request "$STACK/ACK.sip" ACK ack@caller.example "$signed" \
	"s|^Max-Forwards.*|&\r\n$route|"
expect "forged ACK" none "$(final_code "$STACK/ACK.sip" --wait 1)"
raw_request "$STACK/CANCEL.sip" CANCEL cancel@caller.example "$signed"
case $(final_code "$STACK/CANCEL.sip" --wait 1) in
	481 | none) ;;
	*) fail "a CANCEL of nothing was accepted" ;;
esac

# No To-tag, a Route of the caller's choice, and no signature: gated, not routed.
for name in route only_expert; do
	raw_request "$STACK/$name.sip" INVITE "preloaded-$name@caller.example" "$signed" \
		'/^X-IF-Signature/d' "s|^Max-Forwards.*|&\r\n${!name}|"
	code=$(final_code "$STACK/$name.sip" --wait 2)
	case $code in 403 | 428 | 481) ;; *) fail "unsigned INVITE with preloaded $name: $code" ;; esac
done
expect "requests at the expert" 0 "$(requests_at safety)"

# A real call's Call-ID with tags of one's own is still not that call.
signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
stack_calls real uac "$STACK/calls.csv" -d 3000 &
call=$!
wait_log 1 '.event == "CONNECTED"'
TO_TAG=forged raw_request "$STACK/bye.sip" BYE 1.real@caller.example "$signed"
expect "BYE with a real Call-ID and forged tags" 481 "$(final_code "$STACK/bye.sip" --wait 2)"
wait "$call" || fail "the real call was disturbed"

# That call is over but still recognised: its own tags reach its parties alone.
tag_of() {
	grep -a -A12 '^BYE sip:' "$STACK/captures/safety.msg" |
		sed -n "s/^$1:.*;tag=\([^;[:space:]]*\).*/\1/p" | head -n 1
}
caller_tag=$(tag_of From) callee_tag=$(tag_of To)
expect_ok "tags of the real call" test -n "$caller_tag" -a -n "$callee_tag"
for target in "$STRANGER_IP:9" "$PROXY_IP:$SIP_PORT"; do
	wanted=403
	[ "$target" != "$PROXY_IP:$SIP_PORT" ] || wanted=482
	for method in INFO INVITE OPTIONS; do
		file="$STACK/ended-$method.sip"
		TO_TAG=$callee_tag raw_request "$file" "$method" 1.real@caller.example "$signed" \
			"s|^\(From:.*;tag=\).*|\1$caller_tag|" "s|^$method sip:[^ ]*|$method sip:x@$target|"
		expect "$method of an ended call to $target" "$wanted" "$(final_code "$file" --wait 2)"
	done
done
expect_alive
