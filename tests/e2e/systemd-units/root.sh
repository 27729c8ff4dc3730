#!/usr/bin/env bash
# root.sh TREE MACHINE: becomes systemd, as process 1 of a small machine, in the namespaces that its
# caller has made for it. MACHINE/root gets the machine's files: the host's /usr with TREE/usr over
# it, TREE/etc, and MACHINE/lib as /var/lib.
set -euo pipefail
. "$(dirname "$0")/../machine-root.sh"
tree=$1 machine=$2 root=$2/root

lay_out() {
	local link
	mkdir -p "$root" "$machine/lib"
	mount -t tmpfs -o mode=755 machine "$root"
	mkdir -p "$root"/{usr,proc,sys,dev,run,tmp,root,var/lib}
	for link in bin sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
	cp -r "$tree/etc" "$root/etc"
	mount -t overlay -o "lowerdir=$tree/usr:/usr" machine "$root/usr"
	mount --bind "$machine/lib" "$root/var/lib"
	kernel_files "$root"
}

lay_out
ip link set lo up
# The address that the shipped configuration serves at.
ip addr add 192.0.2.5/32 dev lo
enter_root "$root"
# As the packages do it.
systemd-sysusers
systemd-tmpfiles --create if-escalate.conf
become_systemd
