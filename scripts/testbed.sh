#!/usr/bin/env bash
# The H.323 test bed: real Asterisk with chan_ooh323 in a root of its own, a gateway and a council on loopback addresses.
#   scripts/testbed.sh root  [SUITE]         makes target/testbed/root-SUITE (sid: Asterisk 22, bullseye: 16; default: the first that can be had)
#   scripts/testbed.sh suite                 the same, and prints which suite it is
#   scripts/testbed.sh start [SUITE] [DIR]   starts both instances; DIR (default target/testbed/run) holds their files
#   scripts/testbed.sh stop  [SUITE] [DIR]
# Settings from the environment, with their defaults, are at the top of `settings`. RTP_TIMEOUT_S replaces the shipped rtp_timeout.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
bed=$top/target/testbed

die() { echo "testbed: $*" >&2; exit 1; }

settings() {
	: "${GATEWAY_IP:=127.0.0.2}" "${COUNCIL_IP:=127.0.0.3}" "${GATEWAY_SIP_PORT:=5060}"
	: "${KAMAILIO_IP:=127.0.0.1}" "${KAMAILIO_PORT:=5060}" "${COUNCIL_DOMAIN:=council.example}"
	: "${MCU_PEER:=mcu-7f3a}" "${BACKEND:=confbridge}" "${COUNCIL_CODECS:=ulaw,alaw,gsm}"
	: "${AMI_USER:=ife-bridge}" "${GATEWAY_H323_ID:=if-escalate}" "${LOG_LEVELS:=notice,warning,error,verbose(3),dtmf}"
	export GATEWAY_IP COUNCIL_IP GATEWAY_SIP_PORT KAMAILIO_IP KAMAILIO_PORT COUNCIL_DOMAIN MCU_PEER BACKEND COUNCIL_CODECS
	export AMI_USER GATEWAY_H323_ID LOG_LEVELS MCU_IP=$COUNCIL_IP
}

# The mirror of Debian that apt itself uses here, whatever its files are called; set DEBIAN_MIRROR to use another.
mirror() {
	local found=${DEBIAN_MIRROR:-}
	[ -n "$found" ] || found=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -m 1 '/debian/$') || true
	[ -n "$found" ] || die "apt knows no mirror of Debian: set DEBIAN_MIRROR"
	echo "$found"
}

make_root() {
	local suite=$1 root=$bed/root-$1
	[ -e "$root/.complete" ] && return 0
	mkdir -p "$bed"
	# Two who need the same root at once make it once.
	exec 9>"$bed/.making"
	flock 9
	[ -e "$root/.complete" ] && return 0
	[ "$(id -u)" = 0 ] || die "making a root needs root"
	command -v mmdebstrap >/dev/null || { apt-get -qq update && apt-get -qq -y --no-install-recommends install mmdebstrap; } >&2
	rm -rf "$root"
	# sid's Release file may be a little out of date on a mirror; the packages are checked by signature all the same.
	mmdebstrap --variant=minbase --include=asterisk,asterisk-ooh323,asterisk-modules \
		--aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$root" "$(mirror)" >"$bed/root-$suite.log" 2>&1 || {
		rm -rf "$root"
		return 1
	}
	touch "$root/.complete"
}

# The newest suite that works here: sid moves and may be broken on a given day.
any_root() {
	local suite
	for suite in "$@"; do
		[ ! -e "$bed/root-$suite/.complete" ] || { echo "$suite"; return 0; }
	done
	for suite in "$@"; do
		make_root "$suite" && { echo "$suite"; return 0; }
		echo "testbed: suite $suite cannot be had (see $bed/root-$suite.log), trying the next" >&2
	done
	die "no suite with Asterisk and chan_ooh323 can be had"
}

# fill FILE: @NAME@ from the environment; an unset name is an error.
fill() {
	python3 -c '
import os, re, sys
sys.stdout.write(re.sub(r"@([A-Z0-9_]+)@", lambda m: os.environ[m[1]], sys.stdin.read()))' <"$1"
}

