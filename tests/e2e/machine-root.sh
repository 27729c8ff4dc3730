# Sourced by scripts that become systemd, as process 1 of a small machine, in the namespaces that
# their caller has made.
# shellcheck shell=bash

# kernel_files ROOT: the files that a container's manager lays out for systemd
# (https://systemd.io/CONTAINER_INTERFACE).
kernel_files() {
	local root=$1 device
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

# enter_root ROOT: it becomes /, the host's files are gone.
enter_root() {
	mkdir -p "$1/old"
	cd "$1" || exit
	pivot_root . old
	umount -l old
}

become_systemd() {
	exec env -i container=if-escalate-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd \
		--unit=basic.target \
		--log-target=journal --show-status=no </dev/null
}
