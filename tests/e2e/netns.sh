# Sourced by cases that need networks of their own: namespaces held by a process each, so that they
# go with it. Needs root.
# shellcheck shell=bash

[ "$(id -u)" = 0 ] || die "this case makes network namespaces: run it as root"

# netns NAME: a namespace with nothing but loopback in it.
netns() {
	proc_start "netns-$1" unshare --net sleep infinity
	wait_until 5 netns_is_apart "$1"
	in_netns "$1" ip link set lo up
}
netns_pid() { proc_pid "netns-$1"; }
# The process has left the namespace that it was started in.
netns_is_apart() {
	[ "$(readlink "/proc/$(netns_pid "$1")/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

# in_netns NAME COMMAND...
in_netns() {
	local pid
	pid=$(netns_pid "$1")
	shift
	nsenter -t "$pid" -n "$@"
}

# in_netns_start NAME PROCESS COMMAND...: as proc_start.
in_netns_start() {
	local pid
	pid=$(netns_pid "$1")
	proc_start "$2" nsenter -t "$pid" -n "${@:3}"
}

# veth NAME ADDRESS OURS: a link between the namespace (eth0) and the case's own (veth-NAME).
veth() {
	ip link add "veth-$1" type veth peer name eth0 netns "$(netns_pid "$1")" ||
		die "no veth pair can be made"
	ip addr add "$3" dev "veth-$1"
	ip link set "veth-$1" up
	in_netns "$1" ip addr add "$2" dev eth0
	in_netns "$1" ip link set eth0 up
}

# veth_between NAME ADDRESS OTHER ADDRESS: a link between two namespaces (eth0 of the first, eth1 of
# the other).
veth_between() {
	ip link add "between-$1" type veth peer name eth1 netns "$(netns_pid "$3")" ||
		die "no veth pair can be made"
	ip link set "between-$1" netns "$(netns_pid "$1")" name eth0
	in_netns "$1" ip addr add "$2" dev eth0
	in_netns "$1" ip link set eth0 up
	in_netns "$3" ip addr add "$4" dev eth1
	in_netns "$3" ip link set eth1 up
}

# carry_http NAME: the evidence listener is on the namespace's loopback too. TCP alone, by way of a
# socket in the file system, which namespaces share.
carry_http() {
	proc_start http-out socat "UNIX-LISTEN:$STACK/http.sock,fork" "TCP:127.0.0.1:$EVIDENCE_PORT"
	wait_until 5 test -S "$STACK/http.sock"
	in_netns_start "$1" http-in socat "TCP-LISTEN:$EVIDENCE_PORT,bind=127.0.0.1,reuseaddr,fork" \
		"UNIX-CONNECT:$STACK/http.sock"
}
