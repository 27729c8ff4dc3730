#!/bin/bash
# Builds the C tests of the ABI with all warnings as errors and runs them plain, under ASAN and
# UBSAN, and under valgrind.
# Usage: tests/c/run.sh [PROFILE-DIR]
#        where libife_policy.so is; default: built here in the dev profile.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ $# -ge 1 ]; then
	built=$1
else
	cargo build --quiet --locked -p ife-policy-ffi --lib
	built=${CARGO_TARGET_DIR:-target}/debug
fi
built=$(cd "$built" && pwd)
fixture=$(tests/tools/build c_fixture)
work=$(mktemp -d /dev/shm/ife-c-tests.XXXXXX)
trap 'rm -rf "$work"' EXIT

flags=(-std=c11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes
	-Wmissing-prototypes -Werror
	-Ikamailio-module "-L$built" "-Wl,-rpath,$built")
# shellcheck disable=SC2054  # the commas belong to the flag
sanitize=(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
failed=0

run() { # label, then the command up to the fixture's directory
	local label=$1
	shift
	rm -rf "$work/fixture"
	"$fixture" "$work/fixture"
	if "$@" "$work/fixture" >"$work/out" 2>&1; then
		echo "ok   $label"
	else
		echo "FAIL $label"
		cat "$work/out"
		failed=1
	fi
}

# A header must also be usable from C++.
if command -v c++ >/dev/null; then
	echo '#include "if_policy.h"' | c++ -x c++ -Wall -Wextra -Wpedantic -Werror -Ikamailio-module \
		-fsyntax-only -
fi

for source in tests/c/abi_*.c; do
	name=$(basename "$source" .c)
	cc "${flags[@]}" "$source" tests/c/common.c -o "$work/$name" -life_policy
	cc "${flags[@]}" "${sanitize[@]}" "$source" tests/c/common.c -o "$work/$name-sanitized" \
		-life_policy
	# A sanitizer that is not linked finds nothing.
	symbols=$(nm "$work/$name-sanitized")
	case $symbols in *__asan_init*) ;; *) echo "FAIL $name: ASAN is not linked" && exit 1 ;; esac
	case $symbols in *__ubsan_handle*) ;; *) echo "FAIL $name: UBSAN is not linked" && exit 1 ;; esac
	run "$name" "$work/$name"
	run "$name, ASAN and UBSAN" "$work/$name-sanitized"
	if command -v valgrind >/dev/null; then
		run "$name, valgrind" valgrind --quiet --error-exitcode=9 --leak-check=full \
			--errors-for-leak-kinds=definite \
			--trace-children=yes "$work/$name"
	else
		echo "skip $name, valgrind: not installed"
	fi
done
exit "$failed"
