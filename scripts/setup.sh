#!/usr/bin/env bash
# Installs the Debian packages that are missing (Debian 12, 13 and later). No service of theirs is
# started or enabled. For the tests it also sees to the name localhost.
#
# usage: scripts/setup.sh [all | demo | rust | lint | repo | deb | containers | kamailio]
#   default: all; demo: for make demo and make up; rust, lint, repo: for that part of
#   scripts/test.sh; deb: for make deb; containers, kamailio: for that part of make prove
#   IFE_INSTALLED   demo without what builds: the programs are installed
set -euo pipefail
. "$(dirname "$0")/env.sh"

# Kamailio with the modules of kamailio.cfg, and sipp for callers and experts.
PACKAGES_RUN=(kamailio kamailio-tls-modules sip-tester openssl)
# The versions of Clang differ between releases. Version 14 formats the C sources.
case $(. /etc/os-release && echo "${VERSION_CODENAME:-}") in
bookworm) CLANG=(libclang1-14 libclang-common-14-dev) CLANG_FORMAT=clang-format-14 ;;
trixie) CLANG=(libclang1-19 libclang-common-19-dev) CLANG_FORMAT=clang-format-19 ;;
*) CLANG=(libclang-dev) CLANG_FORMAT=clang-format ;;
esac
# bindgen needs libclang, tests signal processes.
PACKAGES_RUST=(gcc libc6-dev "${CLANG[@]}" ca-certificates git procps)
# Experts hear prompts.
PACKAGES_RUST+=(espeak-ng sox)
PACKAGES_LINT=(shellcheck "$CLANG_FORMAT")
# promtool, and YAML for the test of the alerts.
PACKAGES_LINT+=(prometheus python3-yaml)
PACKAGES_REPO=(git python3)
# flex and bison configure Kamailio's source tree; dpkg-dev unpacks source packages.
PACKAGES_MODULE=(g++ make flex bison pkg-config dpkg-dev)
# The scripts read JSON.
PACKAGES_RUN+=(python3 jq procps iproute2)
# Part 2 of the demo, which only root can run: Asterisk in its own root directory; a SIP phone that
# plays, records and sends keys; dissectors for H.225 and H.245; the expert's browser, driven.
PACKAGES_FULL=(mmdebstrap curl baresip-core tshark chromium chromium-driver fonts-liberation)
# The second implementation of the formats is Python; valgrind, with libc's symbols, runs the C
# tests; Debian's sipp has no TLS, so socat adds it.
PACKAGES_TEST=(python3-cryptography python3-yaml python3-venv valgrind libc6-dbg socat tcpdump)
# NATS intake of the bridge.
PACKAGES_TEST+=(nats-server)
# A TURN server for the evidence cases.
PACKAGES_TEST+=(coturn)
# A real systemd for the shipped units.
PACKAGES_TEST+=(systemd)
# Neighbours of the gate: scripts in Lua, WebSocket.
PACKAGES_TEST+=(kamailio-lua-modules kamailio-websocket-modules)
# Injected failures of system calls.
PACKAGES_TEST+=(strace)
# The pages are tested in Firefox too, by programs of node; Debian's npm brings some 360 packages. A
# node from another source conflicts with it and is sufficient.
PACKAGES_TEST+=(firefox-esr)
command -v npm >/dev/null || PACKAGES_TEST+=(nodejs npm)
# A release is signed.
PACKAGES_TEST+=(gpg gpg-agent gpgv)
# Modules that the benchmarks compare with.
PACKAGES_BENCH=(kamailio-python3-modules kamailio-secsipid-modules)

# Debian packages of the programs.
PACKAGES_DEB=(debhelper dh-apparmor help2man lintian)
# Build images and run them. iptables is netavark's.
PACKAGES_CONTAINERS=(buildah podman crun netavark aardvark-dns iptables mmdebstrap python3-venv)
# Build Kamailio itself.
PACKAGES_KAMAILIO=(git cmake libssl-dev zlib1g-dev)

FOR=${1:-all}
case $FOR in
rust) PACKAGES=("${PACKAGES_RUST[@]}") ;;
lint) PACKAGES=("${PACKAGES_RUST[@]}" "${PACKAGES_LINT[@]}") ;;
repo) PACKAGES=("${PACKAGES_REPO[@]}") ;;
demo)
	PACKAGES=("${PACKAGES_RUN[@]}")
	[ -n "${IFE_INSTALLED:-}" ] || PACKAGES+=("${PACKAGES_RUST[@]}" "${PACKAGES_MODULE[@]}")
	# Without sudo, only the first part of the demo runs.
	[ "$(id -u)" != 0 ] || PACKAGES+=("${PACKAGES_FULL[@]}")
	;;
