"""Compiles src/*.py to ptx/NAME.json before, so that the GPU's minutes go to timing: compile.py [NAME...].

Needs numba-cuda;
ptxas and nvdisasm (on the path, or PTXAS and NVDISASM) say what its machine code is made of."""
import collections, dataclasses, json, os, pathlib, re, shutil, subprocess, sys, tempfile

from autograder.build.ladder import compile_rung

HERE = pathlib.Path(__file__).parent
PTXAS, NVDISASM = (os.environ.get(name.upper()) or shutil.which(name) for name in ("ptxas", "nvdisasm"))


def sass_of(ptx):
    with tempfile.TemporaryDirectory() as folder:
        base = pathlib.Path(folder) / "k"
        base.with_suffix(".ptx").write_text(ptx)
        done = subprocess.run([PTXAS, "-arch=sm_90", "-v", f"{base}.ptx", "-o", f"{base}.cubin"], capture_output=True, text=True, check=True)
        sass = subprocess.run([NVDISASM, "-c", f"{base}.cubin"], capture_output=True, text=True, check=True).stdout
    return done.stderr, sass


def facts(ptx):
    said, sass = sass_of(ptx)
    ops, labels = [], {}
    for line in sass.splitlines():
        if found := re.match(r"^(\.L_\w+):", line):
            labels[found.group(1)] = len(ops)
        if found := re.match(r"^\s+/\*[0-9a-f]{4,}\*/\s+(.*?);", line):
            ops.append(found.group(1))
    kinds = [re.sub(r"^@!?U?P\w+\s+", "", op).split()[0].split(".")[0] for op in ops]
    loop = {}
    for i, op in enumerate(ops):
        back = re.search(r"BRA.*`\((\.L_\w+)\)", op)
        if back and labels[back.group(1)] <= i and i - labels[back.group(1)] > 50:
            mine = collections.Counter(kinds[labels[back.group(1)] : i + 1])
            if mine["FFMA"] > loop.get("FFMA", -1):
                loop = dict(mine.most_common())
    return {
        "registers": int(re.search(r"Used (\d+) registers", said).group(1)),
        "spills": [int(x) for x in re.findall(r"(\d+) bytes spill", said)],
        "shared": int((re.search(r"(\d+) bytes smem", said) or [0, 0])[1]),
        "instructions": len(ops), "before": next((i for i, k in enumerate(kinds) if k == "BAR"), 0), "loop": loop,
    }


def main(names):
    target = HERE / "ptx"
    target.mkdir(exist_ok=True)
    for source in sorted((HERE / "src").glob("*.py")):
        out = target / f"{source.stem}.json"
        if (names and source.stem not in names) or (out.exists() and out.stat().st_mtime > source.stat().st_mtime and not names):
            continue
        ptx, meta = compile_rung("few_channels", source)
        text = ptx["few_channels"]
        found = facts(text) if PTXAS and NVDISASM else None
        out.write_text(json.dumps({"name": source.stem, "ptx": text, "meta": meta, "facts": found}))
        if found is None:
            print(source.stem, flush=True)
            continue
        per = sum(found["loop"].values()) / max(found["loop"].get("FFMA", 0), 1)
        print(f"{source.stem:32s} regs {found['registers']} spills {found['spills']} all {found['instructions']} before {found['before']} loop {sum(found['loop'].values())} for {found['loop'].get('FFMA', 0)} FFMA ({per:.3f})", flush=True)


main(sys.argv[1:])
