#!/usr/bin/env bash
# Runs a command of this tree in a copy of target/packages/root-SUITE, made by build.sh, with the
# installed packages in the place of the build: that Debian's Kamailio and sipp, programs and module
# of the packages. Nothing of it is left.
#
# usage: tests/packages/installed.sh SUITE COMMAND ...
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../scripts/env.sh"
. "$here/copy.sh"

OUT=$IFE_TARGET/packages
COPY=$OUT/copy

main() {
	if [ "${1:-}" != --inside ]; then
		mkdir -p "$COPY"
		exec unshare --mount --propagation private "$0" --inside "$@"
	fi
	local suite=$2 root=$COPY/root built
	shift 2
	mount -t tmpfs tmpfs "$COPY"
	copy_root "$root" "$OUT/demo-$suite/upper:$OUT/root-$suite" "$COPY"
	mkdir -p "$root/debs"
	cp "$OUT"/1.0.0/*.deb "$OUT/$suite"/1.0.0/kamailio-if-escalate-modules_*.deb "$root/debs/"
	rm "$root"/debs/kamailio-if-escalate-source_*.deb
	run_quietly "packages in Debian $suite" enter "$root" sh -c 'dpkg -i /debs/*.deb'
	copy_tree "$root" "$COPY"
	# An absent program cannot be run.
	for built in release module; do mount -t tmpfs tmpfs "$root$IFE_TARGET/$built"; done
	enter "$root" IFE_INSTALLED=1 bash -c 'cd "$1" && shift && exec "$@"' installed "$IFE_ROOT" "$@"
}

main "$@"
