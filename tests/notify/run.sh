#!/bin/sh
# Runs the receivers of notifications, which check signatures by the reference library of Standard
# Webhooks: tests/notify/run.sh receivers.py ARG ...; without arguments it only installs. PYTHON
# names the interpreter (default python3).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../venv.sh"

venv notify-python "$here/requirements.txt"
[ $# -gt 0 ] || exit 0
script=$1
shift
exec "$VENV/bin/python" "$here/$script" "$@"
