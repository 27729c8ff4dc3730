# Sourced by the cases of the expert's page after lib.sh: Chromium, node's modules, pictures.
# shellcheck shell=bash

export IFE_SHOTS=${IFE_SHOTS:-$IFE_TARGET/artifacts}

page_setup() {
	"$IFE_ROOT/tests/browser/install.sh" >/dev/null ||
		die "the browser tests' packages cannot be installed"
	mkdir -p "$IFE_SHOTS"
	page_network
}

# browser LABEL SCRIPT ARG...: a node program whose steps must all pass; what it says is shown when
# one does not.
browser() {
	local label=$1
	shift
	mkdir -p "$STACK/log"
	expect_ok "page: $label" browser_steps "$STACK/log/page-$label.log" "$@"
}

browser_steps() {
	local log=$1 rc=0
	shift
	timeout --foreground -k 5 220 node "$@" >"$log" 2>&1 || rc=$?
	cat "$log"
	return "$rc"
}

# The bridge that lies, built like the other tests' programs; its path on stdout.
faulty_bridge() { "$IFE_ROOT/tests/tools/build" faulty_bridge; }

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
	# Without IPv6, whose addresses come a second later: Chromium ends what it loads when addresses
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
