#!/usr/bin/env bash
# Installs the Debian 12 packages for building, running and testing, if any is missing.
set -euo pipefail
. "$(dirname "$0")/env.sh"

# Kamailio with the modules of kamailio.cfg, and sipp for callers and experts.
PACKAGES_RUN=(kamailio kamailio-tls-modules sip-tester openssl)
# gcc, flex and bison configure Kamailio's source tree; bindgen needs libclang; dpkg-dev unpacks
# source packages.
PACKAGES_BUILD=(gcc g++ libc6-dev make flex bison pkg-config dpkg-dev)
PACKAGES_BUILD+=(libclang1-14 libclang-common-14-dev ca-certificates git)
# The second implementation of the formats is Python; valgrind, with libc's symbols, runs the C
# tests; Debian's sipp has no TLS, so socat adds it.
PACKAGES_TEST=(python3 python3-cryptography python3-yaml python3-venv jq valgrind libc6-dbg)
PACKAGES_TEST+=(socat procps shellcheck)
# The bridge's cases run Asterisk in its own root directory, and call the API.
PACKAGES_TEST+=(mmdebstrap curl)
# A SIP phone that plays, records and sends keys; packet capture, and dissectors for H.225 and
# H.245.
PACKAGES_TEST+=(baresip-core tcpdump tshark)
# NATS intake of the bridge.
PACKAGES_TEST+=(nats-server)
# Network namespaces and a TURN server for the evidence cases.
PACKAGES_TEST+=(iproute2 coturn)
# A real systemd for the shipped units.
PACKAGES_TEST+=(systemd)
# Injected failures of system calls.
PACKAGES_TEST+=(strace)
# The pages are tested in Chromium and Firefox with node; fonts make the screenshots realistic.
PACKAGES_TEST+=(chromium firefox-esr fonts-liberation)
# A node from another source conflicts with Debian's npm and is sufficient.
command -v npm >/dev/null || PACKAGES_TEST+=(nodejs npm)
# Modules that the benchmarks compare with.
PACKAGES_BENCH=(kamailio-python3-modules kamailio-secsipid-modules)
PACKAGES=("${PACKAGES_RUN[@]}" "${PACKAGES_BUILD[@]}" "${PACKAGES_TEST[@]}" "${PACKAGES_BENCH[@]}")

STAMP=$IFE_TARGET/.setup-stamp

main() {
	check_system
	if ! stamp_holds; then
		install_packages
		write_stamp
	fi
	check_rust
}

check_system() {
	[ "$(uname -s)" = Linux ] || die "Linux is needed (developed on Debian 12)"
	command -v apt-get >/dev/null ||
		die "apt-get was not found; install the packages of setup.sh and Kamailio 5.6 or later"
}

# The stamp holds the installed list; packages may have been removed since, so dpkg is asked as
# well.
stamp_holds() {
	[ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "${PACKAGES[*]}" ] && [ -z "$(missing_packages)" ]
}

write_stamp() {
	mkdir -p "$IFE_TARGET"
	printf '%s\n' "${PACKAGES[*]}" >"$STAMP"
}

missing_packages() {
	local package
	for package in "${PACKAGES[@]}"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			printf '%s ' "$package"
	done
}

install_packages() {
	local missing as_root=()
	missing=$(missing_packages)
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null ||
			die "cannot install these missing packages without root: $missing"
		as_root=(sudo)
	fi
	note "Installing Debian packages: $missing"
	# Only the programs are needed: installed services must not start.
	local policy=/usr/sbin/policy-rc.d
	if [ "$(id -u)" = 0 ] && [ ! -e "$policy" ]; then
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	run_quietly "apt-get update" "${as_root[@]}" apt-get -qq update
	# shellcheck disable=SC2086
	run_quietly "apt-get install" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get -qq -y --no-install-recommends install $missing
	[ -z "$(missing_packages)" ] || die "still missing after installation: $(missing_packages)"
}

check_rust() {
	local version
	version=$(cargo --version 2>/dev/null | awk '{print $2}') || true
	local lowest
	lowest=$(printf '%s\n%s\n' "$IFE_RUST_MIN" "$version" | sort -V | head -n 1)
	if [ -z "$version" ] || [ "$lowest" != "$IFE_RUST_MIN" ]; then
		die "Rust $IFE_RUST_MIN or later is needed (found: ${version:-none});" \
			"install it with rustup (https://rustup.rs), then run this again"
	fi
}

main "$@"
