"""Turns the text of a design into code, and what goes wrong in it into one sentence with the design's own line.

Standard library only; loaded by path in the design's process, because even parsing is done there.
"""

from __future__ import annotations

import ast
import types

from sim.adapt.loading import without_addresses

ALLOWED_IMPORTS = (
    "bisect",
    "collections",
    "dataclasses",
    "functools",
    "heapq",
    "itertools",
    "math",
    "random",
    "statistics",
    "typing",
)
_CONTRACT = ("sim", "sim.api", "__future__")
_FILE = "<policy>"
_MAX_LINE = 160
_MAX_WORDS = 400


class DesignError(Exception):
    """A failure of the design: ``outcome`` is one of the evaluation's outcomes, the text one sentence."""

    def __init__(self, outcome: str, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


def lint(tree: ast.Module) -> None:
    """Holds a policy to the short list of imports: a rule for readability and determinism, not a boundary.

    Raises :class:`DesignError` (``interface``).
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "") if node.level == 0 else "." * node.level + (node.module or "")]
        else:
            continue
        for name in names:
            if name not in _CONTRACT and name.partition(".")[0] not in ALLOWED_IMPORTS:
                raise DesignError(
                    "interface",
                    f"Line {node.lineno} imports {name}; a policy may import sim.api, "
                    f"{', '.join(ALLOWED_IMPORTS)}, and nothing else.",
                )


def compile_source(source: bytes) -> types.CodeType:
    """The checked source as code; raises :class:`DesignError` (``syntax`` or ``interface``)."""
    try:
        tree = ast.parse(source.decode("utf-8"), _FILE)
        lint(tree)
        return compile(tree, _FILE, "exec", dont_inherit=True)
    except SyntaxError as error:
        text = (error.text or "").strip()[:_MAX_LINE]
        where = f"Line {error.lineno} can't be parsed" if error.lineno else "The file can't be parsed"
        raise DesignError("syntax", f"{where}: {error.msg}" + (f": {text}" if text else ".")) from error
    except UnicodeError as error:
        raise DesignError("syntax", "The file is not UTF-8 text.") from error
    except (RecursionError, MemoryError) as error:
        raise DesignError("syntax", "The file is nested too deeply to be parsed.") from error
    except ValueError as error:
        raise DesignError("syntax", f"The file can't be parsed: {error}.") from error


def describe(error: BaseException, source: bytes) -> DesignError:
    """What a design raised, in one sentence with the deepest of its own lines."""
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    lines = source.decode("utf-8", "replace").splitlines()
    text = lines[line - 1].strip()[:_MAX_LINE] if 0 < line <= len(lines) else ""
    where = f" at line {line}: {text}" if line else "."
    if isinstance(error, MemoryError):
        return DesignError("memory", f"The design ran out of memory{where}")
    try:
        words = " ".join(without_addresses(str(error)).split())[:_MAX_WORDS]
    except BaseException:
        words = ""
    name = type(error).__name__
    return DesignError("exception", f"The design raised {name}" + (f" ({words})" if words else "") + where)
