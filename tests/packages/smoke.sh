#!/usr/bin/env bash
# Runs end-to-end cases with the installed packages in a copy of target/packages/root-SUITE, made by
# build.sh, with that Debian's Kamailio and sipp. The last line is that of tests/e2e/run.
#
# usage: tests/packages/smoke.sh SUITE CASE ...
set -euo pipefail
. "$(dirname "$0")/../../scripts/env.sh"

OUT=$IFE_TARGET/packages
COPY=$OUT/smoke

main() {
	if [ "${1:-}" != --inside ]; then
		mkdir -p "$COPY"
		exec unshare --mount --propagation private "$0" --inside "$@"
	fi
	local suite=$2 root=$COPY/root tree=$COPY/root$IFE_ROOT
	shift 2
	mount -t tmpfs tmpfs "$COPY"
	mkdir -p "$COPY"/{root,upper,work,tree-upper,tree-work}
	mount -t overlay -o "lowerdir=$OUT/root-$suite,upperdir=$COPY/upper,workdir=$COPY/work" copy \
		"$root"
	mount -t proc proc "$root/proc"
	mount --rbind /sys "$root/sys"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs tmpfs "$root/run"
	mkdir -p "$tree" "$root/debs"
	cp "$OUT"/1.0.0/{if-escalate-common,libife-policy}_*.deb \
		"$OUT/$suite"/1.0.0/kamailio-if-escalate-modules_*.deb "$root/debs/"
	run_quietly "packages in Debian $suite" chroot "$root" sh \
		-c 'PATH=/usr/sbin:/usr/bin:/sbin:/bin dpkg -i /debs/*.deb'
	mount -t overlay -o "lowerdir=$IFE_ROOT,upperdir=$COPY/tree-upper,workdir=$COPY/tree-work" tree \
		"$tree"
	# The module is that of the package.
	mount -t tmpfs tmpfs "$tree/target/module"
	chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin LANES=1 \
		"$IFE_ROOT/tests/e2e/run" "$@"
}

main "$@"
