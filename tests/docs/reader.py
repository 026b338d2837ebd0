"""Someone who does what a document says, block by block, in a fresh home.

What runs the paper's scenarios runs a variant of ``smoke`` instead, with fewer experiments. Where a terminal is needed
it is checked that the command says so.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.docs.blocks import ROOT, Block

NEEDS_TERMINAL = 2
PATIENCE_S = 120
_BUDGETS_END = """\
glia() {
  local code=0
  command glia "$@" || code=$?
  if [ "$1" = run ] && [ $code = 4 ]; then code=0; fi
  return $code
}
"""
"""A study that stops because its budget of experiments is used up has done what the document says."""
WORKSPACE = "workspace"
INSTALLS = re.compile(r"^python3 -m venv ")
LONG = re.compile(r"\b(run|simulate) paper-routing(?:-family)?\b")
"""What takes too long for a test."""
_MANY = re.compile(r"--max-experiments (?:[4-9]|\d\d+)\b")


class Reader:
    """Someone who does what a document says, in ``folder``. ``prepared``: gives the folder of one who did a command."""

    def __init__(self, folder: Path, prepared: Callable[[str], Path]) -> None:
        self.folder = folder
        self._prepared = prepared
        self.session = folder / "session"
        self.session.mkdir()
        self._environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "GLIA_WORKSPACE": str(folder / WORKSPACE),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
        }
        self._variant = folder / "variant.toml"
        self._variant.write_text(variant(), encoding="utf-8")

    def run(self, script: str) -> tuple[int, str]:
        """Exit code and output of ``script``, without a terminal."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", _BUDGETS_END + script],
            cwd=self.session,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE_S,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def expect(self, script: str, code: int, where: str) -> str:
        actual, output = self.run(script)
        assert actual == code, f"{where}: exit code {actual} instead of {code}\n{script}\n{output}"
        return output

    def follow(self, block: Block) -> None:
        """Does what one block says."""
        if block.kind == "python" and block.file:
            (self.session / block.file).write_text(block.content, encoding="utf-8")
        elif block.kind == "before":
            self._take_over(block.content)
        elif block.kind == "sh" and not block.mark.startswith("by hand") and not INSTALLS.match(block.content):
            self._commands(block)

    def _commands(self, block: Block) -> None:
        if block.mark.startswith("interactive"):
            said = self.expect(block.content, NEEDS_TERMINAL, block.where)
            assert said.startswith("glia: This needs a terminal."), f"{block.where}: {said}"
            _, _, stand_in = block.mark.partition("; stand-in: ")
            if stand_in:
                self._take_over(stand_in)
            return
        code = re.fullmatch(r"exit code (\d+)", block.mark)
        assert code or not block.mark, f"{block.where}: no such mark: {block.mark}"
        commands = LONG.sub(rf"\1 {self._variant}", block.content)
        if commands != block.content:
            commands = _MANY.sub("--max-experiments 2", commands)
        output = self.expect(commands, int(code[1]) if code else 0, block.where)
        for line in block.shows.splitlines():
            assert matches(line, output), f"{block.where}: doesn't print {line!r}:\n{output}"

    def _take_over(self, command: str) -> None:
        shutil.copytree(self._prepared(command) / WORKSPACE, self.folder / WORKSPACE)


def variant() -> str:
    """``smoke`` with other lengths, so that the designs made for it aren't those made for ``smoke``."""
    text = (ROOT / "sim" / "scenarios" / "smoke.toml").read_text("utf-8")
    old = "max_output_tokens = 128"
    assert old in text
    return text.replace(old, "max_output_tokens = 112")


def matches(shown: str, output: str) -> bool:
    """Whether some line of ``output`` is the one that is shown; ``…`` stands for anything, spaces for any number."""
    pattern = ".*".join(re.escape(_squeezed(part)) for part in shown.split("…"))
    return any(re.fullmatch(pattern, _squeezed(line.strip())) for line in output.splitlines())


def _squeezed(text: str) -> str:
    return re.sub(" +", " ", text)