write_instance() {
	local root=$1 dir=$2 name=$3
	# The instance sees its directory under the same path as the host, by a bind mount.
	export RUN=$dir/$name NAME=$name
	MODULES=$(cd "$root" && dirname "/$(find usr/lib -name chan_ooh323.so)")
	export MODULES TESTBED_RECORDINGS=$RUN/recordings
	mkdir -p "$RUN"/{etc,cache,lib,spool,run,log,recordings}
	fill "$top/tests/testbed/instance.conf.in" >"$RUN/etc/asterisk.conf"
	cp "$top/tests/testbed/modules.conf" "$RUN/etc/"
	for file in "$top/tests/testbed/$name"/*.conf.in; do
		fill "$file" >"$RUN/etc/$(basename "$file" .in)"
	done
	if [ "$name" = gateway ]; then
		for file in "$top"/docs/examples/asterisk/*.conf; do
			fill "$file" >"$RUN/etc/$(basename "$file")"
		done
		cat "$RUN/etc/ooh323-if-escalate.conf" "$RUN/etc/ooh323-peers.conf" >"$RUN/etc/ooh323.conf"
		rm "$RUN/etc/ooh323-if-escalate.conf"
		mv "$RUN/etc/manager-if-escalate.conf" "$RUN/etc/manager.conf"
		if [ -s "$dir/tls/server.pem" ]; then manager_tls "$dir/tls" >>"$RUN/etc/manager.conf"; fi
		chmod 600 "$RUN/etc/manager.conf"
		[ -z "${RTP_TIMEOUT_S:-}" ] || sed -i "s|^rtp_timeout=.*|rtp_timeout=$RTP_TIMEOUT_S|" "$RUN/etc/pjsip-if-escalate.conf"
	else
		sed -i "s|^\[globals\]|[globals]\nTESTBED_RECORDINGS=$TESTBED_RECORDINGS|" "$RUN/etc/extensions.conf"
	fi
}

# With a certificate in DIR/tls (scripts/make-test-ca.sh), AMI is served over TLS as well.
manager_tls() {
	printf '%s\n' '[general](+)' tlsenable=yes "tlsbindaddr=$GATEWAY_IP:5039" "tlscertfile=$1/server.pem" "tlsprivatekey=$1/server.key"
}

mount_root() {
	local root=$1 dir=$2
	mkdir -p "$root$dir"
	mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
	mountpoint -q "$root/dev" || { mount --rbind /dev "$root/dev" && mount --make-rslave "$root/dev"; }
	mountpoint -q "$root$dir" || mount --bind "$dir" "$root$dir"
	grep -q "$(hostname)" "$root/etc/hosts" 2>/dev/null || echo "127.0.0.1 localhost $(hostname)" >>"$root/etc/hosts"
}

start() {
	local suite=$1 dir=$2 root=$bed/root-$1
	settings
	mkdir -p "$dir"
	AMI_SECRET=$(cat "$dir/ami-secret" 2>/dev/null || (umask 077; head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tee "$dir/ami-secret"))
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
		chroot "$root" asterisk -f -C "$dir/$name/etc/asterisk.conf" >"$dir/$name/log/console.log" 2>&1 &
		echo $! >"$dir/$name.pid"
	done
	for name in gateway council; do wait_booted "$root" "$dir" "$name"; done
}

# Whether an instance of this directory is up: `start` brings back the one that is not.
runs() {
	local pid
	pid=$(cat "$1/$2.pid" 2>/dev/null) && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF " $1/$2/etc/asterisk.conf"
}

wait_booted() {
	local root=$1 dir=$2 name=$3
	for _ in $(seq 300); do
		kill -0 "$(cat "$dir/$name.pid")" 2>/dev/null || die "$name ended at start: see $dir/$name/log"
		if chroot "$root" asterisk -C "$dir/$name/etc/asterisk.conf" -rx "core waitfullybooted" 2>/dev/null | grep -q "fully booted"; then
			return 0
		fi
		sleep 0.1
	done
	die "$name does not come up: see $dir/$name/log"
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
	# Nothing stays mounted: a recursive search or removal of target/ must not walk into /proc or /dev. Another test bed in this root goes on.
	! mountpoint -q "$root$dir" || umount -l "$root$dir"
	! in_use "$root" || return 0
	local mounted
	for mounted in "$root/dev" "$root/proc"; do
		! mountpoint -q "$mounted" || umount -R -l "$mounted"
	done
}

# Whether the directory of another test bed is mounted in this root.
in_use() {
	awk -v root="$1/" 'index($2, root) == 1 && $2 !~ "^" root "(dev|proc)(/|$)" {found = 1} END {exit !found}' /proc/mounts
}

read -ra suites <<<"${TESTBED_SUITES:-sid bullseye}"
command=${1:-}
case $command in
root)
	if [ -n "${2:-}" ]; then make_root "$2" || die "suite $2 cannot be had: see $bed/root-$2.log"; else any_root "${suites[@]}" >/dev/null; fi
	;;
suite) any_root "${suites[@]}" ;;
start | stop)
	suite=${2:-}
	[ -n "$suite" ] || for s in "${suites[@]}"; do [ -e "$bed/root-$s/.complete" ] && { suite=$s; break; }; done
	[ -n "$suite" ] || die "no root: run scripts/testbed.sh root"
	"$command" "$suite" "${3:-$bed/run}"
	;;
*) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
