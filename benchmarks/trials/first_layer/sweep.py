"""The first layer's trial kernels on a GPU: sweep.py OUT [NAME...].

Each is checked first, in processes that may die: whoever faults is left out and the others go on. Then all that are
right run in turns in one process, beside cuDNN before and after. OUT/few.json is written after each step and each
10 rounds. FEW_FAKE=1 rehearses the course of things without a GPU.
"""
import dataclasses, json, os, pathlib, random, statistics, subprocess, sys, time

HERE = pathlib.Path(__file__).parent
ROUNDS, GROUP, BEGAN = int(os.environ.get("ROUNDS", 40)), 8, time.monotonic()
BUDGET = float(os.environ.get("BUDGET", 110))


def left():
    return BUDGET - (time.monotonic() - BEGAN)


class Gpu:
    """Contenders on the first layer's workload."""

    def __init__(self, names):
        import numpy as np
        if not hasattr(np, "row_stack"):
            np.row_stack = np.vstack
        from autograder import bench, ladder
        from autograder.assemble import assemble
        from autograder.evidence import Kernel
        from autograder.launch.gpu import CudaGpu
        from autograder.launch.race import SETS, Contender, Track
        from autograder.launch.runner import Loaded
        from gpulabs.convolution import conv2d

        self.bench, self.sets, self.gpu = bench, SETS, CudaGpu(0)
        workload = bench.WORKLOADS["lab1"]
        self.x, self.w = bench.inputs(workload)
        self.expected = conv2d(self.x, self.w, 1, "valid")
        case, plans, kernels = workload.case(), {}, {}
        for name in names:
            if name == "present":
                rung = ladder.rung("few_channels")
            else:
                stem, _, policy = name.partition("@")
                data = json.loads((HERE / "ptx" / f"{stem}.json").read_text())
                ptx = data["ptx"]
                if policy:  # how stores to y are cached: .cs streams, .wt writes through
                    ptx = ptx.replace("st.global.", f"st.global.{policy}.")
                meta = data["meta"]
                rung = ladder.Rung(name, tuple(ladder.read_variant(v) for v in meta["variants"]), {"few_channels": ptx}, "", "", meta["target"], "", "")
            plan, found = ladder.plan_for(rung, case)
            key, kernel = f"k:{name}", next(iter(found.values()))
            plans[name] = dataclasses.replace(plan, launches=tuple(dataclasses.replace(each, kernel=key) for each in plan.launches))
            kernels[key] = Kernel(kernel.name, kernel.entry, kernel.ptx)
        found = assemble(kernels, self.gpu.architecture)
        self.faults = {key[2:]: fault.message for key, fault in found.faults.items()}
        self.resources = {key[2:]: dataclasses.asdict(each) for key, (_, each) in found.cubins.items()}
        code = found.code()
        contenders = [
            Contender(name, plan, {f"k:{name}": Loaded(kernels[f"k:{name}"], self.gpu.load(code[f"k:{name}"], kernels[f"k:{name}"].entry))})
            for name, plan in plans.items() if name not in self.faults
        ]
        self.track = Track(self.gpu, contenders, self.x, self.w)

    def run(self, name, i):
        return self.track.run(name, i % self.sets)

    def off(self, name):
        self.track.run(name, 0)
        return float(self.bench.relative_error(self.track.output(name), self.expected))

    def cudnn(self, budget):
        from autograder.launch.cudnn import convolution, time_convolution
        what = convolution(self.x.shape, self.w.shape, self.expected.shape, 1)
        timing = time_convolution(self.gpu, what, self.x, self.w, self.expected, budget, tf32=False)
        return {"median_ms": statistics.median(timing.times_ms) if timing.times_ms else None, "times_ms": list(timing.times_ms), "layout": timing.layout, "plan": timing.plan, "note": timing.note}


class Fake:
    """Rehearsal: one variant is wrong, one dies in its check, one dies in the race."""

    def __init__(self, names):
        self.faults, self.resources, self.count = {}, {name: {"registers": 1} for name in names}, 0

    def run(self, name, i):
        self.count += 1
        if "f2_p4_r8" in name and self.count > 300:
            os.abort()
        time.sleep(0.0005)
        return 0.01 + 0.001 * (len(name) % 7) + random.random() * 1e-4

    def off(self, name):
        if name == "f1_p4_r4_b8":
            os.abort()
        return 0.5 if name == "f2_p8_r4_b8" else 0.0

    def cudnn(self, budget):
        return {"median_ms": 0.023, "times_ms": [0.023] * 15, "layout": "NHWC", "plan": "fake", "note": ""}


def say(kind, **what):
    print(json.dumps({"kind": kind, **what}), flush=True)


