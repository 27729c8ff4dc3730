#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

free_kib() { echo $(($(rpc core.shmmem | jq .free) / 1024)); }

# padded FILE BYTES CALL_ID: a signed INVITE with a body of so many bytes.
padded() {
	raw_request "$STACK/short.sip" INVITE "$3" \
		"$(stack_sign council-2026a "$COUNCIL" "$SAFETY" safety)" \
		"s|^Content-Length: .*|Content-Length: $2|"
	{
		sed '/^\r$/q' "$STACK/short.sip"
		printf 'a%.0s' $(seq "$2")
	} >"$1"
}

start
padded "$STACK/17.sip" 17000 seventeen@caller.example
expect "17 KB over UDP" 413 "$(final_code "$STACK/17.sip")"
expect_log 1 '.event == "REJECTED" and .call_id == "seventeen@caller.example"'
TRANSPORT=TCP padded "$STACK/tcp.sip" 17000 stream@caller.example
expect "17 KB over TCP" 413 "$(final_code "$STACK/tcp.sip" --tcp)"
expect_log 1 '.event == "REJECTED" and .call_id == "stream@caller.example"'
TRANSPORT=TCP padded "$STACK/long.sip" 60000 long@caller.example
TRANSPORT=TCP raw_request "$STACK/options.sip" OPTIONS after@caller.example \
	"$(stack_sign council-2026a "$COUNCIL" "$SAFETY" safety)"
answers=$(send_raw "$STACK/long.sip" "$STACK/options.sip" --tcp --all |
	jq -s -r 'map(.code) | join(" ")')
# Kamailio 6.0 ends a connection by itself at a message over 32 KiB (msg_recv_max_size).
wanted="413 200"
! grep -q 'tcp_read_req(): read message too large' "$STACK/log/kamailio.log" || wanted=
expect "60 KB over TCP, and the next request" "$wanted" "$answers"

padded "$STACK/60.sip" 60000 sixty@caller.example
before=$(free_kib)
send_raw "$STACK/60.sip" --times 400 --wait 1 >/dev/null
expect "shared memory lost to 400 of them, below 1 MiB" yes \
	"$([ $((before - $(free_kib))) -lt 1024 ] && echo yes || free_kib)"
expect "transactions" 0 "$(rpc tm.stats | jq .current)"

signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
expect_ok "a call afterwards" stack_calls after uac "$STACK/calls.csv"
expect_alive
