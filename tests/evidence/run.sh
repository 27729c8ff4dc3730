#!/bin/sh
# Runs the independent peer of the evidence protocol: tests/evidence/run.sh peer.py ARG ...; without
# arguments it only installs.
#
# `--in PID` before the script runs it in the network namespace of that process. aiortc and what it
# needs go into target/evidence-python on first use; PYTHON names the interpreter (default python3).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../venv.sh"

venv evidence-python "$here/requirements.txt"
[ $# -gt 0 ] || exit 0
if [ "$1" = --in ]; then
	pid=$2
	shift 2
	script=$1
	shift
	exec nsenter -t "$pid" -n "$VENV/bin/python" "$here/$script" "$@"
fi
script=$1
shift
exec "$VENV/bin/python" "$here/$script" "$@"
