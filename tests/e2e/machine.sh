# Sourced by tests that need a machine with systemd as its process 1. MACHINE is its directory, in
# which its root is mounted. Needs root.
# shellcheck shell=bash

MACHINE=$WORK/machine
CGROUP=

# machine_boot SCRIPT [ARG ...]: a machine in namespaces of its own, and in a cgroup of its own:
# systemd takes the whole hierarchy that it sees. The script lays out its root and becomes systemd
# (machine-root.sh helps it).
machine_boot() {
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
		unshare --fork --kill-child --pid --mount --cgroup --uts --ipc --net --propagation private "$@"
	wait_until 60 machine_is_up || stack_fail machine "systemd did not start"
}

# machine_journal UNIT: the end of its output, for a case that fails.
machine_journal() {
	in_machine journalctl -o cat -n 15 -u "$1" | cut -c 1-300 | sed 's/^/       /'
}

# stack_close has ended its process 1, and with it all others.
machine_stop() {
	local cgroups
	[ -n "$CGROUP" ] || return 0
	mapfile -t cgroups < <(find "$CGROUP" -depth -type d)
	wait_until 10 rmdir "${cgroups[@]}"
	CGROUP=
}

machine_init() { pgrep -P "$(proc_pid machine)"; }
# By its words: systemctl ignores commands, and ends with 0, while the machine's root is not yet in
# place and looks like a chroot.
machine_is_up() { unit_is basic.target active; }

# in_machine COMMAND...: ends it after five minutes.
in_machine() { timeout -k 10 300 nsenter -t "$(machine_init)" -m -u -i -n -p -C -r -w "$@"; }
# in_machine_net COMMAND...: with the files of the host and the machine's network.
in_machine_net() { nsenter -t "$(machine_init)" -n "$@"; }
# as_user USER COMMAND...
as_user() { in_machine setpriv --reuid "$1" --regid if-escalate --init-groups "${@:2}"; }

# state_of UNIT: result and state, as in "success active".
state_of() { in_machine systemctl show -P ActiveState -P Result "$1" | grep . | xargs; }
unit_is() { [ "$(in_machine systemctl show -P ActiveState "$1")" = "$2" ]; }
# started_again UNIT PID: it is active, and not as that process.
started_again() {
	unit_is "$1" active && [ "$(in_machine systemctl show -P MainPID "$1")" != "$2" ]
}
restarts() { in_machine systemctl show -P NRestarts "$1"; }
restarted_often() { [ "$(restarts "$1")" -ge "$2" ]; }
# last_exit UNIT: the exit code of the last process that systemd ran for it.
last_exit() {
	in_machine journalctl -o cat -u "$1" |
		sed -nE 's/.*(Main|Control) process exited, code=exited, status=([0-9]+).*/\2/p' | tail -n 1
}
