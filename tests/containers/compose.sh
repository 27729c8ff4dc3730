#!/bin/sh
# Runs podman-compose: tests/containers/compose.sh ARG ...; without arguments it only installs.
# PYTHON names the interpreter (default python3).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../venv.sh"

venv containers-python "$here/requirements.txt"
[ $# -gt 0 ] || exit 0
exec "$VENV/bin/podman-compose" "$@"
