#!/usr/bin/env python3
"""The expert in the demo: opens the link, receives all files, saves the receipt, decides.

Prints a line for each file and one for the receipt; pictures go to the directory SHOTS.

usage: demo-evidence.py LINK RECEIPT_FILE SHOTS
"""

import json
import pathlib
import re
import signal
import sys

from webdriver import Browser, BrowserError, until

ESCAPE = "\ue00c"


def receive(page, shots):
    """Receives all files, waits for the receipt's proof, and prints the page's line for each."""
    page.all_shown("#files")
    page.picture(shots / "evidence-1-offered.png")
    page.click("#all-first")
    page.all_shown("#receipt[data-verdict]")
    page.has_text("#receipt-entry", "This page has checked that.")
    page.click("#proof summary")
    page.has_text("#checks .holds", "The witness log holds your receipt")
    page.picture(shots / "evidence-2-verified.png")
    rows = zip(*(page.texts(css) for css in (".file-name", ".file-meta", ".file .status")))
    for name, meta, status in rows:
        print(f"{name:14} {meta:26} {status.replace('✓ ', '').lower()}")


def keep_receipt(page, file):
    """Saves the receipt, and prints where it is in the witness log."""
    receipt = page.saved("#receipt-save", "*.json")
    file.write_bytes(receipt)
    hashes, head = json.loads(receipt)["proofs"]["receipt"]["proof"].split("\n\n")[:2]
    index = re.search(r"^index (\d+)$", hashes, re.M)[1]
    print(
        f"receipt        entry {index} of the witness log; {len(hashes.splitlines()) - 2} hashes"
        f" lead to its signed head of {head.splitlines()[1]} entries: checked in the page"
    )


def decide(page, choice, shots):
    page.click(f'#decision-choices label:has(input[value="{choice}"])')
    page.click("#decision-send")
    page.has_text("#decision-choice", choice)
    page.picture(shots / "evidence-0-decided.png")


def preview(page, shots):
    """A picture of each file that the page can show."""
    kinds = ", ".join(f"#preview-body {kind}" for kind in "img canvas pre article audio".split())
    for at, name in enumerate(page.texts(".file-name")):
        button = f'button[aria-label="Preview {name}"]'
        if not page.all(button):
            continue
        page.click(button)
        page.all_shown(kinds)
        slug = re.sub(r"\W+", "-", name)
        page.picture(shots / f"evidence-{3 + at}-{slug}.png", whole=False)
        page.press(ESCAPE)
        until("the preview is closed", lambda: not page.all("#preview"))


def main(link, receipt_file, shots):
    shots = pathlib.Path(shots)
    shots.mkdir(parents=True, exist_ok=True)
    # `timeout` ends this program by SIGTERM: the browser ends with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    page = Browser()
    try:
        page.open(link)
        receive(page, shots)
        keep_receipt(page, pathlib.Path(receipt_file))
        decide(page, "leave it", shots)
        preview(page, shots)
    finally:
        page.close()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BrowserError as error:
        sys.exit(f"error: the expert's page: {error}")
