#!/usr/bin/env bash
# The H.323 test bed: Asterisk with chan_ooh323 in its own root, as gateway and as council.
#   scripts/testbed.sh root  [SUITE]         makes target/testbed/root-SUITE (TESTBED_SUITES)
#   scripts/testbed.sh suite                 the same, and prints the suite
#   scripts/testbed.sh start [SUITE] [DIR]   starts both, files in DIR (default target/testbed/run)
#   scripts/testbed.sh stop  [SUITE] [DIR]   stops both
# Environment: `settings` has variables and defaults; RTP_TIMEOUT_S replaces rtp_timeout, GATEKEEPER
# is the gateway's gatekeeper (an address).
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/env.sh"
bed=$top/target/testbed

die() { echo "testbed: $*" >&2; exit 1; }

settings() {
	: "${GATEWAY_IP:=127.0.0.2}" "${COUNCIL_IP:=127.0.0.3}" "${GATEWAY_SIP_PORT:=5060}"
	: "${KAMAILIO_IP:=127.0.0.1}" "${KAMAILIO_PORT:=5060}" "${COUNCIL_DOMAIN:=council.example}"
	: "${MCU_PEER:=mcu-7f3a}" "${BACKEND:=confbridge}" "${EXPERTS_MAX:=24}" \
		"${COUNCIL_CODECS:=ulaw,alaw,gsm}"
	: "${AMI_USER:=ife-bridge}" "${GATEWAY_H323_ID:=if-escalate}"
	: "${AMI_IP:=$GATEWAY_IP}" "${LOG_CHANNEL:=messages.log}" "${STRICT_RTP:=no}"
	: "${LOG_LEVELS:=notice,warning,error,verbose(3),dtmf}"
	export GATEWAY_IP COUNCIL_IP GATEWAY_SIP_PORT KAMAILIO_IP KAMAILIO_PORT COUNCIL_DOMAIN
	export MCU_PEER BACKEND EXPERTS_MAX COUNCIL_CODECS AMI_USER GATEWAY_H323_ID LOG_LEVELS \
		MCU_IP=$COUNCIL_IP AMI_IP LOG_CHANNEL STRICT_RTP
}

# Prints apt's mirror of Debian; DEBIAN_MIRROR replaces it.
mirror() {
	local found=${DEBIAN_MIRROR:-}
	[ -n "$found" ] ||
		found=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null |
			grep -m 1 '/debian/$') || true
	[ -n "$found" ] || die "apt has no mirror of Debian; set DEBIAN_MIRROR"
	echo "$found"
}

make_root() {
	local suite=$1 root=$bed/root-$1
	[ -e "$root/.complete" ] && return 0
	mkdir -p "$bed"
	# Concurrent callers make the root once.
	exec 9>"$bed/.making"
	flock 9
	[ -e "$root/.complete" ] && return 0
	[ "$(id -u)" = 0 ] || die "making a root needs root"
	command -v mmdebstrap >/dev/null ||
		{ apt-get -qq update && apt-get -qq -y --no-install-recommends install mmdebstrap; } >&2
	rm -rf "$root"
	# sid's Release file may be out of date on a mirror; the packages' signatures are checked
	# anyway. mmdebstrap gives its next descriptor to dash, which knows those below 10: the locks of
	# the callers are closed.
	mmdebstrap --variant=minbase --include=asterisk,asterisk-ooh323,asterisk-modules \
		--aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$root" "$(mirror)" \
		>"$bed/root-$suite.log" 2>&1 6>&- 7>&- 8>&- 9>&- || {
		rm -rf "$root"
		return 1
	}
	touch "$root/.complete"
}

# Prints the first suite that works here, sid (Asterisk 22) or bullseye (16): sid changes daily and
# may be broken.
any_root() {
	local suite
	for suite in "$@"; do
		[ ! -e "$bed/root-$suite/.complete" ] || { echo "$suite"; return 0; }
	done
	for suite in "$@"; do
		make_root "$suite" && { echo "$suite"; return 0; }
		echo "testbed: cannot make suite $suite (see $bed/root-$suite.log), trying the next" >&2
	done
	die "cannot make any suite with Asterisk and chan_ooh323"
}

# fill FILE: replaces @NAME@ by environment variables; an unset name is an error.
fill() {
	python3 -c '
import os, re, sys
sys.stdout.write(re.sub(r"@([A-Z0-9_]+)@", lambda m: os.environ[m[1]], sys.stdin.read()))' <"$1"
}

