#!/usr/bin/env bash
# Installs the Debian 12 packages that are missing.
#
# usage: scripts/setup.sh [all | rust | lint | repo]      default: all
#   rust, lint, repo: for that part of scripts/test.sh alone
set -euo pipefail
. "$(dirname "$0")/env.sh"

# Kamailio with the modules of kamailio.cfg, and sipp for callers and experts.
PACKAGES_RUN=(kamailio kamailio-tls-modules sip-tester openssl)
# bindgen needs libclang, tests signal processes.
PACKAGES_RUST=(gcc libc6-dev libclang1-14 libclang-common-14-dev ca-certificates git procps)
# Experts hear prompts.
PACKAGES_RUST+=(espeak-ng sox)
PACKAGES_LINT=(shellcheck clang-format-14)
PACKAGES_REPO=(git python3)
# flex and bison configure Kamailio's source tree; dpkg-dev unpacks source packages.
PACKAGES_MODULE=(g++ make flex bison pkg-config dpkg-dev)
# The second implementation of the formats is Python; valgrind, with libc's symbols, runs the C
# tests; Debian's sipp has no TLS, so socat adds it.
PACKAGES_TEST=(python3-cryptography python3-yaml python3-venv jq valgrind libc6-dbg socat)
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

case ${1:-all} in
rust) PACKAGES=("${PACKAGES_RUST[@]}") ;;
lint) PACKAGES=("${PACKAGES_RUST[@]}" "${PACKAGES_LINT[@]}") ;;
repo) PACKAGES=("${PACKAGES_REPO[@]}") ;;
all)
	PACKAGES=("${PACKAGES_RUN[@]}" "${PACKAGES_RUST[@]}" "${PACKAGES_LINT[@]}"
		"${PACKAGES_REPO[@]}" "${PACKAGES_MODULE[@]}" "${PACKAGES_TEST[@]}" "${PACKAGES_BENCH[@]}")
	;;
*) die "usage: scripts/setup.sh [all | rust | lint | repo]" ;;
esac

main() {
	check_system
	install_packages
	check_rust
}

check_system() {
	[ "$(uname -s)" = Linux ] || die "Linux is needed (developed on Debian 12)"
	command -v apt-get >/dev/null ||
		die "apt-get was not found; install the packages of setup.sh and Kamailio 5.6 or later"
}

missing_packages() {
	local installed package
	installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${PACKAGES[@]}" 2>/dev/null) || true
	for package in "${PACKAGES[@]}"; do
		grep -qxF "installed $package" <<<"$installed" || printf '%s ' "$package"
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
