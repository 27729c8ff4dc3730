#!/bin/sh
# Verifies a witness log with the Python package aics-tlog: tests/python/run.sh LOG_DIR VKEY_FILE;
# without arguments it only installs.
#
# The package goes into target/python on first use; PYTHON names the interpreter (default python3).
# aics-tlog declares Python 3.12 or later. It uses nothing that 3.11 (Debian 12) lacks, and
# tests/python/test.sh shows that there it accepts good logs and refuses damaged ones, so the
# declaration is not heeded.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../venv.sh"

[ $# -eq 2 ] || [ $# -eq 0 ] || { echo "usage: $0 [LOG_DIR VKEY_FILE]" >&2; exit 2; }
venv python "$here/requirements.txt" --ignore-requires-python
[ $# -ne 0 ] || exit 0
exec "$VENV/bin/python" "$here/verify_log.py" "$1" "$2"