deb) PACKAGES=("${PACKAGES_DEB[@]}") ;;
containers) PACKAGES=("${PACKAGES_CONTAINERS[@]}") ;;
kamailio) PACKAGES=("${PACKAGES_MODULE[@]}" "${PACKAGES_KAMAILIO[@]}") ;;
all)
	PACKAGES=("${PACKAGES_RUN[@]}" "${PACKAGES_FULL[@]}" "${PACKAGES_RUST[@]}" "${PACKAGES_LINT[@]}"
		"${PACKAGES_REPO[@]}" "${PACKAGES_MODULE[@]}" "${PACKAGES_TEST[@]}" "${PACKAGES_BENCH[@]}")
	;;
*) die "usage: scripts/setup.sh [all | demo | rust | lint | repo | deb | containers | kamailio]" ;;
esac

AS_ROOT=()
# Another apt may be at work.
APT=(-qq -o DPkg::Lock::Timeout=600)
POLICY=/usr/sbin/policy-rc.d
POLICY_IS_OURS=

main() {
	check_system
	alone setup "$IFE_TARGET/.setup.lock"
	install_packages
	[ "$FOR" != all ] || name_localhost
	[ -n "${IFE_INSTALLED:-}" ] || check_rust
}

check_system() {
	[ "$(uname -s)" = Linux ] || die "Linux is needed (developed on Debian 12)"
	command -v apt-get >/dev/null ||
		die "apt-get was not found; install the packages of setup.sh and Kamailio 5.6 or later"
}

missing_packages() {
	local installed package
	installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${PACKAGES[@]}" 2>/dev/null) ||
		true
	for package in "${PACKAGES[@]}"; do
		grep -qxF "installed $package" <<<"$installed" || printf '%s ' "$package"
	done
}

# become_root REASON: sets AS_ROOT, or ends with the reason.
become_root() {
	[ "$(id -u)" != 0 ] || return 0
	command -v sudo >/dev/null || die "$1"
	AS_ROOT=(sudo)
}

install_packages() {
	local missing
	missing=$(missing_packages)
	[ -n "$missing" ] || return 0
	become_root "cannot install these missing packages without root: $missing"
	note "Installing $(wc -w <<<"$missing") Debian packages and what they need: $missing"
	run_quietly "apt-get update" "${AS_ROOT[@]}" apt-get "${APT[@]}" update
	trap services_may_start EXIT
	services_may_not_start
	# shellcheck disable=SC2086
	run_quietly "apt-get install" "${AS_ROOT[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get "${APT[@]}" -y --no-install-recommends install $missing
	disable_new_services
	services_may_start
	[ -z "$(missing_packages)" ] || die "still missing after installation: $(missing_packages)"
}

# Only the programs are needed: packages ask this file before they start a service.
services_may_not_start() {
	ENABLED_BEFORE=$(enabled_services)
	[ ! -e "$POLICY" ] || return 0
	printf '#!/bin/sh\nexit 101\n' | "${AS_ROOT[@]}" tee "$POLICY" >/dev/null
	"${AS_ROOT[@]}" chmod 755 "$POLICY"
	POLICY_IS_OURS=yes
}

services_may_start() {
	[ -z "$POLICY_IS_OURS" ] || "${AS_ROOT[@]}" rm -f "$POLICY"
	POLICY_IS_OURS=
}

# Units that the next boot would start, as names of systemd and of System V.
enabled_services() {
	find /etc/systemd/system -name '*.service' -path '*.wants/*' -printf '%f\n' 2>/dev/null
	find /etc/rc[2-5].d -name 'S*' -printf '%f\n' 2>/dev/null | sed 's/^S[0-9]*//; s/$/.init/'
}

# Services of the new packages do not begin at the next boot; those that were enabled stay so.
disable_new_services() {
	local service
	while read -r service; do
		case $service in
		*.init) "${AS_ROOT[@]}" update-rc.d "${service%.init}" disable ;;
		# Of systemd itself, installed for the tests.
		systemd-* | getty@*) ;;
		# It demands the name of a package.
		?*)
			"${AS_ROOT[@]}" env DPKG_MAINTSCRIPT_PACKAGE=if-escalate deb-systemd-helper disable "$service"
			;;
		esac >/dev/null 2>&1 || note "  $service stays enabled for the next boot"
	done < <(comm -13 <(sort -u <<<"$ENABLED_BEFORE") <(enabled_services | sort -u))
}

# Tests reach servers by this name. Debian's installer writes it, its smallest root has no file.
name_localhost() {
	! getent hosts localhost >/dev/null || return 0
	become_root "the tests need the name localhost, and without root /etc/hosts cannot have it"
	note "Adding localhost to /etc/hosts: the tests need that name"
	echo "127.0.0.1 localhost" | "${AS_ROOT[@]}" tee -a /etc/hosts >/dev/null
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
