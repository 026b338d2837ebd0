"""An accepted design as one Python file that runs anywhere and says where it comes from.

Invariant: the header is comments only, whatever stands in the commit: each value is put on one line, and the first
two lines, in which Python looks for the encoding of a file, hold nothing that a person or a model wrote.
"""

from __future__ import annotations

from sessions.designs.model import DesignCommit, one_line
from sessions.errors import WorkspaceError

_SHOWN = (
    "Session",
    "Experiment",
    "Hypothesis",
    "Scenario",
    "Metric",
    "Baseline",
    "Held-out",
    "Parent-Design",
    "Simulator",
    "Isolation",
    "Approved-by",
)


def standalone(design: DesignCommit) -> str:
    """The policy's source under a header with its provenance. ``design``: as ``DesignRepository.show`` gives it.

    Raises :class:`WorkspaceError` when the commit holds no policy.
    """
    source = design.files.get("policy.py")
    if source is None:
        raise WorkspaceError(f"The commit {design.commit[:10]} holds no policy that can be read; choose another one.")
    facts = [
        ("Commit", design.commit),
        ("Tag", design.tag or "none"),
        ("Accepted", design.accepted),
        ("Author", f"{design.author_name} <{design.author_email}>"),
        ("Accepted-by", f"{design.approver_name} <{design.approver_email}>"),
        *((key, value) for key in _SHOWN if (value := design.trailer(key))),
    ]
    header = [
        f"# {design.slot} {design.design}: a design that was accepted in Glia.",
        "#",
        f"# {one_line(design.subject)}",
        "#",
        *(f"# {key}: {one_line(value)}" for key, value in facts),
    ]
    return "\n".join(header) + "\n\n" + source.removeprefix("\ufeff").rstrip("\n") + "\n"
