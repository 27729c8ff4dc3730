#!/usr/bin/env bash
# Fetches for the part `arm64` from the network: target/arm64/tools, target/arm64/kamailio,
# Kamailio's headers, the sources of all crates. Needs root and the machine's mirror of Debian.
set -euo pipefail
. "$(dirname "$0")/../../scripts/env.sh"
. "$IFE_ROOT/tests/arm64/env.sh"

# Debian 12 has a newer Rust for its browsers, with libraries for arm64 too.
PACKAGES=(rustc-web cargo-web libstd-rust-web-dev libstd-rust-web-dev:arm64)
PACKAGES+=(gcc libc6-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static)
PACKAGES+=(libclang1-14 libclang-common-14-dev make bison flex pkg-config dpkg-dev git)
PACKAGES+=(ca-certificates procps kamailio)

main() {
	if [ "${1:-}" = --inside ]; then
		mount_tools
		tools env IFE_KAMAILIO_SRC="$ARM64/kamailio-src" scripts/kamailio-headers.sh >"$ARM64/ksr"
		return
	fi
	mkdir -p "$ARM64"
	root "$TOOLS_ROOT" minbase amd64,arm64 "${PACKAGES[@]}"
	root "$KAMAILIO_ROOT" extract arm64 kamailio
	cp -L /etc/resolv.conf "$TOOLS_ROOT/etc/resolv.conf"
	run_quietly "sources of the crates" cargo fetch --locked --manifest-path "$IFE_ROOT/Cargo.toml"
	run_quietly "Kamailio's headers, for arm64" unshare --mount --propagation private "$0" --inside
	run_quietly "files for the C tests" make_fixture
}

# The C tests read a registry and signatures, which are the same on all machines.
make_fixture() {
	local fixture
	fixture=$("$IFE_ROOT/tests/tools/build" c_fixture)
	ln -f "$fixture" "$ARM64/c_fixture" || cp "$fixture" "$ARM64/c_fixture"
}

# root DIR VARIANT ARCHITECTURES PACKAGE ...: one that is complete is kept.
root() {
	local dir=$1 variant=$2 architectures=$3
	shift 3
	[ "$(cat "$dir/.complete" 2>/dev/null)" != "$*" ] || return 0
	rm -rf --one-file-system "$dir"
	run_quietly "Debian 12, $architectures: $1" mmdebstrap --variant="$variant" \
		--architectures="$architectures" --include="$(tr ' ' , <<<"$*")" \
		bookworm "$dir" "$(mirror)" "$(security)"
	echo "$*" >"$dir/.complete"
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

# rustc-web is renewed with the browsers, by the security updates.
security() {
	local uri
	# shellcheck disable=SC2016
	uri=$(apt-get indextargets --format '$(REPO_URI)' | grep -m 1 'debian-security/$') ||
		die "apt has no security updates of Debian"
	echo "deb $uri bookworm-security main"
}

main "$@"
