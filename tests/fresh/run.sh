#!/usr/bin/env bash
# Makes an empty Debian root (SUITE: bookworm, or another such as trixie) and runs make targets in a
# clone of the last commit there (see README.md).
#
# usage: tests/fresh/run.sh [TARGET ...]      default: demo test demo test
set -euo pipefail
. "$(dirname "$0")/../../scripts/env.sh"

SUITE=${SUITE:-bookworm}
FRESH=${IFE_FRESH_DIR:-$IFE_TARGET/fresh}
NEW_ROOT=$FRESH/root
RUSTUP=${RUSTUP_HOME:-$HOME/.rustup}
CARGO=${CARGO_HOME:-$HOME/.cargo}

main() {
	[ "$(id -u)" = 0 ] || die "only root can make and enter a new root"
	if [ "${1:-}" = --inside ]; then
		shift
		enter "$@"
		return
	fi
	[ -x "$CARGO/bin/cargo" ] || die "no Rust toolchain at $CARGO to lend"
	trap remove_root EXIT
	make_root
	[ $# != 0 ] || set -- demo test demo test
	# In namespaces of its own: its mounts and processes end with it.
	unshare --mount --pid --fork --kill-child --propagation private "$0" --inside "$@"
}

remove_root() {
	[ -n "${KEEP:-}" ] || rm -rf --one-file-system "$FRESH"
}

make_root() {
	command -v mmdebstrap >/dev/null ||
		run_quietly "apt-get install mmdebstrap" apt-get -qq -y --no-install-recommends install mmdebstrap
	rm -rf --one-file-system "$FRESH"
	mkdir -p "$FRESH"
	local sources
	mapfile -t sources < <(debian_sources)
	run_quietly "empty Debian root ($SUITE)" mmdebstrap --variant=minbase \
		--include=git,make,ca-certificates --skip=check/empty \
		"$SUITE" "$NEW_ROOT" "${sources[@]}"
	cp -L /etc/resolv.conf "$NEW_ROOT/etc/resolv.conf"
	copy_certificates
	copy_proxy_settings
}

# The machine's own mirror of Debian, and no other source of its apt.
debian_sources() {
	local file
	for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
		if [ -s "$file" ] && grep -q "$SUITE" "$file"; then printf '%s\n' "$file"; fi
	done
}

# Authorities that this machine trusts beyond Debian's, for networks that need them.
copy_certificates() {
	if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
		cp /usr/local/share/ca-certificates/*.crt "$NEW_ROOT/usr/local/share/ca-certificates/"
		run_quietly "update-ca-certificates" chroot "$NEW_ROOT" update-ca-certificates
	fi
}

copy_proxy_settings() {
	local file
	for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
		if [ -f "$file" ] && grep -qiE 'Acquire::|proxy|Check-' "$file"; then
			cp "$file" "$NEW_ROOT/etc/apt/apt.conf.d/"
		fi
	done
}

# Runs in namespaces of its own.
enter() {
	mount --bind "$NEW_ROOT" "$NEW_ROOT"
	mount -t proc proc "$NEW_ROOT/proc"
	mount --rbind /sys "$NEW_ROOT/sys"
	mount --rbind /dev "$NEW_ROOT/dev"
	lend "$RUSTUP" /root/.rustup
	lend "$CARGO/bin" /root/.cargo/bin
	lend "$IFE_ROOT" /src
	inside "git -c safe.directory='*' clone -q /src /build"
	umount "$NEW_ROOT/src"
	local target started
	for target in "$@"; do
		started=$SECONDS
		say "== make $target"
		inside "cd /build && make $target" ||
			die "make $target failed in the fresh root after $((SECONDS - started)) s"
		say "   took $((SECONDS - started)) s"
	done
}

# lend WHAT WHERE: visible in the new root, read-only.
lend() {
	mkdir -p "$NEW_ROOT$2"
	mount --bind "$1" "$NEW_ROOT$2"
	mount -o remount,bind,ro "$NEW_ROOT$2"
}

inside() {
	chroot "$NEW_ROOT" /usr/bin/env -i HOME=/root \
		PATH=/root/.cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		LANG=C.UTF-8 http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" \
		no_proxy="${no_proxy:-}" \
		/bin/bash -c "$1" </dev/null
}

main "$@"
