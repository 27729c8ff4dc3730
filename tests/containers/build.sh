#!/usr/bin/env bash
# Makes the inputs of the part `containers`: packages, two base images of Debian by mmdebstrap,
# where a registry of images would have them, and all images of packaging/containers. Needs root and
# the machine's mirror of Debian.
set -euo pipefail
. "$(dirname "$0")/../../scripts/env.sh"
. "$IFE_ROOT/tests/containers/podman.sh"

# Debian's Asterisk with chan_ooh323 is in sid alone.
SUITE=bookworm ASTERISK_SUITE=sid

main() {
	podman_configured
	base "$SUITE"
	base "$ASTERISK_SUITE"
	export IFE_DEB_DIR=$CONTAINERS/deb
	IFE_DEB_QUICK=1 IFE_DEB_ONLY=programs "$IFE_ROOT/scripts/deb.sh"
	IFE_BUILDER="buildah build --isolation chroot" BASE=$(image "$SUITE") \
		ASTERISK_BASE=$(image "$ASTERISK_SUITE") "$IFE_ROOT/scripts/containers.sh"
	# Those of earlier builds.
	podman image prune -f >/dev/null
}

image() { echo "localhost/if-escalate-base:$1"; }

# base SUITE: an image of its essential packages.
base() {
	local file=$CONTAINERS/base-$1.tar
	! podman image exists "$(image "$1")" || return 0
	run_quietly "Debian $1" mmdebstrap --variant=minbase --include=ca-certificates \
		--aptopt='Acquire::Check-Valid-Until "false"' "$1" "$file" "$(mirror)"
	run_quietly "base image of $1" podman import "$file" "$(image "$1")"
	rm "$file"
}

# apt's mirror of Debian; DEBIAN_MIRROR replaces it.
mirror() {
	[ -z "${DEBIAN_MIRROR:-}" ] || {
		echo "$DEBIAN_MIRROR"
		return
	}
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI)' | grep -m 1 '/debian/$'
}

main "$@"
