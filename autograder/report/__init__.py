"""What a result looks like: the HTML report and the terminal's scoreboard."""

from autograder.report.render import html, write

__all__ = ["html", "write"]
