"""The `gpulabs` command: options and help; `gpulabs.commands` does the work and is imported when needed."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gpulabs import terminal
from gpulabs.exit_codes import ExitCode

app = terminal.new_app("GPU labs: get a lab, check your work the way it will be graded, hand it in.")
bench_app = terminal.new_app("Measure kernels on this machine's GPU.")
data_app = terminal.new_app("List, fetch and find the data sets of the labs.")


class Device(StrEnum):
    """Where kernels run."""

    AUTO = "auto"
    GPU = "gpu"
    SIMULATOR = "simulator"


class MemoryDevice(StrEnum):
    """What memory is predicted for."""

    AUTO = "auto"
    GPU = "gpu"
    CPU = "cpu"


class TrainingSet(StrEnum):
    """What `gpulabs train` trains on."""

    CIFAR10 = "cifar10"
    DIGITS = "digits"


class Precision(StrEnum):
    """What a network computes in; its weights are float32 in all."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class Padding(StrEnum):
    """How borders are padded."""

    SAME = "same"
    VALID = "valid"


LabName = Annotated[str, typer.Argument(metavar="LAB", help="The lab, e.g. lab1.", show_default=False)]
SetName = Annotated[str, typer.Argument(metavar="SET", help="The data set, e.g. cifar10.", show_default=False)]
NotebookFile = Annotated[
    Path | None,
    typer.Option("--notebook", metavar="FILE", help="The notebook; otherwise the lab's own name in this folder."),
]
Precisions = Annotated[
    str | None,
    typer.Option(
        metavar="LIST", help="float32, bfloat16, float16, several with commas, or all; otherwise all, on a CPU float32."
    ),
]
Network = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="lab_cnn, or small_cnn (16 x 16 images); otherwise lab_cnn, on a CPU small_cnn."),
]
MemoryLimit = Annotated[
    int | None, typer.Option(min=1, metavar="MIB", help="Pretend that the device has no more memory than this.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON with a schema version.")]


@app.command()
def doctor(as_json: AsJson = False) -> int:
    """Check this machine; each problem comes with its fix.

    Driver, GPU, TensorFlow, Numba, cuDNN and CUDA versions, disk, data sets, the sandbox. No GPU is no problem:
    labs run in the simulator, and points for speed stay pending.
    """
    from gpulabs.commands import doctor as command

    return command.doctor(as_json)


@app.command()
def start(
    lab: LabName,
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to put it.")] = Path(),
) -> int:
    """Get a lab's notebook; never overwrites your work."""
    from gpulabs.commands import notebooks

    return notebooks.start(lab, folder)


@app.command()
def check(
    lab: LabName,
    notebook: NotebookFile = None,
    task: Annotated[str | None, typer.Option(metavar="TASK", help="Only this task, e.g. conv_first.")] = None,
    as_json: AsJson = False,
    report: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Also write an HTML report.")] = None,
    device: Annotated[
        Device,
        typer.Option(metavar="auto|gpu|simulator", help="The GPU if there is one; that or nothing; Numba's simulator."),
    ] = Device.AUTO,
    isolation: Annotated[
        str | None,
        typer.Option(
            metavar="auto|strong|medium|none",
            envvar="GPULABS_ISOLATION",
            help="The walls around your code; the strongest that hold here. With none it runs as your own.",
            show_default="auto",
        ),
    ] = None,
) -> int:
    """Grade your notebook as the instructor will.

    Prints points, reasons and the next step. Exit code 1: points were lost; 0: none were, though points that need
    a GPU may be pending.
    """
    from gpulabs.commands import notebooks

    return notebooks.check(lab, notebook, task, as_json, report, device.value, isolation)


