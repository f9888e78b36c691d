"""Which submissions share the structure of their kernels: pairs for a person to look at, never a score.

Every task's code becomes a stream of tokens without names (`autograder.syntax`), cut into overlapping pieces;
of each window of pieces one is kept (winnowing), so that a shared stretch of a certain length is always
found and most pieces are never stored. What the lab gave out is discounted, and so is what many of the class
have: an obvious loop is nobody's own.

Source of winnowing: Schleimer, Wilkerson, Aiken, "Winnowing: local algorithms for document fingerprinting",
SIGMOD 2003.
"""

from __future__ import annotations

import ast
import zlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from autograder import syntax
from autograder.program import program
from autograder.submission import Cell

PIECE = 14
"""Tokens in a piece: about one statement of a kernel. Shorter ones are shared by chance."""
WINDOW = 8
"""Of this many pieces one is kept; a shared stretch of PIECE + WINDOW - 1 tokens is always found."""
MIN_PIECES = 12
"""Kept pieces that a pair has to share, after all discounts: about five lines of a kernel."""
COMMON_SHARE = 0.2
"""What more than this share of the class has, and at least COMMON_COUNT of it, is common knowledge."""
COMMON_COUNT = 6
MIN_SHARE = 0.5
"""Of the smaller one's pieces. Right kernels of different authors share up to 0.43: the loops of a convolution."""
MIN_SHARE_KNOWN = 0.7
"""With a solution of ours, where what many have in common counts: a leaked solution is what many have."""


@dataclass(frozen=True)
class Document:
    """One submission's code for one task.

    Attributes:
        owner: The student, or what the code is from.
        task: The task's id.
        source: Its cells, those that other cells lend it included.
        pieces: Hash of each kept piece -> the lines that it covers.
        known: Whether it is no submission but ours: a solution, which is paired with nobody but submissions.
    """

    owner: str
    task: str
    source: str
    pieces: Mapping[int, tuple[int, int]]
    known: bool = False


@dataclass(frozen=True)
class Pair:
    """Two documents that share structure.

    Attributes:
        left: One of them.
        right: The other.
        share: Shared pieces over those of the smaller document, 0 to 1.
        shared: How many pieces.
        left_lines: Lines of `left.source` that are shared.
        right_lines: Of `right.source`.
    """

    left: Document
    right: Document
    share: float
    shared: int
    left_lines: frozenset[int]
    right_lines: frozenset[int]


def document(owner: str, task: str, cells: Sequence[Cell], known: bool = False) -> Document | None:
    """Returns a task's code of one notebook without its imports, or None if it has none that is Python."""
    found = program(cells, task)
    source = "\n".join(line for _, text in found.cells for line in _without_imports(text) if line.strip())
    pieces = fingerprint(source)
    return Document(owner, task, source, pieces, known) if pieces else None


def _without_imports(text: str) -> list[str]:
    tree = syntax.parse(text)
    lines = text.splitlines()
    for node in tree.body if tree else ():
        if isinstance(node, ast.Import | ast.ImportFrom):
            lines[node.lineno - 1 : node.end_lineno] = [""] * ((node.end_lineno or node.lineno) - node.lineno + 1)
    return lines


def fingerprint(source: str, whole: bool = False) -> dict[int, tuple[int, int]]:
    """Returns the kept pieces of a text, each with the first and the last line that it covers.

    Args:
        source: Python; anything else has no pieces.
        whole: Keep every piece; for what is to be discounted.
    """
    tree = syntax.parse(source)
    stream = syntax.tokens(tree) if tree else []
    hashes = [
        zlib.crc32(" ".join(token.text for token in stream[start : start + PIECE]).encode())
        for start in range(len(stream) - PIECE + 1)
    ]
    kept: dict[int, tuple[int, int]] = {}
    for start in range(max(len(hashes) - (0 if whole else WINDOW - 1), 1) if hashes else 0):
        window = hashes[start : start + (1 if whole else WINDOW)]
        # The rightmost of the least: neighbouring windows then mostly keep the same one.
        place = start + max(i for i, value in enumerate(window) if value == min(window))
        kept.setdefault(hashes[place], (stream[place].line, stream[place + PIECE - 1].line))
    return kept


def pairs(documents: Iterable[Document], given: Iterable[str] = ()) -> list[Pair]:
    """Returns the pairs that share structure, the closest first.

    Args:
        documents: Of one lab, any tasks; two are compared if they answer the same task.
        given: Sources that everybody has: the lab's released cells.
    """
    discounted = {piece for source in given for piece in fingerprint(source, whole=True)}
    by_task: dict[str, list[Document]] = defaultdict(list)
    for one in documents:
        by_task[one.task].append(one)
    found = [pair for chosen in by_task.values() for pair in _pairs_of_task(chosen, discounted)]
    return sorted(found, key=lambda pair: (-pair.share, -pair.shared, pair.left.owner, pair.right.owner))


def _pairs_of_task(documents: Sequence[Document], discounted: set[int]) -> list[Pair]:
    owners: dict[int, list[int]] = defaultdict(list)
    for index, one in enumerate(documents):
        for piece in one.pieces.keys() - discounted:
            owners[piece].append(index)
    class_size = sum(not one.known for one in documents)
    most = max(COMMON_COUNT - 1, int(COMMON_SHARE * class_size))
    own = Counter(index for piece in owners.values() if len(piece) <= most for index in piece)
    shared: dict[tuple[int, int], list[int]] = defaultdict(list)
    for piece, having in owners.items():
        if 1 < len(having) <= most:
            for pair in combinations(having, 2):
                shared[pair].append(piece)
    found = [
        _pair(documents[a], documents[b], pieces, min(own[a], own[b]))
        for (a, b), pieces in shared.items()
        if len(pieces) >= max(MIN_PIECES, MIN_SHARE * min(own[a], own[b]))
        and not (documents[a].known or documents[b].known)
    ]
    for ours in (one for one in documents if one.known):
        for theirs in (one for one in documents if not one.known):
            mine, other = (one.pieces.keys() - discounted for one in (ours, theirs))
            if len(mine & other) >= max(MIN_PIECES, MIN_SHARE_KNOWN * min(len(mine), len(other))):
                found.append(_pair(theirs, ours, mine & other, min(len(mine), len(other))))
    return found


def _pair(left: Document, right: Document, pieces: Collection[int], of: int) -> Pair:
    return Pair(left, right, len(pieces) / of, len(pieces), _lines(left, pieces), _lines(right, pieces))


def _lines(one: Document, pieces: Iterable[int]) -> frozenset[int]:
    return frozenset(line for piece in pieces for line in _span(*one.pieces[piece]))


def _span(first: int, last: int) -> range:
    return range(min(first, last), max(first, last) + 1)
