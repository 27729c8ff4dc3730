#!/usr/bin/env bash
# Makes the inputs of the part `packages`: target/packages/VERSION of two versions, and for SUITE a
# root, the module's packages of both versions, built there as an operator would, and the packages
# that the demo needs on top of the root. Needs root and the machine's mirror of Debian.
#
# usage: tests/packages/build.sh SUITE ...
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../scripts/env.sh"
. "$here/copy.sh"

OUT=$IFE_TARGET/packages
COPY=$OUT/copy
VERSIONS=(1.0.0 1.0.1)
# What kamailio-if-escalate-source depends on.
MORE=(gcc make bison flex g++ pkg-config dpkg-dev debhelper libfile-fcntllock-perl)

main() {
	local suite
	if [ "${1:-}" = --inside ]; then
		mkdir -p "$COPY"
		mount -t tmpfs tmpfs "$COPY"
		"${@:2}"
		return
	fi
	programs
	for suite in "$@"; do
		module "$suite"
		demo "$suite"
	done
}

# In mount namespaces of their own.
inside() { unshare --mount --propagation private "$0" --inside "$@"; }

# deb KIND DIRECTORY VERSION
deb() {
	IFE_DEB_QUICK=1 IFE_DEB_ONLY=$1 IFE_DEB_DIR=$2 IFE_DEB_VERSION=$3 "$IFE_ROOT/scripts/deb.sh"
}

# is_newer FILE INPUT ...: whether FILE is there, and newer than all files below the INPUTs.
is_newer() { [ -e "$1" ] && [ -z "$(find "${@:2}" -newer "$1" -print -quit)" ]; }

# The packages of the programs, unless they are newer than all that is in them.
programs() {
	local version made
	for version in "${VERSIONS[@]}"; do
		made=$OUT/$version/.complete
		! is_newer "$made" "$IFE_BIN"/{ife-witnessd,ife-bridge,ifectl,libife_policy.so} \
			"$IFE_ROOT"/{packaging,docs,kamailio-module,scripts,kamailio.cfg,CHANGELOG.md} || continue
		deb programs "$OUT" "$version"
		touch "$made"
	done
}

# module SUITE: unless it is newer than the packages of the programs, which are newer than its
# sources. Where the suite is this machine's own, `make deb` makes it.
module() {
	local suite=$1 version made host=
	! is_host "$suite" || host=yes
	if [ -n "$host" ]; then "$here/roots.sh" "$suite"; else "$here/roots.sh" "$suite" "${MORE[@]}"; fi
	for version in "${VERSIONS[@]}"; do
		made=$OUT/$suite/$version/.complete
		! is_newer "$made" "$OUT/$version" "$OUT/root-$suite/.complete" || continue
		if [ -n "$host" ]; then
			deb module "$OUT/$suite" "$version"
		else
			mkdir -p "$OUT/$suite/$version"
			run_quietly "the module $version for Debian $suite" \
				inside module_there "$suite" "$version"
		fi
		touch "$made"
	done
}

is_host() { (. /etc/os-release && [ "$VERSION_CODENAME" = "$1" ]); }

# module_there SUITE VERSION: the documented command, in a copy of the root that has a network and
# is thrown away.
module_there() {
	local suite=$1 version=$2 root=$COPY/root
	copy_root "$root" "$OUT/root-$suite" "$COPY"
	mkdir "$root"/{debs,out}
	mount --bind "$OUT/$version" "$root/debs"
	mount --bind "$OUT/$suite/$version" "$root/out"
	enter "$root" IFE_DEB_QUICK=1 bash -ec '
		rm -f /out/*
		apt-get -y install /debs/libife-policy_*.deb /debs/kamailio-if-escalate-source_*.deb
		ife-module-deb /out'
}

# demo SUITE: the packages of the demo, in demo-SUITE/upper, a layer over the root, which has none
# of it.
demo() {
	local suite=$1 layer=$OUT/demo-$1 state
	state=$(cat "$OUT/root-$suite/.complete" "$IFE_ROOT/scripts/setup.sh" | sha256sum)
	[ "$(cat "$layer/.complete" 2>/dev/null)" != "$state" ] || return 0
	rm -rf --one-file-system "$layer"
	mkdir -p "$layer"
	run_quietly "what the demo needs, in Debian $suite" inside demo_there "$suite" "$layer"
	echo "$state" >"$layer/.complete"
}

# demo_there SUITE LAYER: by the documented command.
demo_there() {
	local suite=$1 layer=$2 root=$COPY/root
	copy_root "$root" "$OUT/root-$suite" "$layer"
	copy_tree "$root" "$COPY"
	enter "$root" IFE_INSTALLED=1 "$IFE_ROOT/scripts/setup.sh" demo
	enter "$root" apt-get clean
}

main "$@"
