#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

registry_edit() {
	sed "/^councils:/,/^experts:/s|sources: .*|sources: [$CALLER_IP/32]|; /^experts:/,\$s|transports: .*|transports: [tls]|"
}
start
signed_csv "$STACK/here.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
signed_csv "$STACK/there.csv" 403/source council-2026a "$COUNCIL" "$SAFETY" safety
signed_csv "$STACK/udp.csv" 403/source safety-2026a "$SAFETY" "$COUNCIL" safety
expect_ok "from the council's network" stack_calls here uac "$STACK/here.csv"
CALLER_IP=$CALLER2_IP expect_ok "from another address" stack_calls there uac "$STACK/there.csv"
CALLER_IP=$EXPERT_IP expect_ok "expert over UDP" stack_calls udp uac "$STACK/udp.csv"
expect_calls here "$STACK/here.csv"
expect_calls there "$STACK/there.csv"
expect_calls udp "$STACK/udp.csv"
expect_alive
