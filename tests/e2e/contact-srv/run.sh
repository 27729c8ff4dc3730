#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../netns.sh"
. "$(dirname "$0")/../dns.sh"

registry_edit() {
	sed -e "s|expert-safety@$EXPERT_IP:$EXPERT_PORT|expert-safety@safety.example|" \
		-e "s|expert-ethics@$ETHICS_IP:$ETHICS_PORT|expert-ethics@ethics.example;transport=tcp|"
}

dns_zone <<ZONE
_sip._udp.safety.example 60 SRV 10 0 $SPARE_PORT dead.example
_sip._udp.safety.example 60 SRV 20 0 $EXPERT_PORT phone.safety.example
_sip._tcp.ethics.example 60 SRV 10 0 $SPARE_PORT dead.example
_sip._tcp.ethics.example 60 SRV 20 0 $ETHICS_PORT phone.ethics.example
dead.example 60 A $SPARE_IP
phone.safety.example 60 A $EXPERT_IP
phone.ethics.example 60 A $ETHICS_IP
ZONE
dns_start
start -A SILENCE_TIMEOUT_MS=1000
stack_expert ethics "$ETHICS_PORT" uas -t t1
# rpc dns.view names each record that the cache holds.
known() {
	[ "$(rpc dns.view | grep -oE 'dead\.example|phone\.(safety|ethics)\.example' | sort -u | wc -l)" \
		= 3 ]
}
wait_until 20 known || fail "the targets are not resolved"

signed_csv "$STACK/udp.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
expect_ok "silent first target" stack_calls udp uac "$STACK/udp.csv"
expect "INVITEs at the second target" 1 "$(grep -ac '^INVITE ' "$STACK/captures/safety.msg")"
sed "s|SIP/2.0 480 Refused|SIP/2.0 503 Service Unavailable|" "$SIPP_DIR/uas-reply.xml" \
	>"$STACK/sipp/uas-503.xml"
stack_expert_at refusing "$SPARE_IP" "$SPARE_PORT" "$STACK/sipp/uas-503.xml"
signed_csv "$STACK/503.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
expect_ok "first target that says 503" stack_calls 503 uac "$STACK/503.csv"
expect "INVITEs at the first target" 1 "$(grep -ac '^INVITE ' "$STACK/captures/refusing.msg")"
expect "INVITEs at the second target by now" 2 "$(grep -ac '^INVITE ' "$STACK/captures/safety.msg")"
proc_stop refusing
signed_csv "$STACK/tcp.csv" 200 council-2026a "$COUNCIL" "$ETHICS" ethics
expect_ok "first target that refuses the connection" stack_calls tcp uac "$STACK/tcp.csv"
expect "INVITEs at the second target over TCP" 1 \
	"$(grep -ac '^INVITE ' "$STACK/captures/ethics.msg")"
expect_calls udp "$STACK/udp.csv"
expect_calls 503 "$STACK/503.csv"
expect_calls tcp "$STACK/tcp.csv"
expect_log 3 '.event == "TERMINATED"'
expect_alive
