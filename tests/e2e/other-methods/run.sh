#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start
signed=$(stack_sign council-2026a "$COUNCIL" "$SAFETY" safety)
for method in MESSAGE REGISTER SUBSCRIBE NOTIFY PUBLISH INFO REFER UPDATE BYE PRACK FROB; do
	for to in "$SAFETY" "safety@$EXPERT_IP:$EXPERT_PORT" "elsewhere@$SPARE_IP:$SPARE_PORT"; do
		TO=$to raw_request "$STACK/request.sip" "$method" "$method-$RANDOM@caller.example" "$signed"
		code=$(final_code "$STACK/request.sip" --wait 2)
		case $code in 403 | 404 | 405 | 481 | 501) ;; *) fail "$method to $to: $code" ;; esac
	done
done
TO="$PROXY_IP:$SIP_PORT" raw_request "$STACK/options.sip" OPTIONS ping@caller.example "$signed"
expect "OPTIONS to the proxy itself" 200 "$(final_code "$STACK/options.sip" --wait 2)"
raw_request "$STACK/options.sip" OPTIONS through@caller.example "$signed"
case $(final_code "$STACK/options.sip" --wait 2) in
	200 | 403 | 404 | 405) ;;
	*) fail "OPTIONS for the expert was not answered" ;;
esac

# INVITEs for third parties: the Request-URI decides, not To.
TO="victim@$SPARE_IP:$SPARE_PORT" raw_request "$STACK/relay.sip" INVITE relay@caller.example \
	"$signed" "s|^To: .*|To: <sip:$SAFETY>|"
expect "INVITE for a third party" 403 "$(final_code "$STACK/relay.sip" --wait 2)"
raw_request "$STACK/loops.sip" INVITE loops@caller.example "$signed" \
	's/^Max-Forwards: .*/Max-Forwards: 0/'
expect "Max-Forwards used up" 483 "$(final_code "$STACK/loops.sip" --wait 2)"
expect_log 1 '.event == "REJECTED" and .call_id == "loops@caller.example"'
expect "requests at the expert" 0 "$(requests_at safety)"
expect_alive
