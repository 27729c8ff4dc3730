#!/bin/sh
# Verifies a witness log with the Python package aics-tlog: tests/python/run.sh LOG_DIR VKEY_FILE; without arguments it only installs.
#
# Installs the package into target/python on first use; PYTHON names the interpreter (default python3).
# aics-tlog declares Python 3.12 or later. It uses nothing that 3.11 (Debian 12) lacks, and tests/python/test.sh
# shows that there it accepts good logs and refuses damaged ones, so the declaration is not heeded.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
target=$(cd "$here/../.." && pwd)/target
venv=$target/python

[ $# -eq 2 ] || [ $# -eq 0 ] || { echo "usage: $0 [LOG_DIR VKEY_FILE]" >&2; exit 2; }

install() {
    rm -rf "$venv"
    "${PYTHON:-python3}" -m venv "$venv" >"$target/python.log" 2>&1 || {
        echo "$0: no virtual environment could be made (Debian: apt-get install python3-venv); see $target/python.log" >&2
        exit 2
    }
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --ignore-requires-python --no-deps \
        --requirement "$here/requirements.txt" >>"$target/python.log" 2>&1 || {
        echo "$0: pip could not install $here/requirements.txt; see $target/python.log" >&2
        exit 2
    }
    cp "$here/requirements.txt" "$venv/installed.txt"
}

mkdir -p "$target"
# Tests that run side by side must not install over each other.
exec 9>"$target/python.lock"
flock 9
cmp -s "$here/requirements.txt" "$venv/installed.txt" || install
exec 9>&-

[ $# -ne 0 ] || exit 0
exec "$venv/bin/python" "$here/verify_log.py" "$1" "$2"
