#!/usr/bin/env bash
# Brings the sources of KAMAILIO_TAGS from KAMAILIO_GIT and builds them into
# target/kamailio-trees/TAG: src, and installed. What is there is kept.
set -euo pipefail
. "$(dirname "$0")/../../scripts/env.sh"
. "$IFE_ROOT/tests/kamailio/env.sh"

main() {
	local tag
	[ -n "$KAMAILIO_GIT" ] || die "KAMAILIO_GIT names no repository of Kamailio's sources"
	for tag in $KAMAILIO_TAGS; do
		[ "$(cat "$TREES/$tag/.complete" 2>/dev/null)" != "$(needed_modules)" ] || continue
		rm -rf "${TREES:?}/$tag"
		mkdir -p "$TREES/$tag"
		run_quietly "sources of Kamailio $tag" sources "$tag"
		if by_cmake "$tag"; then
			run_quietly "Kamailio $tag, by CMake" cmake_tree "$tag"
		else
			run_quietly "Kamailio $tag, by make" make_tree "$tag"
		fi
		needed_modules >"$TREES/$tag/.complete"
	done
}

# Every tree is configured for make: the module's Makefile needs it.
sources() {
	local src=$TREES/$1/src
	git -c advice.detachedHead=false clone --quiet --depth 1 --branch "$1" "$KAMAILIO_GIT" "$src" ||
		return
	# With it the trees build for debugging, and with a commit in their version.
	rm -rf "$src/.git"
	make -C "$src" cfg PREFIX="$TREES/$1/installed"
}

make_tree() {
	local modules
	mapfile -t modules < <(needed_modules | tr ' ' '\n')
	make -C "$TREES/$1/src" -j "$(nproc)" modules="${modules[*]/#/modules/}" all &&
		make -C "$TREES/$1/src" modules="${modules[*]/#/modules/}" install
}

main "$@"
