#!/usr/bin/env bash
# Makes what the part `packages` installs: target/packages/VERSION of two versions, and for SUITE a
# root and the module's packages of both versions, built there as an operator would. Needs root and
# the machine's mirror of Debian.
#
# usage: tests/packages/build.sh SUITE ...
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../scripts/env.sh"

OUT=$IFE_TARGET/packages
VERSIONS=(1.0.0 1.0.1)
# What kamailio-if-escalate-source depends on, and what the end-to-end cases need.
MORE=(gcc make bison flex g++ pkg-config dpkg-dev debhelper libfile-fcntllock-perl ca-certificates
	sip-tester python3 jq openssl kamailio-tls-modules)

main() {
	local suite version
	if [ "${1:-}" = --inside ]; then
		inside "${@:2}"
		return
	fi
	for version in "${VERSIONS[@]}"; do
		if [ -z "$(find "$OUT/$version" -name 'ife-bridge_*.deb' -newer "$IFE_BIN/ife-witnessd" \
			2>/dev/null)" ]; then
			IFE_DEB_QUICK=1 IFE_DEB_ONLY=programs IFE_DEB_DIR=$OUT IFE_DEB_VERSION=$version \
				"$IFE_ROOT/scripts/deb.sh"
		fi
	done
	for suite in "$@"; do
		if is_host "$suite"; then
			"$here/roots.sh" "$suite"
			for version in "${VERSIONS[@]}"; do
				IFE_DEB_QUICK=1 IFE_DEB_ONLY=module IFE_DEB_DIR=$OUT/$suite IFE_DEB_VERSION=$version \
					"$IFE_ROOT/scripts/deb.sh"
			done
			continue
		fi
		"$here/roots.sh" "$suite" "${MORE[@]}"
		for version in "${VERSIONS[@]}"; do
			mkdir -p "$OUT/$suite/$version"
			run_quietly "the module $version for Debian $suite" unshare --mount --propagation private \
				"$0" --inside "$suite" "$version"
		done
	done
}

# Where the suite is this machine's own, `make deb` makes the module's package.
is_host() { (. /etc/os-release && [ "$VERSION_CODENAME" = "$1" ]); }

# inside SUITE VERSION: the documented command, in a copy of the root that has a network and is
# thrown away.
inside() {
	local suite=$1 version=$2 copy=$OUT/copy
	mkdir -p "$copy"
	mount -t tmpfs tmpfs "$copy"
	mkdir "$copy"/{root,upper,work}
	mount -t overlay -o "lowerdir=$OUT/root-$suite,upperdir=$copy/upper,workdir=$copy/work" copy \
		"$copy/root"
	mount -t proc proc "$copy/root/proc"
	mount --rbind /dev "$copy/root/dev"
	mkdir "$copy"/root/{debs,out}
	mount --bind "$OUT/$version" "$copy/root/debs"
	mount --bind "$OUT/$suite/$version" "$copy/root/out"
	# shellcheck disable=SC2016
	chroot "$copy/root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" IFE_DEB_QUICK=1 bash -ec '
			rm -f /out/*
			apt-get -y install /debs/libife-policy_*.deb /debs/kamailio-if-escalate-source_*.deb
			ife-module-deb /out'
}

main "$@"
