#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../scenes.sh"
. "$(dirname "$0")/../netns.sh"

[ -n "${IFE_E2E_NET:-}" ] || die "this case needs a network of its own: run it by tests/e2e/run"
# Kamailio's address in brackets, as a URI has it.
PROXY_IP='[2001:db8::1]' CALLER_IP=2001:db8::16 EXPERT_IP=2001:db8::33
COUNCIL_NET=2001:db8::16/128
for address in 2001:db8::1 "$CALLER_IP" "$EXPERT_IP"; do
	ip -6 addr add "$address/128" dev lo nodad
done
registry_edit() {
	sed "/id: $SAFETY/,/quota:/{ s|sources: .*|sources: [\"$EXPERT_IP\"]|; s|contact: .*|contact: \"sip:expert-safety@[$EXPERT_IP]:$EXPERT_PORT\"|; }
		s|sources: \[2001:db8::16/128\]|sources: [\"$COUNCIL_NET\"]|"
}
NO_EXPERT=1 start
play
expect_alive
