# Starts processes and stops only these. Sourced; needs $STACK, the deployment's directory.
# shellcheck shell=bash

# A pid may be reused; with the start time (field 22 of /proc/PID/stat) it is unique.
proc_identity() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	stat=${stat##*) }
	# shellcheck disable=SC2086
	set -- $stat
	[ "$1" != Z ] && printf '%s\n' "${20}"
}

# proc_start NAME COMMAND...: starts a session; output in log/NAME.log, identity in run/NAME.pid.
proc_start() {
	local name=$1 pid
	shift
	mkdir -p "$STACK/run" "$STACK/log"
	setsid "$@" >>"$STACK/log/$name.log" 2>&1 </dev/null 8>&- &
	pid=$!
	disown "$pid"
	printf '%s %s\n' "$pid" "$(proc_identity "$pid")" >"$STACK/run/$name.pid"
}

proc_pid() {
	local pid started
	read -r pid started <"$STACK/run/$1.pid" 2>/dev/null || return 1
	[ -n "$started" ] && [ "$(proc_identity "$pid")" = "$started" ] && printf '%s\n' "$pid"
}

proc_alive() { proc_pid "$1" >/dev/null 2>&1; }
proc_gone() { ! proc_alive "$1"; }

# proc_stop NAME [SECONDS]: TERM, then KILL for the whole session if it has not ended.
proc_stop() {
	local name=$1 pid
	pid=$(proc_pid "$name") || {
		rm -f "$STACK/run/$name.pid"
		return 0
	}
	kill -TERM "$pid" 2>/dev/null
	wait_until "${2:-10}" proc_gone "$name" || proc_kill "$name"
	rm -f "$STACK/run/$name.pid"
}

# proc_kill NAME: KILL for the process and all of its children at once, like a crash.
proc_kill() {
	local pid
	pid=$(proc_pid "$1") || return 0
	kill -KILL -- "-$pid" 2>/dev/null
	wait_until 5 session_gone "$pid"
	rm -f "$STACK/run/$1.pid"
}

# session_gone SID: only zombies are left, so no child holds a port. A zombie with a thread that
# waits for the disk (Zl) still holds its locks.
session_gone() {
	! ps -e -o sid= -o stat= |
		awk -v sid="$1" '$1 == sid && ($2 !~ /^Z/ || $2 ~ /l/) { found = 1 } END { exit !found }'
}

# Stops the last started process first.
proc_stop_all() {
	local file
	while read -r file; do
		proc_stop "${file%.pid}"
	done < <(cd "$STACK/run" 2>/dev/null &&
		find . -name '*.pid' -printf '%T@ %f\n' | sort -rn | cut -d ' ' -f 2)
}

# wait_until SECONDS COMMAND...: polls every 50 ms.
wait_until() {
	local deadline=$((SECONDS + $1 + 1))
	shift
	until "$@" 2>/dev/null >&2; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.05
	done
}
