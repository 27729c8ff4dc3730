# Sourced by cases that need names: a DNS server of the case, and a resolv.conf that names it. They
# run as root, in a mount namespace of their own.
# shellcheck shell=bash

[ -n "${IFE_E2E_NET:-}" ] ||
	die "this case needs a network of its own: run it by tests/e2e/run as root"
DNS_IP=$IFE_E2E_NET.53

# dns_start: the server, with the records in $STACK/zone.
dns_start() {
	printf 'nameserver %s\n' "$DNS_IP" >"$STACK/resolv.conf"
	mount --bind "$STACK/resolv.conf" /etc/resolv.conf || die "resolv.conf cannot be replaced"
	proc_start dns python3 "$IFE_ROOT/tests/e2e/dns.py" "$DNS_IP" "$STACK/zone" "$STACK/log/dns.asked"
	wait_until 5 test -f "$STACK/log/dns.asked"
}

# dns_zone: the server's records from standard input, replaced at once.
dns_zone() { cat >"$STACK/zone.new" && mv "$STACK/zone.new" "$STACK/zone"; }

# dns_asked PATTERN: how many questions were asked that match.
dns_asked() { grep -cE "$1" "$STACK/log/dns.asked"; }

# name_known NAME [TYPE]: the name has an answer in Kamailio's cache.
name_known() { rpc dns.lookup "${2:-A}" "$1" 2>/dev/null | jq -e '.name' >/dev/null 2>&1; }
