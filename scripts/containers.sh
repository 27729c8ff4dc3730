#!/usr/bin/env bash
# Builds the container images, localhost/if-escalate/SERVICE:VERSION, of the packages that
# `make deb` has made.
#
# usage: scripts/containers.sh [SERVICE ...]     default: every packaging/containers/Containerfile.*
#   BASE            image of Debian for all but Asterisk (default: that of the Containerfiles)
#   ASTERISK_BASE   image of a Debian that has Asterisk
#   IFE_BUILDER     command that builds (default: the first of buildah, podman, docker)
#   IFE_DEB_DIR     directory of the packages (default target/deb)
set -euo pipefail
. "$(dirname "$0")/env.sh"

PACKAGING=$IFE_ROOT/packaging/containers
CONTEXT=$IFE_TARGET/containers/context

main() {
	local version service services=("$@") debs
	version=$(ife_version)
	debs=${IFE_DEB_DIR:-$IFE_TARGET/deb}/$version
	[ -n "$(find "$debs" -name 'ife-witnessd_*.deb' 2>/dev/null)" ] ||
		die "there are no packages in $debs; run make deb"
	[ $# != 0 ] ||
		mapfile -t services < <(cd "$PACKAGING" && printf '%s\n' Containerfile.* | cut -d. -f2)
	read -ra BUILDER <<<"${IFE_BUILDER:-$(builder)}"
	lay_out "$debs"
	for service in "${services[@]}"; do
		run_quietly "image $service:$version" build "$service" "$version"
	done
}

builder() {
	local name
	for name in buildah podman docker; do
		! command -v "$name" >/dev/null || { echo "$name build"; return; }
	done
	die "none of buildah, podman and docker is installed"
}

# What install.sh expects beside it.
lay_out() {
	rm -rf "$CONTEXT"
	mkdir -p "$CONTEXT/debs"
	cp "$1"/*.deb "$CONTEXT/debs/"
	cp "$PACKAGING"/{Containerfile.*,install.sh,users,*-start} "$IFE_ROOT/kamailio.cfg" "$CONTEXT/"
	cp -r "$IFE_ROOT/docs/examples/asterisk" "$CONTEXT/asterisk"
	rm "$CONTEXT/asterisk/extensions-if-escalate.conf" # of the package
}

build() {
	local base=${BASE:-}
	[ "$1" != asterisk ] || base=${ASTERISK_BASE:-}
	"${BUILDER[@]}" ${base:+--build-arg "BASE=$base"} -f "$CONTEXT/Containerfile.$1" \
		-t "localhost/if-escalate/$1:$2" "$CONTEXT"
}

main "$@"
