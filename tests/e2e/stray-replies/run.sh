#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../scenes.sh"

registry_edit() { sed "/id: $SAFETY/,/quota:/s|sources: .*|sources: [$EXPERT_IP, $SPARE_IP]|"; }
NO_EXPERT=1 start
play
expect_alive
