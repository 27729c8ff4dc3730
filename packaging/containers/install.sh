#!/bin/sh
# Runs in an image while it is built: installs one service. The context of the build is mounted
# beside this file; scripts/containers.sh lays it out.
#
# usage: install.sh module | kamailio | ife-witnessd | ife-bridge | asterisk | ifectl
set -eu

context=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
export DEBIAN_FRONTEND=noninteractive

main() {
	accounts
	# Packages start no service here.
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod 755 /usr/sbin/policy-rc.d
	apt-get -qq update
	# Makes the packages' users where there is no systemd.
	packages systemd-standalone-sysusers
	case $1 in
	module) module ;;
	kamailio) kamailio ;;
	ife-witnessd) witnessd ;;
	ife-bridge) bridge ;;
	asterisk) asterisk ;;
	ifectl) packages "$(deb ifectl)" ;;
	*) exit 2 ;;
	esac
	rm -rf /usr/sbin/policy-rc.d /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig/*
}

# The users of all services, with the numbers of the file `users`.
accounts() {
	grep -v '^#' "$context/users" | while read -r name number; do
		getent group "$name" >/dev/null || groupadd --gid "$number" "$name"
		[ "$name" != if-escalate ] || continue
		getent passwd "$name" >/dev/null || useradd --system --uid "$number" --gid "$name" \
			--home-dir /nonexistent --shell /usr/sbin/nologin --no-log-init "$name"
		usermod --append --groups if-escalate "$name"
	done
}

packages() { apt-get -qq -y --no-install-recommends install "$@"; }

# deb NAME: the file of this package in the context.
deb() {
	for file in "$context/debs/$1"_*.deb; do
		[ -f "$file" ] && printf '%s\n' "$file" && return
	done
	printf 'install.sh: no package %s in %s/debs\n' "$1" "$context" >&2
	exit 1
}

# owned USER DIRECTORY MODE: a new volume takes owner and mode of the image's directory.
owned() { install -d -o "$1" -g if-escalate -m "$3" "$2"; }

# command_file NAME: makes an executable of its input.
command_file() {
	cat >"/usr/local/bin/$1"
	chmod 755 "/usr/local/bin/$1"
}

# from_unit UNIT NAME: the command line of the unit's package as the command NAME.
from_unit() {
	{
		printf '#!/bin/sh\numask %s\n' "$(sed -n 's/^UMask=//p' "/lib/systemd/system/$1")"
		awk '/^ExecStart=/ { line = 1; sub(/^ExecStart=/, "exec ") }
			line { print; if (!/\\$/) exit }' "/lib/systemd/system/$1"
	} | command_file "$2"
}

module() {
	packages kamailio "$(deb libife-policy)" "$(deb kamailio-if-escalate-source)"
	mkdir -p /out
	ife-module-deb /out
}

kamailio() {
	# netbase has the numbers of protocols, which Kamailio asks for.
	packages netbase kamailio kamailio-tls-modules "$(deb if-escalate-common)" \
		"$(deb libife-policy)" /out/kamailio-if-escalate-modules_*.deb
	install -m 644 "$context/kamailio.cfg" /etc/kamailio/kamailio.cfg
	ln -s /etc/if-escalate/kamailio-local.cfg /etc/kamailio/kamailio-local.cfg
	owned kamailio /run/kamailio 750
	owned root /run/if-escalate 3770
	install -m 755 "$context/kamailio-start" /usr/local/bin/start
	printf '#!/bin/sh\nkamcmd ife.status >/tmp/status && grep -q version: /tmp/status\n' |
		command_file ready
}

witnessd() {
	packages "$(deb if-escalate-common)" "$(deb ife-witnessd)"
	from_unit ife-witnessd.service start
	from_unit ife-witnessd-init.service init
	owned root /run/if-escalate 3770
	owned ife-witness /var/lib/if-escalate/witness 750
	owned ife-witness /var/lib/if-escalate/keys 750
	# It renews its status every second.
	command_file ready <<-'SH'
		#!/bin/sh
		status=/run/if-escalate/witnessd.json
		[ -n "$(find $status -newermt '-10 seconds')" ] && grep -q '"state": *"running"' $status
	SH
}

bridge() {
	packages curl "$(deb if-escalate-common)" "$(deb ife-bridge)"
	from_unit ife-bridge.service start
	owned root /run/if-escalate 3770
	owned ife-bridge /var/lib/if-escalate/bridge 750
	owned ife-bridge /var/lib/if-escalate/prompts 750
	command_file ready <<-'SH'
		#!/bin/sh
		exec curl -fsS -m 5 --unix-socket /run/if-escalate/bridge.sock http://bridge/readyz
	SH
}

asterisk() {
	packages asterisk asterisk-modules asterisk-ooh323 "$(deb if-escalate-asterisk)"
	mkdir -p /usr/share/if-escalate-asterisk/gateway
	install -m 644 "$context"/asterisk/*.conf /usr/share/if-escalate-asterisk/
	install -m 644 "$context"/asterisk/gateway/*.conf /usr/share/if-escalate-asterisk/gateway/
	owned asterisk /var/lib/if-escalate/asterisk 750
	owned ife-bridge /var/lib/if-escalate/prompts 750
	install -m 755 "$context/asterisk-start" /usr/local/bin/start
	command_file ready <<-'SH'
		#!/bin/sh
		exec asterisk -C /var/lib/if-escalate/asterisk/etc/asterisk.conf -rx 'core waitfullybooted'
	SH
}

main "$@"
