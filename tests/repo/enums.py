"""The crates' own enums are asked by an exhaustive `match`."""

import functools
import re

from tree import name_of, text_of, tracked

# An enum of ours is asked by an exhaustive `match`: a variant that is added later must be decided
# on wherever the enum is
# asked, and `matches!`, `if let` and `while let` without a binding pass it over in silence.
#
# Variants that are asked alone, with no regard to others, by crate.
ASKED_ALONE = {
    "ife-ami": {
        "Output::Event": "the queue's bound counts events and nothing else",
        "Action::Originate": "the one action that Asterisk answers before it is done",
    },
    "ife-cli": {
        "Problem::Read": "a checkpoint that cannot be read at all is no answer about the log",
    },
    "ife-engine": {
        "Output::Snapshot": "what follows from a snapshot is a comparison, from anything else an "
        "event",
        "Outcome::Error": "a refusal in Asterisk's words; any other outcome proves nothing",
        "FailReason::Expert": "only the expert's own phone answers with a SIP status to count",
    },
}
OWN_ENUM = re.compile(r"^\s*(?:pub(?:\([a-z ]+\))? )?enum ([A-Z]\w*)", re.M)
QUESTION = re.compile(r"\bmatches!\(|\b(?:if|while) let (?=[A-Z])")
VARIANT = re.compile(r"\b([A-Z]\w*)::([A-Z]\w*)")
BINDS_NOTHING = re.compile(r"(?:[\w:]+(?:\(_\)|\(\.\.\)|\s*\{\s*\.\.\s*\})?[\s|]*)+")


@functools.cache
def shipped_code(path):
    """The text of a Rust file without comments and without the tests at its end."""
    text = re.split(r"#\[cfg\(test\)\]\n\s*mod ", text_of(path))[0]
    return re.sub(r"//[^\n]*", lambda comment: " " * len(comment[0]), text)


def inside(text, start):
    """What stands between the bracket that ends before `start` and its partner."""
    depth, at = 1, start
    while depth and at < len(text):
        depth += (text[at] in "([{") - (text[at] in ")]}")
        at += 1
    return text[start : at - 1]


def pattern_asked(code, question):
    """The pattern of a `matches!`, or that of an `if let` that binds nothing."""
    if question[0] == "matches!(":
        return inside(code, question.end())
    pattern = code[question.end() : code.find(" = ", question.end())]
    return pattern if BINDS_NOTHING.fullmatch(pattern) else ""


def check_own_enums_are_matched():
    sources = [
        p for p in tracked() if re.fullmatch(r"crates/[^/]+/src/(?!.*tests).*\.rs", name_of(p))
    ]
    own = {enum for path in sources for enum in OWN_ENUM.findall(shipped_code(path))} | {"Self"}
    asked_alone = set()
    for path in sources:
        code, crate = shipped_code(path), name_of(path).split("/")[1]
        aliases = {new: old for old, new in re.findall(r"\b([A-Z]\w*) as ([A-Z]\w*)", code)}
        for question in QUESTION.finditer(code):
            for enum, variant in VARIANT.findall(pattern_asked(code, question)):
                if aliases.get(enum, enum) not in own:
                    continue
                if f"{enum}::{variant}" in ASKED_ALONE.get(crate, {}):
                    asked_alone.add((crate, f"{enum}::{variant}"))
                    continue
                line = code.count("\n", 0, question.start()) + 1
                yield f"{name_of(path)}:{line}: asks {enum}::{variant} without an exhaustive match"
    for crate, variants in ASKED_ALONE.items():
        for variant in variants:
            if (crate, variant) not in asked_alone:
                yield f"ASKED_ALONE: {crate} does not ask {variant} alone any more"
