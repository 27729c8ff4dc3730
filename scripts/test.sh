#!/usr/bin/env bash
# Runs the test suite, or the named parts: lint repo rust c vectors pages e2e. The last line is
# "N passed, N failed"; the lines above it name what failed.
#
# lint, each Rust test, C test, vector file, test of the pages and end-to-end case count as one.
set -uo pipefail
. "$(dirname "$0")/env.sh"

PARTS=(lint repo rust c vectors pages e2e)
CARGO_DENY=0.20.2
PASSED=0 FAILED=0
FAILURES=()

main() {
	cd "$IFE_ROOT" || exit 1
	local part started
	for part in "$@"; do
		[[ " ${PARTS[*]} " == *" $part "* ]] || die "$part is no part of the suite: ${PARTS[*]}"
	done
	for part in "${@:-${PARTS[@]}}"; do
		started=$SECONDS
		say "== $part"
		"part_$part" || true
		say "   $part took $((SECONDS - started)) s"
	done
	[ "${#FAILURES[@]}" = 0 ] || printf 'failed: %s\n' "${FAILURES[@]}"
	printf '%d passed, %d failed\n' "$PASSED" "$FAILED"
	[ "$FAILED" = 0 ] && [ "$PASSED" != 0 ]
}

# one LABEL COMMAND...: the command counts as one test; its output is printed if it fails.
one() {
	local label=$1
	shift
	if run_quietly "$label" "$@"; then
		PASSED=$((PASSED + 1))
	else
		FAILED=$((FAILED + 1))
		FAILURES+=("$label")
	fi
}

# counted LABEL COMMAND...: the command prints its counts in a line "N passed, N failed".
counted() {
	local label=$1 log rc=0 line
	shift
	note "  $label"
	log=$(mktemp "$IFE_TARGET/.log.XXXXXX")
	"$@" </dev/null 2>&1 | tee "$log" | sed -u 's/^/    /'
	rc=${PIPESTATUS[0]}
	line=$(grep -aE '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
	rm -f "$log"
	add_counts "$label" "$rc" "${line:-0 passed, 0 failed}"
}

# A part that fails without a counted failure, or that runs no test, counts as a failure.
add_counts() {
	local label=$1 rc=$2 passed failed
	read -r passed failed < <(sed -E 's/^([0-9]+) passed, ([0-9]+) failed.*/\1 \2/' <<<"$3")
	PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
	if [ "$failed" = 0 ] && { [ "$rc" != 0 ] || [ "$passed" = 0 ]; }; then
		say "error: $label: exit $rc, $passed tests"
		FAILED=$((FAILED + 1)) failed=1
	fi
	[ "$failed" = 0 ] || FAILURES+=("$failed of: $label")
}

part_lint() {
	one "cargo fmt" cargo fmt --all --check
	mapfile -t sources < <(git ls-files -- 'kamailio-module/*.[ch]' 'tests/c/*.[ch]')
	if command -v clang-format-14 >/dev/null; then
		one "clang-format" clang-format-14 --dry-run -Werror "${sources[@]}"
	else
		note "  the format of C sources is not checked: clang-format-14, of Debian 12, is not here"
	fi
	one "clippy" cargo clippy --locked --workspace --all-targets -- -D warnings
	one "rustdoc" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --workspace
	mapfile -t scripts < <(git ls-files -- '*.sh' .ci/run tests/e2e/run tests/e2e/repeat \
		tests/tools/build)
	one "shellcheck" shellcheck -x -S warning "${scripts[@]}"
	one "alerts" tests/prometheus/run.py
	lint_dependencies
}

# deny.toml lists the accepted ones. Advisories need a database that not every network reaches.
lint_dependencies() {
	local tools=$IFE_TARGET/tools
	local deny=$tools/bin/cargo-deny
	[ "$("$deny" --version 2>/dev/null)" = "cargo-deny $CARGO_DENY" ] ||
		run_quietly "cargo install cargo-deny" cargo install --quiet --locked --debug \
			--root "$tools" --version "$CARGO_DENY" cargo-deny
	one "cargo deny" "$deny" --locked check bans licenses sources
	if timeout 60 "$deny" fetch db >/dev/null 2>&1; then
		one "cargo deny, advisories" "$deny" --locked check advisories
	else
		note "  advisories are not checked: their database cannot be fetched"
	fi
}

part_repo() { counted "repository" tests/repo/check.py; }

part_rust() {
	local log rc=0 passed failed
	log=$(mktemp "$IFE_TARGET/.log.XXXXXX")
	note "  cargo test"
	cargo test --locked --workspace --no-fail-fast >"$log" 2>&1 </dev/null || rc=$?
	passed=$(sed -nE 's/^test result: .* ([0-9]+) passed; .*/\1/p' "$log" | paste -sd+ | bc_sum)
	failed=$(sed -nE 's/^test result: .* ([0-9]+) failed; .*/\1/p' "$log" | paste -sd+ | bc_sum)
	if [ "$rc" != 0 ]; then
		grep -vE '^test .* \.\.\. ok$|^$|^running|^ +(Compiling|Running|Doc-tests)' "$log" |
			tail -n 100
	fi
	say "    $passed passed, $failed failed"
	rm -f "$log"
	add_counts "cargo test" "$rc" "$passed passed, $failed failed"
}

# Adds up a line like "1+2"; an empty line is 0.
bc_sum() {
	local sum
	read -r sum || true
	printf '%d\n' "$((${sum:-0}))"
}

part_c() { counted "C tests of the ABI" c_tests; }

# tests/c/run.sh prints a line for each program and way of running it, "ok" or "FAIL".
c_tests() {
	local log rc=0
	log=$(tests/c/run.sh 2>&1) || rc=$?
	grep -vE '^ok ' <<<"$log"
	printf '%d passed, %d failed\n' "$(grep -cE '^ok ' <<<"$log")" "$(grep -cE '^FAIL ' <<<"$log")"
	return "$rc"
}

part_vectors() { counted "vectors and foreign verifiers" tests/vectors/run.sh; }

part_pages() { counted "the pages' logic, their libraries" tests/browser/unit.sh; }

part_e2e() { counted "end to end" tests/e2e/run; }

main "$@"
