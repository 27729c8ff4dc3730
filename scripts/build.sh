#!/usr/bin/env bash
# Builds binaries, the policy library (in release mode twice on x86-64), Kamailio's headers, the
# module. `scripts/build.sh bridge` builds only the bridge. IFE_PROFILE=quick builds in less time
# what runs slower.
set -euo pipefail
. "$(dirname "$0")/env.sh"

LIBRARY=libife_policy.so

main() {
	cd "$IFE_ROOT"
	alone build "$IFE_TARGET/.build.lock"
	if [ "${1:-}" = bridge ]; then
		cargo_build "cargo build ife-bridge" -p ife-bridge
		return
	fi
	check_space
	note "Building (the first time takes some minutes)"
	cargo_build "cargo build" -p ife-policy-ffi -p ife-witness -p ife-cli -p ife-bridge
	install_library "$IFE_BIN" "$IFE_MODULE_DIR"
	build_for_newer_cpus
	run_quietly "Kamailio headers" scripts/kamailio-headers.sh
	run_quietly "if_escalate.so" env IFE_POLICY_LIB="$IFE_BIN/$LIBRARY" scripts/build-module.sh
}

# cargo_build LABEL PACKAGES...: prints every 20 s how many crates are done.
cargo_build() {
	local label=$1 progress total
	shift
	total=$(cargo tree --locked --prefix none --edges normal,build "$@" 2>/dev/null |
		awk '{ print $1, $2 }' | sort -u | wc -l)
	IFE_LOG=$(mktemp "$IFE_TARGET/.log.XXXXXX")
	export IFE_LOG
	say_progress "$total" &
	progress=$!
	# shellcheck disable=SC2064
	trap "kill $progress 2>/dev/null" EXIT
	run_quietly "$label" cargo build --profile "$IFE_PROFILE" --locked "$@"
	trap - EXIT
	kill "$progress"
	wait "$progress" 2>/dev/null || true
	unset IFE_LOG
}

# say_progress TOTAL: crates that have begun, from cargo's messages in $IFE_LOG.
say_progress() {
	local begun last=0
	exec 8>&-
	while sleep 20; do
		begun=$(grep -cE '^ +Compiling ' "$IFE_LOG" 2>/dev/null) || continue
		[ "$begun" = "$last" ] || note "    crate $begun of about $1"
		last=$begun
	done
}

# A full disk causes errors far from their cause: in a compiler, a stalled log, a browser.
check_space() {
	local free_gb
	mkdir -p "$IFE_TARGET"
	free_gb=$(($(df -Pk "$IFE_TARGET" | awk 'NR == 2 {print $4}') / 1048576))
	[ "$free_gb" -ge 2 ] ||
		die "only $free_gb GB are free for $IFE_TARGET: a build needs 4 GB, all tests 8 GB"
	[ -x "$IFE_BIN/ife-witnessd" ] || [ "$free_gb" -ge 8 ] ||
		note "  $free_gb GB are free for $IFE_TARGET: enough for make demo; make test needs 8"
}

# glibc selects the x86-64-v3 build, a quarter faster at Ed25519, if the CPU supports it.
build_for_newer_cpus() {
	[ "$(uname -m)" = x86_64 ] && [ "$IFE_PROFILE" = release ] || return 0
	run_quietly "$LIBRARY for x86-64-v3" \
		env RUSTFLAGS="${RUSTFLAGS:-} -C target-cpu=x86-64-v3" \
		cargo build --release --locked -p ife-policy-ffi --lib \
		--target-dir "$IFE_CARGO_TARGET/x86-64-v3"
	install_library "$IFE_CARGO_TARGET/x86-64-v3/release" "$IFE_MODULE_DIR/glibc-hwcaps/x86-64-v3"
}

# Replaces the file by rename: a running Kamailio keeps the mapped one.
install_library() {
	local from=$1 to=$2
	mkdir -p "$to"
	cmp -s "$from/$LIBRARY" "$to/$LIBRARY" && return 0
	cp "$from/$LIBRARY" "$to/.$LIBRARY.new"
	mv "$to/.$LIBRARY.new" "$to/$LIBRARY"
}

main "$@"