def worker(task, names):
    """One process: says what it is at before it starts it."""
    bench = (Fake if os.environ.get("FEW_FAKE") else Gpu)(names)
    for name, why in bench.faults.items():
        say("fault", name=name, why=why)
    names = [name for name in names if name not in bench.faults]
    if task == "check":
        for name in names:
            say("at", name=name)
            off = bench.off(name)
            say("checked", name=name, off=off, registers=bench.resources.get(name, {}).get("registers"))
        return
    say("cudnn", **bench.cudnn(12.0))
    for i in range(ROUNDS + 3):
        for name in random.sample(names, len(names)):
            say("at", name=name)
            time_ms = bench.run(name, i)
            if i >= 3:
                say("time", name=name, ms=time_ms)
        say("round", number=i - 2)
    say("cudnn", **bench.cudnn(8.0))


def start(task, names, limit, hear):
    """Runs a worker and hears it; returns its last `at` and whether it ended well."""
    at, log = None, open(OUT / "few_workers.log", "a")
    process = subprocess.Popen([sys.executable, __file__, "--worker", task, *names], stdout=subprocess.PIPE, stderr=log, text=True)
    killer = subprocess.Popen(["sh", "-c", f"sleep {max(limit, 5):.0f}; kill -9 {process.pid}"], stderr=subprocess.DEVNULL)
    for line in process.stdout:
        try:
            said = json.loads(line)
        except ValueError:
            log.write(line)
            continue
        if said["kind"] == "at":
            at = said["name"]
        hear(said)
    code = process.wait()
    killer.kill(); killer.wait()
    return at, code


def main(names):
    found = {"device": os.popen("nvidia-smi --query-gpu=name,driver_version,clocks.max.sm --format=csv,noheader 2>/dev/null").read().strip(), "faults": {}, "wrong": {}, "registers": {}, "cudnn": [], "times_ms": {}, "rounds": 0}

    def save():
        part = OUT / "few.json.part"
        part.write_text(json.dumps(found))
        part.replace(OUT / "few.json")

    def hear(said):
        kind, name = said.pop("kind"), said.get("name")
        if kind == "fault":
            found["faults"][name] = said["why"]
        elif kind == "checked":
            found["registers"][name] = said["registers"]
            if said["off"] != 0 and not name.startswith("z_"):
                found["wrong"][name] = said["off"]
            else:
                good.append(name)
        elif kind == "cudnn":
            found["cudnn"].append(said)
        elif kind == "time":
            found["times_ms"].setdefault(name, []).append(said["ms"])
        elif kind == "round":
            found["rounds"] = said["number"]
            if said["number"] % 10 == 0:
                save()

    good = []
    for first in range(0, len(names), GROUP):
        waiting = names[first : first + GROUP]
        while waiting and left() > 50:
            before = len(good)
            at, code = start("check", waiting, min(30, left() - 40), hear)
            if code == 0:
                break
            if at is not None and at not in good and at not in found["wrong"]:
                found["faults"][at] = f"its process ended with {code}"
            done = set(good) | set(found["wrong"]) | set(found["faults"])
            rest = [name for name in waiting if name not in done]
            waiting = rest if len(rest) < len(waiting) else []  # a process that said nothing is not tried again
        save()
    while good:
        found["times_ms"], found["rounds"] = {}, 0
        at, code = start("race", good, left(), hear)
        save()
        if code == 0 or found["rounds"] >= 10 or left() < 20 or at is None:
            break
        found["faults"][at] = f"in the race: its process ended with {code}"
        good.remove(at)
    save()
    cudnn = min((each["median_ms"] for each in found["cudnn"] if each["median_ms"]), default=None)
    print(found["device"], "| cuDNN", cudnn, "| rounds", found["rounds"], "| faults", found["faults"], "| wrong", found["wrong"])
    medians = {name: statistics.median(times) for name, times in found["times_ms"].items()}
    for name in sorted(medians, key=medians.get):
        times = sorted(found["times_ms"][name])
        q = [times[int(len(times) * share)] * 1e3 for share in (0.1, 0.9)]
        print(f"{name:34s} {medians[name] * 1e3:6.2f} us  (10 to 90 %: {q[0]:.2f} to {q[1]:.2f})  {cudnn / medians[name] if cudnn else 0:.3f} x cuDNN  regs {found['registers'].get(name)}")


if __name__ == "__main__":
    if sys.argv[1] == "--worker":
        worker(sys.argv[2], sys.argv[3:])
    else:
        OUT = pathlib.Path(sys.argv[1])
        OUT.mkdir(parents=True, exist_ok=True)
        every = sorted(path.stem for path in (HERE / "ptx").glob("*.json"))
        stores = [f"{name}@{policy}" for name in ("f4_p4_r8_b4", "f4_p8_r8_b4", "f2_p8_r8_b4", "f4_p4_r16_b2") for policy in ("cs", "wt") if name in every]
        main(sys.argv[2:] or ["present", *every, *stores])
