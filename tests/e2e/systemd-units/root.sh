#!/usr/bin/env bash
# root.sh TREE MACHINE: becomes systemd, as process 1 of a small machine, in the namespaces that its
# caller has made for it. MACHINE/root gets the machine's files: the host's /usr with TREE/usr over
# it, TREE/etc, and MACHINE/lib as /var/lib.
set -euo pipefail
tree=$1 machine=$2 root=$2/root

# What a container's manager lays out for systemd (https://systemd.io/CONTAINER_INTERFACE).
lay_out() {
	local link device
	mkdir -p "$root" "$machine/lib"
	mount -t tmpfs -o mode=755 machine "$root"
	mkdir -p "$root"/{usr,proc,sys,dev,run,tmp,root,old,var/lib}
	for link in bin sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
	cp -r "$tree/etc" "$root/etc"
	mount -t overlay -o "lowerdir=$tree/usr:/usr" machine "$root/usr"
	mount --bind "$machine/lib" "$root/var/lib"
	mount -t proc proc "$root/proc"
	mount -t sysfs -o ro sysfs "$root/sys"
	mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
	mount -t tmpfs -o mode=755 tmpfs "$root/run"
	mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
	mount -t tmpfs -o mode=755 tmpfs "$root/dev"
	for device in null zero full random urandom tty; do
		touch "$root/dev/$device"
		mount --bind "/dev/$device" "$root/dev/$device"
	done
	mkdir "$root/dev/pts" "$root/dev/shm"
	mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
	ln -s pts/ptmx "$root/dev/ptmx"
	mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
}

# The addresses that the shipped configuration serves at.
addresses() {
	ip link set lo up
	ip addr add 192.0.2.5/32 dev lo
}

lay_out
addresses
cd "$root"
pivot_root . old
umount -l old
# As docs/operations.md has it, before the first boot.
systemd-sysusers
exec env -i container=if-escalate-test PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --unit=basic.target --log-target=journal --show-status=no </dev/null
