"""An answer before it has a form: what Slack shows as blocks and Matrix as text says the same."""

from __future__ import annotations

from dataclasses import dataclass, field

MARK = {"measured": "●", "calibrated": "◐", "roofline": "○"}
LEGEND = "● measured  ◐ neighbours measured  ○ physics alone"


@dataclass(frozen=True)
class Reply:
    """A title, lines of an answer, the command that runs it, what was turned down and why, and what was not understood."""

    title: str
    lines: tuple[str, ...] = ()
    launch: str | None = None
    rejected: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def text(self) -> str:
        """The whole reply as plain text."""
        parts = [self.title, *self.lines]
        if self.launch:
            parts += ["", self.launch]
        if self.rejected:
            parts += ["", *(f"not {line}" for line in self.rejected)]
        if self.notes:
            parts += ["", *self.notes]
        return "\n".join(parts)
