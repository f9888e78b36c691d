"""What a tier is, apart from how one is found."""

from __future__ import annotations

from dataclasses import dataclass

STRONG, MEDIUM, NONE, AUTO = "strong", "medium", "none", "auto"
NAMES = (STRONG, MEDIUM, NONE)


@dataclass(frozen=True)
class Tier:
    """An isolation tier.

    Attributes:
        name: `strong`, `medium` or `none`.
        description: What it consists of here, and what this machine would not give, in one line for reports.
        spaces: Whether the medium tier has namespaces.
    """

    name: str
    description: str
    spaces: bool = False
