# A network for a browser, for the demo and the cases of the expert's page. Sourced.
# shellcheck shell=bash

# Chromium makes no WebRTC connection where loopback is the only network, as in a namespace: it gets
# another one there, which deployments share.
page_network() {
	local lock
	lock=/run/lock/if-escalate-page-$(readlink /proc/self/ns/net | tr -dc 0-9)
	mkdir -p /run/lock
	exec 6>>"$lock"
	flock -s 6
	(
		flock 5
		ip -o addr show up scope global | contains . || page_network_make
	) 5>>"$lock.make" || die "there is no network but loopback, and none can be made (root can)"
}

page_network_make() {
	local end
	ip link add ife-page0 type veth peer name ife-page1 || return 1
	# Without IPv6, whose addresses come a second later: Chromium ends a load when addresses
	# change.
	for end in ife-page0 ife-page1; do
		[ ! -e "/proc/sys/net/ipv6/conf/$end" ] ||
			echo 1 >"/proc/sys/net/ipv6/conf/$end/disable_ipv6" || true
	done
	ip link set ife-page1 up && ip link set ife-page0 up && ip addr add 192.0.2.1/30 dev ife-page0
}

# Removes the interface, unless another deployment uses it.
page_network_close() {
	[ -e /sys/class/net/ife-page0 ] && flock -n 6 2>/dev/null || return 0
	ip link delete ife-page0
}
