# The ladder's own PTX, which ships with the package, is written into the record as the student's kernel.
# attack: copying the ladder
# defence: a kernel is compared with the ladder's, instruction by instruction
# loses: everything
# says: is the ladder's own vectorised
# gpu: yes

# %% task: conv_vector
import json
import os
import sys
from pathlib import Path


def ladder(name):
    """Reads a kernel of the ladder wherever the package lies."""
    found = (Path(place) / "autograder" / "ladder" / f"{name}.ptx" for place in sys.path)
    return next(path.read_text() for path in found if path.is_file()).replace("vectorised", "mine")


def array(index, shape):
    return {"array": index, "scalar": None, "type": f"array(float32, {len(shape)}d, C)"}


def plan(case):
    """As the ladder lays its kernel out."""
    x, w, stride, same = case["x_shape"], case["w_shape"], case["stride"], case["padding"] == "same"
    size = [-(-x[axis] // stride) if same else (x[axis] - w[axis - 1]) // stride + 1 for axis in (1, 2)]
    pad = [max((size[a] - 1) * stride + w[a] - x[a + 1], 0) // 2 if same else 0 for a in (0, 1)]
    y = [x[0], *size, w[3]]
    names = [("x", x), ("w", w), ("temporary", y)]
    numbers = [{"array": None, "scalar": number, "type": "int32"} for number in (stride, *pad)]
    launch = {"kernel": "mine", "grid": [-(-y[0] * y[1] * y[2] // 128), -(-y[3] // 64), 1], "block": [128, 1, 1]}
    launch |= {"shared_bytes": 0, "arguments": [*(array(i, shape) for i, (_, shape) in enumerate(names)), *numbers]}
    arrays = [{"role": role, "shape": shape, "dtype": "float32"} for role, shape in names]
    return {"case": case["id"], "arrays": arrays, "launches": [launch], "result": 2}


with open("request.json") as request, open("events.jsonl", "a") as events:
    kernel = {"name": "mine", "entry": "mine", "ptx": ladder("vectorised")}
    for task in json.load(request)["tasks"]:
        if any("def ladder(" in text for _, text in task["cells"]):
            said = [{"event": "kernel", "key": "mine", "kernel": kernel}]
            said += [{"event": "plan", "plan": plan(case)} for case in task["cases"]]
            for event in (*said, {"event": "done"}):
                events.write(json.dumps(event | {"task": task["id"]}) + "\n")
    events.flush()
    os._exit(0)


def conv_vector(x, w, stride, padding):
    return x