write_instance() {
	local root=$1 dir=$2 name=$3
	# A bind mount gives the directory the same path in the instance as on the host.
	export RUN=$dir/$name NAME=$name
	MODULES=$(cd "$root" && dirname "/$(find usr/lib -name chan_ooh323.so)")
	export MODULES TESTBED_RECORDINGS=$RUN/recordings
	mkdir -p "$RUN"/{etc,cache,lib,spool,run,log,recordings}
	local example=$top/docs/examples/asterisk
	for file in asterisk modules logger indications rtp; do
		fill "$example/gateway/$file.conf" >"$RUN/etc/$file.conf"
	done
	for file in "$top/tests/testbed/$name"/*.conf.in; do
		fill "$file" >"$RUN/etc/$(basename "$file" .in)"
	done
	if [ "$name" = gateway ]; then
		for file in "$example"/*.conf "$example"/gateway/*.conf; do
			fill "$file" >"$RUN/etc/$(basename "$file")"
		done
		cat "$RUN/etc/ooh323-if-escalate.conf" "$RUN/etc/ooh323-peers.conf" >"$RUN/etc/ooh323.conf"
		rm "$RUN/etc/ooh323-if-escalate.conf"
		mv "$RUN/etc/manager-if-escalate.conf" "$RUN/etc/manager.conf"
		if [ -s "$dir/tls/server.pem" ]; then manager_tls "$dir/tls" >>"$RUN/etc/manager.conf"; fi
		chmod 600 "$RUN/etc/manager.conf"
		[ -z "${RTP_TIMEOUT_S:-}" ] ||
			sed -i "s|^rtp_timeout=.*|rtp_timeout=$RTP_TIMEOUT_S|" "$RUN/etc/pjsip-if-escalate.conf"
		[ -z "${GATEKEEPER:-}" ] ||
			sed -i "s|^gatekeeper=.*|gatekeeper=$GATEKEEPER|" "$RUN/etc/ooh323.conf"
	else
		sed -i "s|^\[globals\]|[globals]\nTESTBED_RECORDINGS=$TESTBED_RECORDINGS|" \
			"$RUN/etc/extensions.conf"
	fi
}

# manager_tls DIR: AMI over TLS, with the certificate in DIR (scripts/make-test-ca.sh).
manager_tls() {
	printf '%s\n' '[general](+)' tlsenable=yes "tlsbindaddr=$GATEWAY_IP:5039" \
		"tlscertfile=$1/server.pem" "tlsprivatekey=$1/server.key"
}

mount_root() {
	local root=$1 dir=$2
	mkdir -p "$root$dir"
	mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
	mountpoint -q "$root/dev" ||
		{ mount --rbind /dev "$root/dev" && mount --make-rslave "$root/dev"; }
	mountpoint -q "$root$dir" || mount --bind "$dir" "$root$dir"
	grep -q "$(hostname)" "$root/etc/hosts" 2>/dev/null ||
		echo "127.0.0.1 localhost $(hostname)" >>"$root/etc/hosts"
}

# new_secret FILE: writes a new secret to FILE and to stdout.
new_secret() (
	umask 077
	head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tee "$1"
)

start() {
	local suite=$1 dir=$2 root=$bed/root-$1
	settings
	mkdir -p "$dir"
	AMI_SECRET=$(cat "$dir/ami-secret" 2>/dev/null || new_secret "$dir/ami-secret")
	export AMI_SECRET
	local port=30000
	for name in gateway council; do
		export RTP_START=$port RTP_END=$((port + 3998))
		port=$((port + 4000))
		write_instance "$root" "$dir" "$name"
	done
	mount_root "$root" "$dir"
	for name in gateway council; do
		! runs "$dir" "$name" || continue
		chroot "$root" asterisk -f -C "$dir/$name/etc/asterisk.conf" \
			>"$dir/$name/log/console.log" 2>&1 8>&- &
		echo $! >"$dir/$name.pid"
	done
	for name in gateway council; do wait_booted "$root" "$dir" "$name"; done
}

# runs DIR NAME: whether the instance of this directory runs; `start` starts only missing ones.
runs() {
	local pid
	pid=$(cat "$1/$2.pid" 2>/dev/null) &&
		tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | contains -F " $1/$2/etc/asterisk.conf"
}

wait_booted() {
	local root=$1 dir=$2 name=$3
	for _ in $(seq 300); do
		kill -0 "$(cat "$dir/$name.pid")" 2>/dev/null ||
			die "$name ended at start; see $dir/$name/log"
		if chroot "$root" asterisk -C "$dir/$name/etc/asterisk.conf" -rx "core waitfullybooted" \
			2>/dev/null | contains "fully booted"; then
			return 0
		fi
		sleep 0.1
	done
	die "$name does not get ready; see $dir/$name/log"
}

stop() {
	local suite=$1 dir=$2 root=$bed/root-$1
	for name in gateway council; do
		[ -e "$dir/$name.pid" ] || continue
		local pid
		pid=$(cat "$dir/$name.pid")
		kill "$pid" 2>/dev/null || true
		for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
		kill -9 "$pid" 2>/dev/null || true
		rm -f "$dir/$name.pid"
	done
	# Unmounts, so that a recursive removal of target/ does not walk into /proc or /dev, unless
	# another test bed runs in this root.
	! mountpoint -q "$root$dir" || umount -l "$root$dir"
	! in_use "$root" || return 0
	local mounted
	for mounted in "$root/dev" "$root/proc"; do
		! mountpoint -q "$mounted" || umount -R -l "$mounted"
	done
}

# in_use ROOT: whether the directory of a test bed is mounted in this root.
in_use() {
	awk -v root="$1/" 'index($2, root) == 1 && $2 !~ "^" root "(dev|proc)(/|$)" {found = 1}
		END {exit !found}' /proc/mounts
}

read -ra suites <<<"${TESTBED_SUITES:-sid bullseye}"
command=${1:-}
case $command in
root)
	if [ -n "${2:-}" ]; then
		make_root "$2" || die "cannot make suite $2; see $bed/root-$2.log"
	else
		any_root "${suites[@]}" >/dev/null
	fi
	;;
suite) any_root "${suites[@]}" ;;
start | stop)
	suite=${2:-}
	[ -n "$suite" ] || for s in "${suites[@]}"; do
		[ -e "$bed/root-$s/.complete" ] && { suite=$s; break; }
	done
	[ -n "$suite" ] || die "no root directory; run scripts/testbed.sh root"
	"$command" "$suite" "${3:-$bed/run}"
	;;
*) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
