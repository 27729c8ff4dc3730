# Sourced by run.sh: ports that the configuration names, and names of hosts, good and bad.
# shellcheck shell=bash

# hold tcp|udp PORT: a program of another name has the port of 127.0.0.1.
hold() {
	local kind=SOCK_STREAM listen='s.listen()'
	[ "$1" = tcp ] || kind=SOCK_DGRAM listen=
	proc_start "holder-$2" python3 -c "import signal, socket
s = socket.socket(socket.AF_INET, socket.$kind)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', $2))
$listen
signal.pause()"
	wait_until 5 port_taken "$2" || fail "nothing holds the port $2"
}

# The report of a port that `hold` has.
HELD='held by python[0-9.]* \(process [0-9]+\), not by'

of_ports() {
	jq -r '.lines[] | select(.check == "ports") | .level + ": " + .what' "$STACK/doctor.json"
}

# The bridge runs: its port is its own, and another one in its file is one that it has not read.
ports_of_a_running_bridge() {
	findings >/dev/null
	expect "ports of a running bridge" "ok: 1 held by their programs, 0 free" "$(of_ports)"
	cp "$STACK/bridge.yaml" "$STACK/bridge.good"
	sed -i "s|127.0.0.1:$API_PORT|127.0.0.1:$SPARE_PORT|" "$STACK/bridge.yaml"
	finds "^error ports: TCP 127.0.0.1:$SPARE_PORT \(listen.tcp\): ife-bridge runs, and nothing"
	sed -i "s|127.0.0.1:$SPARE_PORT|192.0.2.9:443|" "$STACK/bridge.yaml"
	finds '^error ports: TCP 192.0.2.9:443 \(listen.tcp\): no interface of this host has'
	mv "$STACK/bridge.good" "$STACK/bridge.yaml"
}

# The bridge has ended: its port is free, then another program's.
ports_of_a_stopped_bridge() {
	findings >/dev/null
	expect "ports of a stopped bridge" "ok: 0 held by their programs, 1 free" "$(of_ports)"
	hold tcp "$API_PORT"
	finds "^error ports: TCP 127.0.0.1:$API_PORT \(listen.tcp\): $HELD ife-bridge"
	proc_stop "holder-$API_PORT"
}

# Kamailio has ended, and other programs have its ports.
ports_of_a_stopped_kamailio() {
	hold tcp "$SIP_PORT"
	printf '#!define SIP_PORT %s\n' "$SIP_PORT" >"$STACK/kamailio-local.cfg"
	finds "^error ports: TCP 127.0.0.1:$SIP_PORT \(kamailio.cfg, listen\): $HELD kamailio"
	expect "the port that is free" 0 "$(of_ports | grep -c "UDP 127.0.0.1:$SIP_PORT")"
	proc_stop "holder-$SIP_PORT"
	hold udp "$RPC_PORT"
	finds "^error ports: UDP 127.0.0.1:$RPC_PORT \(--kamailio, RPC_SOCKET\): $HELD kamailio"
	proc_stop "holder-$RPC_PORT"
}

# Names by a DNS server of the case, where the case has a network of its own.
names_of_hosts() {
	[ -n "${IFE_E2E_NET:-}" ] || return 0
	. "$CASE_DIR/../dns.sh"
	DNS_IP=127.0.0.53
	dns_zone <<-ZONE
		_sip._udp.srv.example 60 SRV 10 0 5070 phone.example
		_sip._tcp.lost.example 60 SRV 10 0 5070 gone.example
		naptr.example 60 NAPTR 10 10 S SIP+D2U _sip._udp.elsewhere.example
		phone.example 60 A 192.0.2.7
	ZONE
	dns_start
	cp "$STACK/dispatcher.list" "$STACK/dispatcher.good"
	cp "$STACK/bridge.yaml" "$STACK/bridge.good"
	printf '1 sip:%s\n' srv.example naptr.example phone.example:5060 >"$STACK/dispatcher.list"
	expect "names that resolve" "" "$(findings)"
	printf '1 sip:%s\n' lost.example nothing.example >"$STACK/dispatcher.list"
	echo 'notify: {allowed_hosts: ["hooks.nothing.example:8443"]}' >>"$STACK/bridge.yaml"
	finds "^error names: lost.example .*: targets of its SRV records do not resolve: gone.example"
	finds "^error names: nothing.example .* does not resolve: .*, and it has no SRV or NAPTR records"
	finds '^error names: hooks.nothing.example \(notify.allowed_hosts\) does not resolve: '
	echo '. silent' | dns_zone
	finds '^(error names: .*: the DNS does not answer|warning names: .* has no address of its own)'
	proc_stop dns
	umount /etc/resolv.conf
	mv "$STACK/dispatcher.good" "$STACK/dispatcher.list"
	mv "$STACK/bridge.good" "$STACK/bridge.yaml"
}
