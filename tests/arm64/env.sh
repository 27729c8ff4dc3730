# Sourced by the part `arm64` and what prepares it: a Debian 12 with a compiler for arm64 and
# Debian's own Rust, and an arm64 Kamailio, unpacked, that qemu-user runs.
# shellcheck shell=bash

ARM64=$IFE_TARGET/arm64
TOOLS_ROOT=$ARM64/tools
KAMAILIO_ROOT=$ARM64/kamailio
TRIPLE=aarch64-unknown-linux-gnu
GNU=aarch64-linux-gnu
QEMU=$TOOLS_ROOT/usr/bin/qemu-aarch64-static

# What cargo, bindgen and Kamailio's makefiles do not find out by themselves when they compile for
# another machine. The emulator takes loader and libraries from the root itself: with the loader of
# the cross compiler (-L) and Debian's libc beside it, a program hangs at its first thread.
CROSS=(
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER="$GNU-gcc"
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64-static
	CC_aarch64_unknown_linux_gnu="$GNU-gcc"
	BINDGEN_EXTRA_CLANG_ARGS_aarch64_unknown_linux_gnu="--sysroot=/usr/$GNU -I/usr/$GNU/include"
	MAKEFLAGS="CC=$GNU-gcc ARCH=aarch64"
)

# tools COMMAND...: in the root with the compilers. The repository has its own path there, and cargo
# the fetched files.
tools() {
	# shellcheck disable=SC2016
	chroot "$TOOLS_ROOT" /usr/bin/env -i HOME=/root LANG=C.UTF-8 TMPDIR=/dev/shm \
		PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" \
		CARGO_HOME=/cargo CARGO_TARGET_DIR="$ARM64/cargo" CARGO_NET_OFFLINE=true "${CROSS[@]}" \
		sh -ec 'cd "$1" && shift && exec "$@"' tools "$IFE_ROOT" "$@"
}

# mount_tools: in a mount namespace of the caller.
mount_tools() {
	local home=${CARGO_HOME:-$HOME/.cargo}
	mkdir -p "$TOOLS_ROOT$IFE_ROOT" "$TOOLS_ROOT/cargo/registry"
	mount --bind "$IFE_ROOT" "$TOOLS_ROOT$IFE_ROOT"
	mount --bind "$home/registry" "$TOOLS_ROOT/cargo/registry"
	mount -t proc proc "$TOOLS_ROOT/proc"
	mount --rbind /dev "$TOOLS_ROOT/dev"
	mount -t tmpfs tmpfs "$TOOLS_ROOT/dev/shm"
}
