# Sourced by the part `kamailio` and what prepares it: versions of Kamailio other than the
# machine's, built from their sources.
# shellcheck shell=bash

# A repository of Kamailio's sources, as git takes it (address or path), and tags of it.
KAMAILIO_GIT=${KAMAILIO_GIT:-}
KAMAILIO_TAGS=${KAMAILIO_TAGS:-6.1.4 6.0.7 5.8.8 5.7.7}
TREES=$IFE_TARGET/kamailio-trees
# The end-to-end cases that run with each of them.
CASES=(approved cancel config gate-replay gate-signature minimal-script suspended waiting
	witnessd-best-effort witnessd-required)

# by_cmake TAG: since 6.1 Kamailio is built by CMake.
by_cmake() { [ "$(printf '%s\n' 6.1 "$1" | sort -V | head -n 1)" = 6.1 ]; }

# cmake_tree TAG [MODULE]: configures, builds and installs the tree, with our module if it is named.
cmake_tree() {
	local dir=$TREES/$1
	cmake -S "$dir/src" -B "$dir/build" -DCMAKE_INSTALL_PREFIX="$dir/installed" -DBUILD_DOC=OFF \
		-DMODULE_GROUP_NAME= -DINCLUDE_MODULES="$(needed_modules) ${2:-}" -DIFE_LIB="$IFE_BIN" &&
		cmake --build "$dir/build" -j "$(nproc)" && cmake --install "$dir/build"
}

# The names of Kamailio's own modules that kamailio.cfg and the cases load.
needed_modules() {
	local name
	for name in "$IFE_ROOT/kamailio.cfg" "${CASES[@]/#/$IFE_ROOT/tests/e2e/}"; do
		find "$name" -name '*.cfg' -exec sed -n 's/^loadmodule "\(.*\)\.so"$/\1/p' {} +
	done | grep -vx if_escalate | sort -u | paste -sd ' '
}
