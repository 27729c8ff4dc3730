#!/usr/bin/env bash
# Makes target/packages/root-SUITE: a small Debian with systemd and its stock Kamailio, before any
# package of ours. Needs root and the machine's mirror of Debian; a root that is complete is kept.
#
# usage: tests/packages/roots.sh SUITE [PACKAGE ...]
set -euo pipefail
. "$(dirname "$0")/../../scripts/env.sh"

SUITE=$1
shift
ROOT=$IFE_TARGET/packages/root-$SUITE
# The dependencies of our packages, too.
WANTED=(systemd kamailio iproute2 procps adduser ca-certificates espeak-ng sox "$@")

# apt's mirror of Debian; DEBIAN_MIRROR replaces it.
mirror() {
	[ -z "${DEBIAN_MIRROR:-}" ] || {
		echo "$DEBIAN_MIRROR"
		return
	}
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI)' | grep -m 1 '/debian/$'
}

[ "$(cat "$ROOT/.complete" 2>/dev/null)" != "${WANTED[*]}" ] || exit 0
[ "$(id -u)" = 0 ] || die "making a root needs root"
rm -rf --one-file-system "$ROOT"
mkdir -p "$(dirname "$ROOT")"
IFS=,
run_quietly "Debian $SUITE with Kamailio" mmdebstrap --variant=minbase --include="${WANTED[*]}" \
	--aptopt='Acquire::Check-Valid-Until "false"' "$SUITE" "$ROOT" "$(mirror)"
IFS=' '
cp -L /etc/resolv.conf "$ROOT/etc/resolv.conf"
# The installer of a Debian writes it.
echo '127.0.0.1 localhost' >"$ROOT/etc/hosts"
echo "${WANTED[*]}" >"$ROOT/.complete"
