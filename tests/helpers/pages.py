"""Pages of docs/, done as somebody would who reads them."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.environments import Environment

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it is the text of (or ""), and its text."""

    language: str
    file: str
    text: str


def blocks(page: str) -> list[Block]:
    return [Block(*fence.groups(default="")) for fence in FENCE.finditer((DOCS / page).read_text(encoding="utf-8"))]


class Reader:
    """Somebody who does what a page says, in an environment and a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        self.environment = Environment(folder / "environment")
        self.space: dict[str, Any] = {}
        self.printed = ""

    def do(self, block: Block) -> None:
        if block.file:
            (self.folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            with contextlib.chdir(self.folder):
                exec(compile(block.text, "page", "exec"), self.space)
        elif block.language == "sh":
            self.printed = self.environment.sh(block.text, self.folder)
        else:
            assert block.language == "text"
            assert block.text in self.printed
