# Sourced by the part `arm64` after the cases' libraries: cross-built programs and their tests under
# qemu-user.
# shellcheck shell=bash

# Seconds that a build or a run may take. The build stays: the next run goes on from it.
LIMIT_S=${ARM64_LIMIT_S:-5400}
# Crates whose unit tests run. The engine's 300 histories and the transfers of ife-evidence take too
# long here; ife-ami and ife-call have no tests in their library.
TESTED=(ife-words ife-message ife-guard ife-witness ife-trace)
BUILT=$ARM64/cargo/$TRIPLE/debug

# step NAME COMMAND...: one line of the results.
step() {
	local before=$FAILURES ok=true name=$1
	NOTE=
	shift
	printf '%s\n' "$name"
	"$@"
	[ "$FAILURES" = "$before" ] || ok=false
	result "$name" 1 0 0 0 "$ok" "$NOTE"
}

build() {
	expect_ok "cargo build" cross build -p ife-policy-ffi -p ife-witness
	expect "machine of the library" AArch64 "$(machine_of "$BUILT/libife_policy.so")"
	expect "machine of ife-witnessd" AArch64 "$(machine_of "$BUILT/ife-witnessd")"
}

# It verifies the log that the emulated writer left.
command_line() {
	expect_ok "cargo build" cross build -p ife-cli
	expect "machine of ifectl" AArch64 "$(machine_of "$BUILT/ifectl")"
	expect_ok "it verifies the log" emulate "$BUILT/ifectl" witness verify \
		--log "$STACK/witness" --vkey "$STACK/witness.vkey"
}

cross() {
	tools timeout -k 30 "$LIMIT_S" cargo "$1" --locked --target "$TRIPLE" "${@:2}"
}

# emulate PROGRAM ARG ...
emulate() { timeout -k 5 300 "$QEMU" -L "$KAMAILIO_ROOT" "$@"; }

machine_of() { readelf -h "$1" | sed -n 's/^ *Machine: *//p'; }

unit_tests() {
	local args=() crate
	for crate in "${TESTED[@]}"; do args+=(-p "$crate"); done
	expect_ok "cargo test --lib" cross_to "$STACK/log/tests" test --lib --no-fail-fast "${args[@]}"
	grep -E '^test .* FAILED|panicked' "$STACK/log/tests" | head -n 20
	NOTE=$(awk '/^test result:/ { passed += $4; failed += $6 }
		END { printf "%d tests passed, %d failed", passed, failed }' "$STACK/log/tests")
}

# cross_to FILE COMMAND...: its output goes to the file.
cross_to() {
	local file=$1
	shift
	cross "$@" >"$file" 2>&1
}

# The C ABI, by the programs of tests/c but abi_processes: qemu-user ignores MADV_WIPEONFORK, by
# which the library knows a fork of a worker.
c_abi() {
	local source name fixture
	# The shared state must be on a tmpfs.
	fixture=$(mktemp -d /dev/shm/arm64.XXXXXX)/fixture
	for source in "$IFE_ROOT"/tests/c/abi_*.c; do
		name=$(basename "$source" .c)
		[ "$name" != abi_processes ] || continue
		expect_ok "$name compiles" tools $GNU-gcc -std=c11 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror \
			-Ikamailio-module "tests/c/$name.c" tests/c/common.c -o "$ARM64/$name" \
			-L"$BUILT" -life_policy -Wl,-rpath,"$BUILT"
		rm -rf "$fixture"
		"$ARM64/c_fixture" "$fixture" || fail "no fixture"
		expect_ok "$name" emulate "$ARM64/$name" "$fixture"
	done
	rm -rf "$(dirname "$fixture")"
}

# The module, in Debian's arm64 Kamailio: a call that is approved, an unsigned one and a replay, and
# the log.
gate() {
	expect_ok "the module" tools env IFE_KSR="$(cat "$ARM64/ksr")" \
		IFE_POLICY_LIB="$BUILT/libife_policy.so" IFE_MODULE_DIR="$ARM64/module" \
		sh scripts/build-module.sh
	expect "machine of the module" AArch64 "$(machine_of "$ARM64/module/if_escalate.so")"
	emulated kamailio "$KAMAILIO_ROOT/usr/sbin/kamailio"
	emulated ife-witnessd "$BUILT/ife-witnessd"
	start -A WORKERS=2
	expect_calls_at_the_gate
	expect_alive
	wait_log 1 '.event == "APPROVED"'
	stack_verify_quietly
	NOTE=$("$ARM64/bin/kamailio" -v | head -n 1 | cut -d' ' -f 2-)
}

# emulated NAME PROGRAM: NAME runs it, for the functions that start a deployment.
emulated() {
	mkdir -p "$ARM64/bin"
	printf '#!/bin/sh\nexec %s -L %s %s "$@"\n' "$QEMU" "$KAMAILIO_ROOT" "$2" >"$ARM64/bin/$1"
	chmod +x "$ARM64/bin/$1"
}

kamailio_modules() { echo "/usr/lib/$GNU/kamailio/modules"; }

expect_calls_at_the_gate() {
	local signed
	signed=$(stack_sign council-2026a "$COUNCIL" "$SAFETY" safety)
	raw_request "$STACK/signed.sip" INVITE signed@arm64 "$signed"
	raw_request "$STACK/unsigned.sip" INVITE unsigned@arm64 \
		"$(jq '.signature = "v=1"' <<<"$signed")" '/^X-IF-Signature/d'
	raw_request "$STACK/replayed.sip" INVITE replayed@arm64 "$signed"
	expect "approved" 200 "$(final_code "$STACK/signed.sip")"
	expect "unsigned" 428 "$(final_code "$STACK/unsigned.sip")"
	expect "replayed" 403 "$(final_code "$STACK/replayed.sip")"
}
