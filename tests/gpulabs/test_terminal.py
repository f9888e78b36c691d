"""Errors become one line and an exit code; what students wrote can't repaint the terminal."""

import errno
import io
import json

import pytest
import typer

from autograder.result import ItemScore, Result, Status
from gpulabs import terminal
from gpulabs.errors import GraderError, MissingDataError, SubmissionError
from gpulabs.exit_codes import ExitCode


def run(command, *arguments, capsys):
    app = terminal.new_app("A test.")
    app.command()(command)
    app.command("other")(lambda: None)
    with pytest.raises(SystemExit) as end:
        terminal.run_cli(app, "tool", list(arguments))
    captured = capsys.readouterr()
    return end.value.code, captured.out, captured.err


def raising(error):
    def work():
        """Work."""
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SubmissionError("a.ipynb: not JSON"), ExitCode.BAD_INPUT),
        (MissingDataError("cifar10: fetch it"), ExitCode.MISSING),
        (GraderError("the worker died"), ExitCode.GRADER_FAILED),
        (terminal.Interrupted("12 MB are kept"), ExitCode.INTERRUPTED),
    ],
)
def test_own_errors(error, code, capsys):
    assert run(raising(error), "work", capsys=capsys) == (code, "", f"tool: {error}\n")


def test_a_message_of_many_lines_becomes_one(capsys):
    assert run(raising(SubmissionError("a\n\tb\x1b[2Kc")), "work", capsys=capsys)[2] == "tool: a b?[2Kc\n"


def test_ctrl_c_is_one_sentence(capsys):
    code, out, err = run(raising(KeyboardInterrupt()), "work", capsys=capsys)
    assert (code, out) == (130, "")
    assert err.strip().startswith("tool: stopped by Ctrl-C")
    assert err.strip().count("\n") == 0


@pytest.mark.parametrize(
    ("number", "says"), [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "no permission"), (errno.ENOENT, "no such")]
)
def test_errors_of_the_file_system(number, says, capsys):
    code, _, err = run(raising(OSError(number, "x", "/some/file")), "work", capsys=capsys)
    assert code == ExitCode.BAD_INPUT
    assert err.startswith("tool: /some/file: ")
    assert says in err


def test_a_bug_is_the_graders_failure_and_no_traceback(capsys, monkeypatch):
    monkeypatch.delenv("GPULABS_TRACEBACK", raising=False)
    code, _, err = run(raising(KeyError("x")), "work", capsys=capsys)
    assert code == ExitCode.GRADER_FAILED
    assert "KeyError" in err
    assert err.count("\n") == 1


def test_a_bug_shows_its_place_on_demand(capsys, monkeypatch):
    monkeypatch.setenv("GPULABS_TRACEBACK", "1")
    app = terminal.new_app("A test.")
    app.command()(raising(KeyError("x")))
    with pytest.raises(KeyError):
        terminal.run_cli(app, "tool", [])


def test_codes_that_commands_return(capsys):
    assert run(lambda: 1, "work", capsys=capsys)[0] == ExitCode.USAGE  # a lambda has no name "work"

    def work():
        return ExitCode.FAILED

    assert run(work, "work", capsys=capsys)[0] == ExitCode.FAILED


def test_usage_errors_are_one_line(capsys):
    def work(count: int):
        pass

    code, _, err = run(work, "work", "many", capsys=capsys)
    assert code == ExitCode.USAGE
    assert err.startswith("tool: ")
    assert err.count("\n") == 1
    assert "`tool --help`" in err


def test_no_command_shows_the_help(capsys):
    code, out, err = run(lambda: None, capsys=capsys)
    assert code == ExitCode.USAGE
    assert "Usage: tool" in out
    assert err == ""


def test_plain_removes_what_a_terminal_would_obey():
    assert terminal.plain("a\x1b[31mb\rc\x07d\u202ee\u200bf\n\tg") == "a?[31mb?c?d?e?f\n\tg"
    assert terminal.plain("x" * 50, limit=10) == "x" * 7 + "..."


def test_json_carries_a_schema_version(capsys):
    terminal.print_json({"schema_version": 1, "name": "grün"})
    assert json.loads(capsys.readouterr().out) == {"schema_version": 1, "name": "grün"}
    with pytest.raises(ValueError, match="schema_version"):
        terminal.print_json({"name": "x"})


def test_progress_is_silent_off_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(terminal, "console", None)  # nothing is even prepared
    with terminal.progress("begin") as report:
        report("plan", "conv_first")
    assert capsys.readouterr() == ("", "")


def test_progress_paints_on_a_terminal_and_cleans_details(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with terminal.progress("begin") as report:
        report("plan", "conv\x1b]0;owned\x07")
    assert "\x1b]0;" not in stream.getvalue()


def item(status, points=0.0, reason="why", **more):
    return ItemScore("conv_first", "exact", "exact on integers", points, 12.0, status, reason, **more)


def result(*items):
    return Result("lab1_conv_kernel", "ann", "a.ipynb", "0" * 64, items)


@pytest.mark.parametrize(
    ("items", "code", "says"),
    [
        ([item(Status.EARNED, 12.0)], ExitCode.OK, "12 of 12 points"),
        ([item(Status.EARNED, 12.0), item(Status.PENDING)], ExitCode.OK, "12 of 24 points; 12 pending"),
        ([item(Status.LOST)], ExitCode.FAILED, "0 of 12 points"),
        ([item(Status.LOST), item(Status.WITHHELD)], ExitCode.GRADER_FAILED, "12 withheld"),
    ],
)
def test_verdict_and_exit_code(items, code, says):
    assert terminal.exit_code(result(*items)) == code
    assert says in terminal.verdict(result(*items))


def test_item_table(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "150")
    lost = item(Status.LOST, reason="[bold]3 of 9\x1b[2J wrong", cell="conv_first", line=4)
    terminal.print_items([item(Status.EARNED, 12.0), lost])
    out = capsys.readouterr().out
    assert "12 / 12" in out
    assert "[bold]3 of 9?[2J wrong (line 4)" in out
    assert "\x1b" not in out
    assert out.count("conv_first") == 2  # once in the table, once where the reason is
    assert "conv_first, exact on integers: lost\n" in out


def test_items_that_share_a_reason_are_told_together(capsys):
    terminal.print_items([item(Status.PENDING, reason="needs a GPU")] * 2)
    assert capsys.readouterr().out.endswith("conv_first, all items: pending\n  needs a GPU\n")


def test_items_that_share_a_reason_are_named_where_others_of_the_task_dont(capsys):
    terminal.print_items([item(Status.EARNED, 12.0), *[item(Status.PENDING, reason="needs a GPU")] * 2])
    assert "conv_first, exact on integers; exact on integers: pending\n" in capsys.readouterr().out


def test_a_place_in_another_cell_is_named():
    assert terminal._place(item(Status.LOST, cell="helpers", line=2)) == " (cell helpers, line 2)"
    assert terminal._place(item(Status.LOST, cell="conv_first")) == ""
    assert terminal._place(item(Status.LOST, cell="conv_first", line=4, reason="outside (cell a, line 4): x")) == ""


def test_aborts_of_typer_count_as_ctrl_c(capsys):
    assert run(raising(typer.Abort()), "work", capsys=capsys)[0] == ExitCode.INTERRUPTED
