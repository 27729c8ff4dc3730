# Sourced by the part `kamailio` after tests/kamailio/env.sh and the results: the module in a tree's
# Kamailio, and cases with both.
# shellcheck shell=bash

# one_tree TAG
one_tree() {
	KAMAILIO=$TREES/$1/installed/sbin/kamailio
	MODULES=$("$KAMAILIO" -I | sed -n 's/^ *Default paths to modules: *//p')
	if by_cmake "$1"; then
		step "$1: the module, by CMake inside the tree" in_tree "$1"
		cases "$1, by CMake"
	fi
	step "$1: the module, by its Makefile" out_of_tree "$1"
	cases "$1"
}

# step NAME COMMAND...: one line of the results, with what Kamailio says of itself.
step() {
	local name=$1 ok=true
	shift
	printf '%s\n' "$name"
	"$@" || ok=false
	result "$name" 1 0 0 0 "$ok" "$("$KAMAILIO" -v | sed -n '1s/^version: *//p')"
}

in_tree() {
	without_module
	ln -sfn "$IFE_ROOT/kamailio-module" "$TREES/$1/src/src/modules/if_escalate"
	cmake_tree "$1" if_escalate >"$TREES/$1/in-tree.log" 2>&1 || {
		tail -n 40 "$TREES/$1/in-tree.log"
		return 1
	}
}

out_of_tree() {
	without_module
	IFE_KSR=$TREES/$1/src IFE_KAMAILIO=$KAMAILIO IFE_POLICY_LIB=$IFE_BIN/libife_policy.so \
		IFE_MODULE_DIR=$TREES/$1/module "$IFE_ROOT/scripts/build-module.sh" &&
		cp "$TREES/$1/module/"*.so "$MODULES/"
}

without_module() {
	rm -f "$MODULES/if_escalate.so" "$MODULES/libife_policy.so" "${MODULES%/*}/libife_policy.so"
}

# cases NAME: each runs as with installed packages: with the Kamailio, its modules and our programs
# in PATH.
cases() {
	local case
	for case in "${CASES[@]}"; do
		step "$1: case $case" env -u PROVE_PART PATH="${KAMAILIO%/*}:$IFE_BIN:$PATH" IFE_INSTALLED=1 \
			"$IFE_ROOT/tests/e2e/$case/run.sh"
	done
}
