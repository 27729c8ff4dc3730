#!/bin/sh
# Runs the independent peer of the evidence protocol: tests/evidence/run.sh peer.py ARG ...; without arguments it only installs.
#
# `--in PID` before the script runs it in the network namespace of that process. aiortc and what it needs go into target/evidence-python on first use; PYTHON names the interpreter (default python3).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
target=$(cd "$here/../.." && pwd)/target
venv=$target/evidence-python

install() {
    rm -rf "$venv"
    "${PYTHON:-python3}" -m venv "$venv" >"$target/evidence-python.log" 2>&1 || {
        echo "$0: no virtual environment could be made (Debian: apt-get install python3-venv); see $target/evidence-python.log" >&2
        exit 2
    }
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
        --requirement "$here/requirements.txt" >>"$target/evidence-python.log" 2>&1 || {
        echo "$0: pip could not install $here/requirements.txt; see $target/evidence-python.log" >&2
        exit 2
    }
    cp "$here/requirements.txt" "$venv/installed.txt"
}

mkdir -p "$target"
# Tests that run side by side must not install over each other.
exec 9>"$target/evidence-python.lock"
flock 9
cmp -s "$here/requirements.txt" "$venv/installed.txt" || install
exec 9>&-

[ $# -gt 0 ] || exit 0
if [ "$1" = --in ]; then
    pid=$2
    shift 2
    script=$1
    shift
    exec nsenter -t "$pid" -n "$venv/bin/python" "$here/$script" "$@"
fi
script=$1
shift
exec "$venv/bin/python" "$here/$script" "$@"
