# Sourced: a copy of a root of roots.sh, in the mount namespace of the caller.
# shellcheck shell=bash

# copy_root ROOT LOWER WRITES: ROOT shows the directories LOWER ("upper one:lower one"); what is
# written there goes to WRITES/upper.
copy_root() {
	local root=$1 lower=$2 writes=$3
	mkdir -p "$root" "$writes"/{upper,work}
	mount -t overlay -o "lowerdir=$lower,upperdir=$writes/upper,workdir=$writes/work" copy "$root"
	mount -t proc proc "$root/proc"
	mount --rbind /sys "$root/sys"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs tmpfs "$root/run"
}

# copy_tree ROOT WRITES: this tree, at the same path in ROOT.
copy_tree() {
	local tree=$1$IFE_ROOT writes=$2
	mkdir -p "$tree" "$writes"/{tree-upper,tree-work}
	mount -t overlay -o \
		"lowerdir=$IFE_ROOT,upperdir=$writes/tree-upper,workdir=$writes/tree-work" tree "$tree"
}

# enter ROOT COMMAND...: with nothing of this machine's environment but the way to Debian.
enter() {
	local root=$1
	shift
	chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" "$@"
}
