# Sourced by run.sh: a machine with systemd as its process 1, the programs at the paths of the shipped
# units, and the shipped units, users and configuration.
# shellcheck shell=bash

EXAMPLES=$IFE_ROOT/docs/examples
TREE=$WORK/tree
MACHINE=$WORK/machine
CGROUP=

# machine_tree: what goes over the host's /usr, and all of /etc.
machine_tree() {
	local bin=$TREE/usr/bin lib=$TREE/usr/lib etc=$TREE/etc name
	mkdir -p "$bin" "$lib"/{sysusers.d,if-escalate} "$etc"/{systemd/system/kamailio.service.d,if-escalate}
	for name in ife-witnessd ife-bridge ifectl; do cp -l "$IFE_BIN/$name" "$bin/" || die "$name is not built"; done
	cp -r "$IFE_MODULE_DIR"/{if_escalate.so,libife_policy.so,glibc-hwcaps} "$lib/if-escalate/"
	cp "$EXAMPLES/systemd/if-escalate.sysusers.conf" "$lib/sysusers.d/if-escalate.conf"
	cp "$EXAMPLES"/systemd/{ife-witnessd,ife-bridge}.service "$etc/systemd/system/"
	cp "$EXAMPLES/systemd/kamailio-if-escalate.conf" "$etc/systemd/system/kamailio.service.d/if-escalate.conf"
	grep -o 'tmpfs /run/if-escalate tmpfs .*' "$IFE_ROOT/docs/operations.md" >"$etc/fstab" || die "docs/operations.md has no line for fstab"
	: >"$etc/machine-id"
	cp /etc/{ld.so.cache,nsswitch.conf,protocols,services} "$etc/"
	{ echo 'root:x:0:0:root:/root:/bin/sh'; getent passwd kamailio; } >"$etc/passwd"
	{ echo 'root:x:0:'; getent group kamailio; } >"$etc/group"
	machine_configuration "$etc/if-escalate"
}

# machine_configuration DIR: the shipped examples. The bridge's key is made here, as docs/bridge.md
# says, and this host has no certificate.
machine_configuration() {
	local public
	cp "$IFE_ROOT/kamailio.cfg" "$EXAMPLES"/{bridge.yaml,registry.yaml,dispatcher.list} "$1/"
	grep -vE 'WITH_TLS|TLS_CONFIG|MODE "shadow"' "$EXAMPLES/kamailio-local.cfg" >"$1/kamailio-local.cfg"
	public=$(ifectl keygen --kid bridge-2026a --out "$1/bridge-2026a.key" --json | jq -r .public_key)
	sed -i "/kid: bridge-2026a/{n;s|public_key: .*|public_key: \"$public\"|}" "$1/registry.yaml"
	echo "a-secret-that-no-asterisk-asks-for" >"$1/ami-secret"
	chmod 600 "$1/ami-secret" "$1/bridge-2026a.key"
}

# machine_start: boots it, in a cgroup of its own: systemd takes the whole hierarchy that it sees.
machine_start() {
	local mount
	mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	if [ -z "$mount" ]; then
		mount=$WORK/cgroup
		mkdir -p "$mount"
		mount -t cgroup2 cgroup2 "$mount" || die "systemd needs cgroup2, and it cannot be mounted"
	fi
	CGROUP=$mount/if-escalate-test.$$
	mkdir "$CGROUP" || die "no cgroup can be made for the machine"
	EXTRA_CLEANUP=machine_stop
	# shellcheck disable=SC2016
	proc_start machine bash -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' machine "$CGROUP" \
		unshare --fork --kill-child --pid --mount --cgroup --uts --ipc --net --propagation private "$CASE_DIR/root.sh" "$TREE" "$MACHINE"
	wait_until 60 machine_is_up || stack_fail machine "systemd did not start"
	in_machine chown ife-bridge: /etc/if-escalate/ami-secret /etc/if-escalate/bridge-2026a.key
}

# machine_journal UNIT: the end of what it said, for a case that fails.
machine_journal() { in_machine journalctl -o cat -n 15 -u "$1" | cut -c 1-300 | sed 's/^/       /'; }

# stack_close has ended its process 1, and with it all others.
machine_stop() {
	local cgroups
	[ -n "$CGROUP" ] || return 0
	mapfile -t cgroups < <(find "$CGROUP" -depth -type d)
	wait_until 10 rmdir "${cgroups[@]}"
}

machine_init() { pgrep -P "$(proc_pid machine)"; }
# By its words: systemctl ignores commands, and ends with 0, while the machine's root is not yet in
# place and looks like a chroot.
machine_is_up() {
	[ "$(in_machine systemctl show -P ActiveState basic.target run-if\\x2descalate.mount | grep -cx active)" = 2 ]
}

in_machine() { nsenter -t "$(machine_init)" -m -u -i -n -p -C -r -w "$@"; }
# in_machine_net COMMAND...: with the files of the host and the machine's network.
in_machine_net() { nsenter -t "$(machine_init)" -n "$@"; }
# as_user USER COMMAND...
as_user() { in_machine setpriv --reuid "$1" --regid if-escalate --init-groups "${@:2}"; }

# state_of UNIT: result and state, as in "success active".
state_of() { in_machine systemctl show -P ActiveState -P Result "$1" | grep . | xargs; }
unit_is() { [ "$(in_machine systemctl show -P ActiveState "$1")" = "$2" ]; }
# started_again UNIT PID: it is active, and not as that process.
started_again() { unit_is "$1" active && [ "$(in_machine systemctl show -P MainPID "$1")" != "$2" ]; }
restarts() { in_machine systemctl show -P NRestarts "$1"; }
restarted_often() { [ "$(restarts "$1")" -ge "$2" ]; }
# last_exit UNIT: the exit code of the last process that systemd ran for it.
last_exit() { in_machine journalctl -o cat -u "$1" | sed -nE 's/.*(Main|Control) process exited, code=exited, status=([0-9]+).*/\2/p' | tail -n 1; }
