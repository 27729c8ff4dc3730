#!/usr/bin/env python3
"""Prints the module's README, made from if_escalate.xml as Kamailio makes those of its modules.

usage: kamailio-module/doc/readme.py > kamailio-module/README
SPDX-License-Identifier: GPL-2.0-or-later
"""
import pathlib
import textwrap
import xml.etree.ElementTree as ElementTree

HERE = pathlib.Path(__file__).parent
RULE = "     " + "_" * 66


def text_of(element):
    """The words of an element, with its variables and functions as they are."""
    return " ".join("".join(element.itertext()).split())


def wrapped(text, first="   "):
    return textwrap.fill(text, 72, initial_indent=first, subsequent_indent=" " * len(first),
                         break_long_words=False, break_on_hyphens=False)


class Readme:
    def __init__(self):
        self.contents, self.examples, self.body, self.chapters = [], [], [], 0

    def chapter(self, chapter):
        self.chapters += 1
        title = f"Chapter {self.chapters}. {text_of(chapter.find('title'))}"
        self.contents.append(wrapped(f"{self.chapters}. {text_of(chapter.find('title'))}"))
        self.body += [title, ""]
        self.sections(chapter, "")

    def sections(self, parent, above):
        for number, section in enumerate(parent.findall("section"), start=1):
            place = f"{above}{number}."
            title = f"{place} {text_of(section.find('title'))}"
            self.contents.append(wrapped(title, "   " + " " * 5 * place.count(".")))
            self.body += [
                textwrap.fill(title, 72, subsequent_indent="   ", break_on_hyphens=False),
                "",
            ]
            for element in section:
                self.element(element)
            self.sections(section, place)

    def element(self, element):
        if element.tag == "para":
            self.body += [wrapped(text_of(element)), ""]
        elif element.tag == "itemizedlist":
            self.body += [wrapped(text_of(item), "     * ") for item in element] + [""]
        elif element.tag == "example":
            number = f"{self.chapters}.{len(self.examples) + 1}."
            title = f"{number} {text_of(element.find('title'))}"
            self.examples.append(wrapped(title))
            code = next(part for part in element if part.tag != "title").text.strip("\n")
            self.body += [wrapped(f"Example {title}"), code, ""]


def main():
    book = ElementTree.parse(HERE / "if_escalate.xml").getroot()
    readme = Readme()
    for include in book.iter("{http://www.w3.org/2001/XInclude}include"):
        readme.chapter(ElementTree.parse(HERE / include.get("href")).getroot())
    head = [
        text_of(book.find("bookinfo/title")),
        RULE,
        "",
        "   Table of Contents",
        "",
        *readme.contents,
        "",
    ]
    print(
        "\n".join([*head, "   List of Examples", "", *readme.examples, "", *readme.body]).rstrip()
    )


main()
