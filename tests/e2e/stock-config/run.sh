#!/usr/bin/env bash
# NEIGHBOURS="dialog topoh": plays in enforce mode beside each of these modules (neighbours/), in
# place of the two modes.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../scenes.sh"

STOCK=/etc/kamailio/kamailio.cfg

# One call at a time: a seat that is not freed refuses the next call. The last expert's address is
# at a name of this server, and he registers here.
QUOTA='{per_minute: 1000, concurrent: 1, max_call_s: 3600}'
HOUSE=house@proxy.example
KEYS=house-2026a
registry_edit() {
	cat
	EXPERT_SOURCES=$SPARE_IP registry_expert "$HOUSE" "$SPARE_PORT" safety house-2026a
}

# The file of the package, not one that was edited on this host.
is_stock() {
	dpkg-query -W -f '${Conffiles}\n' kamailio | awk -v file="$STOCK" '$1 == file {print $2, $1}' |
		sed 's/ /  /' | md5sum --quiet -c
}

# neighbour NAME: its file, with the addresses of this deployment.
neighbour() {
	[ -z "$1" ] || sed -e "s|@STACK@|$STACK|" -e "s|@PROXY@|$PROXY_IP:$SIP_PORT|" \
		-e "s|@TLS@|$PROXY_IP:$TLS_PORT|" "$CASE_DIR/neighbours/$1.cfg"
}

# paste_pieces MODE [NEIGHBOUR]: the pieces as printed, with this deployment's paths, and a socket
# for the test.
paste_pieces() {
	{
		echo 'alias="proxy.example"'
		neighbour "${2:-}" | grep -v '^#route: '
		echo 'modparam("jsonrpcs", "transport", 4)'
		echo 'modparam("jsonrpcs", "dgram_socket", RPC_SOCKET)'
	} >"$STACK/modules.cfg"
	neighbour "${2:-}" | sed -n 's/^#route: //p' >"$STACK/route.cfg"
	python3 -B "$CASE_DIR/paste.py" "$STOCK" "$IFE_ROOT/docs/kamailio.md" "$STACK/kamailio.cfg" \
		"$STACK/modules.cfg" "$STACK/route.cfg"
	sed -i -e "s|/etc/if-escalate/registry.yaml|$STACK/registry.yaml|" \
		-e "s|\"/run/if-escalate\"|\"$STATE\"|" -e "s|\"mode\", \"shadow\"|\"mode\", \"$1\"|" \
		"$STACK/kamailio.cfg"
}

# Starts Kamailio with the pieces, the first time with everything around it.
start_pasted() {
	expect_ok "pieces pasted" paste_pieces "$@"
	if [ -f "$STACK/registry.yaml" ]; then
		proc_stop kamailio
		KAMAILIO_CFG=$STACK/kamailio.cfg stack_start_kamailio -l "udp:$PROXY_IP:$SIP_PORT"
	else
		KAMAILIO_CFG=$STACK/kamailio.cfg NO_EXPERT=1 start -l "udp:$PROXY_IP:$SIP_PORT"
	fi
	expect "mode" "$1" "$(rpc ife.status | jq -r .mode)"
}

prepare_neighbours() {
	cp -r /usr/share/kamailio/dbtext/kamailio "$STACK/dbtext"
	# Debian's tables of topos refuse the empty values that topos writes.
	sed -i '1s/)/,null)/g' "$STACK"/dbtext/topos_[dt]
	"$IFE_ROOT/scripts/make-test-ca.sh" "$STACK/ca"
}

expect_ok "the package's own file" is_stock
if [ -n "${NEIGHBOURS:-}" ]; then
	expect_ok "files of the neighbours" prepare_neighbours
	for name in $NEIGHBOURS; do
		before=$FAILURES
		start_pasted enforce "$name"
		play enforce
		expect_alive
		[ "$FAILURES" = "$before" ] || echo "  beside $name"
	done
else
	for mode in shadow enforce; do
		start_pasted "$mode"
		play "$mode"
		expect_alive
	done
fi
expect_log 0 '[.from, .to, .ruri, .detail] | map(. // "") | join(" ") | test("alice|bob")'
