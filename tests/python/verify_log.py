"""Verifies a witness log by aics-tlog and Python's own JSON, without any of this project's code.

    python verify_log.py LOG_DIR VKEY_FILE

Checks the checkpoint's signatures (the log's and every cosigner's), every tile and every entry
bundle up to the signed
root, inclusion and consistency proofs at the borders of tiles, that every entry is canonical JSON,
and that no producer
used a sequence number twice. Prints one line; exit code 1 if anything is wrong, 2 for wrong use.
"""

import json
import sys
from pathlib import Path

from aics_tlog import (
    FileSystemTileReader,
    VerifiedTileReader,
    audit_tiles,
    consistency_proof_from_tiles,
    inclusion_proof_from_tiles,
    parse_note,
    parse_vkey,
    tree_root_from_tiles,
    verify_checkpoint,
    verify_consistency,
    verify_leaf_inclusion,
)

LOG_KEY, COSIGNER_KEY = 0x01, 0x04


class Wrong(Exception):
    """The log is invalid."""


def read_keys(path):
    lines = [line.strip() for line in path.read_text().splitlines()]
    keys = [parse_vkey(line) for line in lines if line and not line.startswith("#")]
    logs = [key for key in keys if key.key_type == LOG_KEY]
    if len(logs) != 1:
        raise Wrong(f"{path}: {len(logs)} log keys where one belongs")
    return logs[0], [key for key in keys if key.key_type == COSIGNER_KEY]


def open_checkpoint(log, vkey_file):
    log_key, cosigners = read_keys(vkey_file)
    note = parse_note((log / "checkpoint").read_bytes())
    result = verify_checkpoint(
        note, log_key, cosigners, len(cosigners), expected_origin=log_key.name
    )
    if not result.ok:
        raise Wrong(f"checkpoint: {result.error}")
    return result


def samples(size):
    """Both ends, both sides of tile borders, and some between."""
    near = {0, 1, 255, 256, 257, 511, 512, 65535, 65536, size - 1, size - 2}
    return sorted(i for i in near | {size * k // 7 for k in range(7)} if 0 <= i < size)


def check_proofs(tiles, size, root):
    for index in samples(size):
        proof = inclusion_proof_from_tiles(tiles, index, size)
        if not verify_leaf_inclusion(tiles.entry(index), index, size, proof, root):
            raise Wrong(f"entry {index}: the inclusion proof does not verify")
    for old in samples(size):
        proof = consistency_proof_from_tiles(tiles, old, size)
        old_root = tree_root_from_tiles(tiles, old, size)
        if not verify_consistency(old, size, old_root, root, proof):
            raise Wrong(f"the consistency proof from size {old} does not verify")


def check_entries(tiles, size):
    seen = set()
    for index in range(size):
        raw = tiles.entry(index)
        entry = json.loads(raw)
        # For objects with ASCII names and integers only, this is RFC 8785.
        canonical = json.dumps(
            entry, sort_keys=True, ensure_ascii=False, separators=(",", ":")
        ).encode()
        if canonical != raw:
            raise Wrong(f"entry {index}: not canonical JSON")
        number = (entry["producer"], entry["epoch"], entry["seq"])
        if number in seen:
            raise Wrong(f"entry {index}: {number} was there before")
        seen.add(number)


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    log = Path(arguments[0])
    try:
        head = open_checkpoint(log, Path(arguments[1]))
        reader = FileSystemTileReader(log)
        report = audit_tiles(reader, head.size, head.root)
        tiles = VerifiedTileReader(reader, head.size, head.root)
        check_proofs(tiles, head.size, head.root)
        check_entries(tiles, head.size)
    except (Wrong, ValueError, OSError, KeyError) as error:
        print(f"{log}: {error}", file=sys.stderr)
        return 1
    signers = 1 + head.cosignature_count
    print(
        f"{head.size} entries, root {head.root.hex()}, {signers} signatures, {report.tiles} "
        "tiles: good by aics-tlog"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