@app.command()
def hint(
    lab: LabName,
    task: Annotated[
        str | None, typer.Argument(metavar="[TASK]", help="The task, e.g. conv_first; left out, the tasks are listed.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Show the next hint of a task; hints cost no points."""
    from gpulabs.commands import notebooks

    return notebooks.hint(lab, task, as_json)


@app.command()
def submit(
    lab: LabName,
    notebook: NotebookFile = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Your name in the course; otherwise your login.")
    ] = None,
    folder: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where to put the archive.")] = Path(),
    as_json: AsJson = False,
) -> int:
    """Pack your notebook for uploading.

    The grader's own reader looks at it first, so that nothing unreadable is handed in.
    """
    from gpulabs.commands import notebooks

    return notebooks.submit(lab, notebook, name, folder, as_json)


@app.command()
def memory(
    batch: Annotated[str, typer.Option(metavar="LIST", help="128, or 1,2,96, or 1-8192 (powers of two).")] = "128",
    precision: Annotated[
        str, typer.Option(metavar="LIST", help="float32, bfloat16, float16, several with commas, or all.")
    ] = "float32",
    optimizer: Annotated[str, typer.Option(metavar="NAME", help="sgd, momentum, rmsprop or adam.")] = "adam",
    network: Annotated[str, typer.Option(metavar="NAME", help="lab_cnn, or small_cnn (16 x 16 images).")] = "lab_cnn",
    recompute: Annotated[
        bool,
        typer.Option("--recompute", help="Compute activations again for the backward pass, not keep them."),
    ] = False,
    device: Annotated[
        MemoryDevice, typer.Option(metavar="auto|gpu|cpu", help="Predict for this one; otherwise for what is here.")
    ] = MemoryDevice.AUTO,
    measure: Annotated[
        bool | None,
        typer.Option(
            "--measure/--no-measure",
            help="Measure the peak beside the prediction; otherwise only on a GPU. On a CPU XLA's own plan is read, "
            "about a minute a batch.",
            show_default=False,
        ),
    ] = None,
    memory_limit: MemoryLimit = None,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Also draw the parts as stacked bars, and a step over time."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Say where the memory of a training step goes.

    Parameters, optimizer state, gradients, activations kept for the backward pass, workspace: predicted from the
    layers' shapes, with the measured peak beside it. Exit code 6: a batch did not fit in memory.
    """
    from gpulabs.commands import memory as command

    return command.memory(
        batch, precision, optimizer, network, recompute, device.value, measure, memory_limit, figure, as_json
    )


@app.command()
def train(
    data: Annotated[
        TrainingSet, typer.Option("--data", metavar="cifar10|digits", help="What to train on.")
    ] = TrainingSet.CIFAR10,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs in all, those of an earlier run included.")] = 20,
    batch: Annotated[int, typer.Option(min=1, help="Images of a step.")] = 128,
    precision: Annotated[
        Precision,
        typer.Option(metavar="float32|bfloat16|float16", help="What the layers compute in; weights are float32."),
    ] = Precision.FLOAT32,
    rate: Annotated[float, typer.Option("--learning-rate", min=0.0, help="Of Adam.")] = 1e-3,
    augment: Annotated[
        bool, typer.Option("--augment", help="Mirror and shift the images, anew in every epoch.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, orders and dropout.")] = 0,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keep every epoch there; the same command goes on, also after a crash."),
    ] = None,
    tensorboard: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write TensorBoard's logs there.")] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="The same bits every time on the same machine.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Train the CNN of the labs.

    On a GPU an epoch is one XLA program. Exit code 4: the data set is not here, fetch it with `gpulabs data fetch`.
    """
    from gpulabs.commands import train as command

    request = command.Request(
        data.value, epochs, batch, precision.value, rate, augment, seed, checkpoint, tensorboard, deterministic
    )
    return command.train(request, as_json)


app.add_typer(bench_app, name="bench")
app.add_typer(data_app, name="data")


@app.command()
def version(as_json: AsJson = False) -> int:
    """Print the version."""
    from gpulabs import __version__

    if as_json:
        terminal.print_json({"schema_version": 1, "version": __version__})
    else:
        print(f"gpulabs {__version__}")
    return ExitCode.OK


@bench_app.callback()
def bench() -> None:
    """Measure kernels on this machine's GPU."""  # a group of its own, also while it holds one command


@bench_app.command("conv")
def bench_conv(
    shape: Annotated[
        str,
        typer.Option(
            metavar="SHAPE",
            help="NxHxWxC*RxSxC->K, or lab1 to lab4 (the CNN's layers), medium, large; several with commas, or all.",
        ),
    ] = "medium",
    stride: Annotated[int, typer.Option(min=1, help="Stride of both axes.")] = 1,
    padding: Annotated[Padding, typer.Option(metavar="same|valid", help="As TensorFlow means it.")] = Padding.VALID,
    rungs: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these rungs of the ladder; otherwise all.")
    ] = None,
    runs: Annotated[int, typer.Option(min=5, max=1000, help="Timed runs of each kernel.")] = 30,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Also draw the roofline with every kernel.")
    ] = None,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="No GPU: show what was recorded on another one.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Time the ladder of convolution kernels beside cuDNN and PyTorch.

    Every kernel's answer is checked first. Exit code 4: there is no GPU (`--recorded` needs none); 3: the shape
    can't be read.
    """
    from gpulabs.commands import bench

    return bench.conv(shape, stride, padding.value, rungs, runs, figure, recorded, as_json)


@bench_app.command("batch")
def bench_batch(
    batch: Annotated[
        str | None,
        typer.Option(
            metavar="LIST", help="Batches: 1,2,96 or 1-8192 (powers of two); otherwise 1-8192, on a CPU 1-512."
        ),
    ] = None,
    precision: Precisions = None,
    network: Network = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=60, help="Timed steps of each configuration.")] = 1.0,
    memory_limit: MemoryLimit = None,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Show what was recorded on a GPU, and measure nothing.")
    ] = False,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Also draw throughput and utilisation against the batch.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Measure training throughput, utilisation and memory against the batch size.

    Each configuration in a fresh process. Without a GPU a smaller network runs, marked as a CPU result. Exit code 6: a
    batch did not fit in memory; the message names it and the largest that worked.
    """
    from gpulabs.commands import bench_batch as command

    return command.batch(batch, precision, network, seconds, memory_limit, recorded, figure, as_json)


@data_app.command("list")
def data_list(as_json: AsJson = False) -> int:
    """List the data sets: which are here, and their identity."""
    from gpulabs.commands import data

    return data.list_sets(as_json)


@data_app.command("fetch")
def data_fetch(
    name: SetName,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="An archive at hand; no network.")
    ] = None,
    any_checksum: Annotated[
        bool,
        typer.Option(
            "--any-checksum", help="With --from: accept a re-encoded archive; results carry its own identity."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Fetch although a readable archive is here.")] = False,
    as_json: AsJson = False,
) -> int:
    """Fetch a data set and verify it.

    Goes on where an earlier try stopped, and moves to a mirror when a host is slow or down.
    """
    from gpulabs.commands import data

    return data.fetch(name, source, any_checksum, force, as_json)


@data_app.command("path")
def data_path(name: SetName, as_json: AsJson = False) -> int:
    """Print where a data set's archive lies.

    Exit code 4 if it is not there.
    """
    from gpulabs.commands import data

    return data.path(name, as_json)


def main() -> NoReturn:
    """Runs the command."""
    terminal.run_cli(app, "gpulabs")
