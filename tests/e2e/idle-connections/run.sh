#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../netns.sh"

streams() { python3 "$IFE_ROOT/tests/e2e/streams.py" "$@"; }
connections() { rpc core.tcp_info | jq .opened_connections; }
free_kib() { echo $(($(rpc core.shmmem | jq .free) / 1024)); }

start -A TCP_STRANGER_S=2 -A TCP_PER_STRANGER=16
signed=$(stack_sign council-2026a "$COUNCIL" "$SAFETY" safety)
TRANSPORT=TCP raw_request "$STACK/options.sip" OPTIONS keep@caller.example "$signed"
streams keep "$PROXY_IP" "$SIP_PORT" "$CALLER_IP" "$STACK/options.sip" "$STACK/go" \
	>"$STACK/party.answer" &
party=$!
streams keep "$PROXY_IP" "$SIP_PORT" "$STRANGER_IP" "$STACK/options.sip" "$STACK/go" \
	>"$STACK/stranger.answer" &
stranger=$!
both_opened() { grep -q open "$STACK/party.answer" && grep -q open "$STACK/stranger.answer"; }
wait_until 20 both_opened || fail "two connections cannot be opened"
one_open() { [ "$(connections)" = 1 ]; }
wait_until 10 one_open ||
	fail "a stranger's connection that is older than TCP_STRANGER_S is not closed"

proc_start flood python3 "$IFE_ROOT/tests/e2e/streams.py" hold "$PROXY_IP" "$SIP_PORT" \
	"$STRANGER_IP" 4300
shut_out() { grep -q 'too many connections' "$STACK/log/kamailio.log"; }
wait_until 20 shut_out || fail "the flood is not noticed"
# Connections that the kernel had queued for the listener are accepted and closed.
settled() { [ "$(connections)" -lt 32 ]; }
wait_until 20 settled || fail "the flood holds $(connections) connections"
for round in 1 2 3; do
	signed_csv "$STACK/tcp$round.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 5
	expect_ok "calls of a party over TCP, round $round" stack_calls "tcp$round" uac \
		"$STACK/tcp$round.csv" -t t1 -r 10
	signed_csv "$STACK/udp$round.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 20
	expect_ok "calls over UDP, round $round" stack_calls "udp$round" uac "$STACK/udp$round.csv"
done
expect_ok "the flood's connections stay few" settled
expect "free shared memory above 24 MiB" yes \
	"$([ "$(free_kib)" -gt 24576 ] && echo yes || free_kib)"
proc_kill flood
touch "$STACK/go"
wait "$party" "$stranger"
expect "a party's connection, idle all the while" "SIP/2.0 200 OK" \
	"$(tail -n 1 "$STACK/party.answer")"
expect "a stranger's" closed "$(tail -n 1 "$STACK/stranger.answer")"
expect "out of shared memory" 0 \
	"$(grep -c 'could not allocate shared memory' "$STACK/log/kamailio.log")"
expect_alive

# More connections than the memory can bear: Kamailio logs it and does not start.
proc_stop kamailio
stack_start_kamailio_anyhow() { (stack_start_kamailio -A TCP_CONNECTIONS=4096) }
expect_fails "4096 connections with 64 MiB" "shared memory of 64 MiB is too small" \
	stack_start_kamailio_anyhow
