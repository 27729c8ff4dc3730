#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../scenes.sh"

CALLERS_PROXY=$CALLER2_IP:5082
EXPERTS_PROXY=$EXPERT_IP:$EXPERT_PORT
export CALLERS_PROXY EXPERTS_PROXY

# proxy NAME ADDRESS NEXT: another Kamailio with nothing of ours.
proxy() {
	mkdir -p "$STACK/$1"
	proc_start "$1" kamailio -DD -E -f "$CASE_DIR/proxy.cfg" -Y "$STACK/$1" -m 32 -M 8 \
		-L "$(kamailio_modules)" \
		-A "PROXY_ADDRESS=$2" -A "NEXT=\"sip:$3\""
	wait_until 10 port_of_taken "$2"
}
port_of_taken() { ss -Hlun "src $1" | contains .; }

registry_edit() { sed "s|sources: \[$CALLER_IP.*|sources: [$CALLER_IP, $CALLER2_IP]|"; }
NO_EXPERT=1 start
proxy callers-proxy "$CALLERS_PROXY" "$PROXY_IP:$SIP_PORT"
proxy experts-proxy "$EXPERTS_PROXY" "$SPARE_IP:5090"
play
expect_alive
for name in callers-proxy experts-proxy; do proc_alive "$name" || fail "the $name has died"; done
