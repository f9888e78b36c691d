# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   gpulabs:
#     lab: lab4_batch_size
#     version: "1"
# ---

# %% [markdown]
# # Lab 4: the batch size
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/gpulabs/gpulabs/blob/main/labs/lab4_batch_size/lab4_batch_size.ipynb)
#
# How many images should a training step take at once? Too few, and the GPU waits for the next step; too many, and memory and
# learning suffer. You answer with measurements: first you learn to measure a device that works while you look away, then you
# model what you see, choose, and repair what a larger batch does to learning.
#
# | stage | you write | points |
# | --- | --- | ---: |
# | 1 | `time_steps`: a meter of training steps | 26 |
# | 2 | `throughput`: a median, and how sure it is | 16 |
# | 3 | `sweep`: throughput against the batch, and out of memory | 10 |
# | 4 | `fit_step_time`, `batch_for`: a model, and its knee | 16 |
# | 5 | `choose_batch`: the smallest batch that is fast enough | 16 |
# | 6 | `utilisation`, `busy_but_slow`: busy is not fast | 6 |
# | 7 | `learning_rate`: a larger batch that still learns | 10 |
#
# Every stage goes the same way: the **idea**, a **prediction**, your **code**, a **check**, a **measurement**, and the **gap**
# between prediction and measurement.

# %% [markdown]
# ## Set up
#
# Run the next cell first, and again after every restart of the kernel. On Colab choose *Runtime > Change runtime type > GPU*,
# then run `%pip install gpulabs` in a cell of its own, once. On a GPU you measure the CNN of Labs 5 to 7. Without one, a small
# network on the CPU: everything can be done and graded, and what you measure is marked as a **CPU result**.

# %%
from gpulabs import check, hint, setup
lab = setup("lab4", kernels=False)

# %%
import statistics
import time
from gpulabs.digits_training import train_digits
from gpulabs.live_step import prepare_step
from gpulabs.notebook import attempt, compare
from gpulabs.plots import busy_lanes, launch_timeline, learning_curves, throughput_knee, trace_plot
from gpulabs.recorded_steps import recorded_steps
from gpulabs.toy_device import Character, ToyCurve, ToyDevice

here = lab.gpu or "this CPU (CPU result)"

# %% [markdown]
# ---
# ## Stage 1: a meter
#
# **Idea.** `step()` does not run a training step. It **queues** one and comes back; the device runs it when it gets to it. Who
# wants to know that the work is done calls `synchronize()`, which waits for everything in the queue. Here is a made-up device
# with a clock of its own: four steps are queued, then the host waits.

# %%
device = ToyDevice(Character(step_ms=5.0, launch_ms=0.4, wait_ms=0.3))
for _ in range(4):
    device.step()
device.synchronize()
launch_timeline(device)

# %% [markdown]
# **Predict.** This device takes 5 ms for a step, and queueing one takes the host 0.4 ms. The clock is read, `step()` is called
# once, the clock is read again. How many milliseconds lie between?

# %%
my_prediction = ...

# %%
device = ToyDevice(Character(step_ms=5.0, launch_ms=0.4, wait_ms=0.3))
start = device.clock()
device.step()
compare(my_prediction, round((device.clock() - start) * 1000, 1), "ms")

# %% [markdown]
# **Implement.** `time_steps` returns at least 30 times, in milliseconds a step, as **training** has them: there the host queues
# one step after the other and does not wait. Four things go wrong easily:
#
# - The clock is read while the device still works. Read it before the first step of a sample and after `synchronize()`.
# - The first step compiles, and the first 10 are slow. Run them before you measure.
# - `synchronize()` takes time itself. Where a step is short, a sample is a **block** of steps that share one wait: about 30 ms of
#   work, so that the wait doesn't count. Where a step is long, one is enough: a minute of the device's time has to do for all.
# - Something else may run on the device now and then. One sample can't tell; 30 can.

# %% nbgrader={"grade": false, "grade_id": "time_steps", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: time_steps
WARM_UPS, SAMPLES, BLOCK_S = 10, 30, 0.03

def time_steps(step, synchronize, clock):
    """Times in milliseconds a step, a list; step() queues a step, synchronize() waits, clock() gives seconds."""
    # about 14 lines: warm up, find the steps of a block, take the samples
    ### BEGIN SOLUTION
    def seconds(steps):
        start = clock()
        for call in [step] * steps + [synchronize]:  # else the clock is read while the device works
            call()
        took = clock() - start
        return took / steps

    seconds(WARM_UPS)
    steps = max(1, round(BLOCK_S / seconds(1)))
    return [1000 * seconds(steps) for _ in range(SAMPLES)]
    ### END SOLUTION

# %% [markdown]
# **Check.** The grader gives your meter made-up devices: long steps, a cold start, short steps, and one that others use too.

# %% nbgrader={"grade": true, "grade_id": "check_time_steps", "locked": true, "points": 26, "schema_version": 3, "solution": false, "task": false}
check("time_steps")

# %% [markdown]
# **Measure.** One device, measured in four ways. The last is yours.

# %%
def made_up():
    return ToyDevice(Character(0.15, launch_ms=0.03, wait_ms=0.1, compile_s=3.0, slow_steps=10, noise=0.02), seed=1)

def once(device, wait, warm_ups=0):
    for _ in range(warm_ups):
        device.step()
    device.synchronize()
    start = device.clock()
    device.step()
    if wait:
        device.synchronize()
    return (device.clock() - start) * 1000

device = made_up()
ways = {"no wait": once(made_up(), False, 10), "cold": once(made_up(), True), "one step, one wait": once(made_up(), True, 10)}
mine = attempt(time_steps, device.step, device.synchronize, device.clock)
ways["yours"] = statistics.median(mine) if mine else float("nan")
for way, time_ms in ways.items():
    print(f"{way:20} {time_ms:10.3f} ms     (the truth is 0.150 ms)")

# %% [markdown]
# **Explain.** Why is "one step, one wait" almost twice the truth, although nothing is wrong with it?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** It is a right answer to another question: how long until *one* step is done, with its launch before and the wait
# after. Training never asks that. It queues the next step while the device runs this one, so launching hides behind running, and
# only the longer of the two counts.

# %% [markdown]
# ---
# ## Stage 2: how sure is it?
#
# **Idea.** Times are not spread like a bell: nothing makes a step faster than it is, but much makes it slower. A few outliers drag
# a **mean** along; the **median**, the time in the middle, stays. And a number without an interval can't be compared: is 11.2 ms
# faster than 11.4? Of n sorted times, the median of the *device* lies below number k as rarely as n coins show fewer than k heads.
# That takes no assumption about how times are spread.
#
# These times were really measured, on a machine that others used too: the most disturbed ones of those that this package holds.

# %%
traces = [(times, machine) for machine in recorded_steps() for times in machine.times_ms.values() if len(times) >= 30]
trace, machine = max(traces, key=lambda pair: statistics.fmean(pair[0]) / statistics.median(pair[0]))
print(f"{machine.name}, {machine.network}, {machine.date[:10]}")
trace_plot(trace, {})

# %% [markdown]
# **Predict.** By how many percent is the mean of these times above their median?

# %%
my_prediction = ...

# %%
mean, median = statistics.fmean(trace), statistics.median(trace)
picture = trace_plot(trace, {"median": median, "mean": mean})
compare(my_prediction, round(100 * (mean / median - 1)), "%", show=picture)

# %% [markdown]
# **Implement.** `throughput(batch, times_ms)`: images a second from the median time, with the ends of its 95 % interval. Of n sorted
# times the interval goes from number k to number n + 1 - k (from 1), where k is the largest whole number for which n coins show
# fewer than k heads in at most 2.5 % of all cases. About $n / 2 - \sqrt{n}$; `math.comb` gives it exactly.

# %% nbgrader={"grade": false, "grade_id": "throughput", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: throughput
import math
import statistics

def throughput(batch, times_ms):
    """(images a second, low, high): from the median time, with the median's 95 % interval."""
    # about 8 lines: sort, find k, turn times into throughputs
    ### BEGIN SOLUTION
    ranked, n = sorted(times_ms), len(times_ms)
    k, fewer = 0, 0.0                                # fewer: how probable fewer than k heads are
    while fewer + math.comb(n, k) / 2**n <= 0.025:
        fewer += math.comb(n, k) / 2**n
        k += 1
    k = max(k, 1)
    return tuple(1000 * batch / time_ms for time_ms in (statistics.median(ranked), ranked[n - k], ranked[k - 1]))
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_throughput", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
check("throughput")

# %% [markdown]
# **Measure.** The trace again, as a throughput of batches of one image, and its interval.

# %%
found = attempt(throughput, 1, trace)
if found:
    print(f"{found[0]:,.1f} images/s, 95 % interval {found[1]:,.1f} to {found[2]:,.1f}, from {len(trace)} times")
trace_plot(trace, {"median": median, "mean": mean}, (1000 / found[2], 1000 / found[1]) if found else None)

# %% [markdown]
# **Explain.** Most times lie outside of the band. Is it too narrow?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** The band is where the *median* lies, not where times lie. With four times as many samples it becomes half as wide,
# while the times spread as before. It also can't help against a machine that changes while you measure: look at the picture
# before you believe a number.

# %% [markdown]
# ---
# ## Stage 3: a sweep
#
# **Idea.** Measure one batch size after the other: 1, 2, 4, 8 ... Memory grows with the batch, so some day one does not fit. That
# must not end your sweep, and tells you that larger ones need no try.
#
# **Predict.** A step with 256 images is more work than one with a single image. How many times the **images a second** of batch 1
# does batch 256 give here?

# %%
my_prediction = ...

# %% [markdown]
# **Implement.** `measure(batch)` gives times in milliseconds a step, or raises `OutOfMemory`. `sweep` returns the pairs
# `(batch, images_per_s)` of all batches that fit, from the median of their times. `batches` come in any order.

# %% nbgrader={"grade": false, "grade_id": "sweep", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: sweep
import math
import statistics
from gpulabs.errors import OutOfMemory

def sweep(batches, measure):
    """Pairs (batch, images a second) of the batches that fit."""
    # about 10 lines
    ### BEGIN SOLUTION
    pairs, too_large = [], math.inf
    for batch in batches:
        if batch >= too_large:
            continue
        try:
            pairs.append((batch, 1000 * batch / statistics.median(measure(batch))))
        except OutOfMemory:
            too_large = batch
    return pairs
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_sweep", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
check("sweep")

# %% [markdown]
# **Measure.** Your meter and your sweep, on what this machine has. On a GPU each batch is compiled first, which takes a while.

# %%
def measure_here(batch):
    return time_steps(*prepare_step(batch, on_gpu=bool(lab.gpu)), time.perf_counter)

batches = lab.size(gpu=(1, 4, 16, 64, 256, 1024, 4096, 65536), simulator=tuple(2**power for power in range(13)))
rates = dict(attempt(sweep, batches, measure_here) or [])
for batch, rate in rates.items():
    print(f"batch {batch:5}: {rate:10,.0f} images/s, {1000 * batch / rate:9.3f} ms a step")
if rates:
    compare(my_prediction, rates[256] / rates[1], "times")

# %%
throughput_knee(rates or {1: 1.0}, title=f"Throughput on {here}")

# %% [markdown]
# **Explain.** The curve rises, bends and is flat in the end. What limits a step on the left, what on the right?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** On the left a step takes about the same whatever the batch: launching kernels (on a CPU: Python calls), reading the
# weights, updating them. On the right the device is full, and twice the images take twice the time. Past that, throughput can
# even fall: what fitted into a cache (on a CPU, a few hundred images) does not any more.

# %% [markdown]
# ---
# ## Stage 4: a model with a knee
#
# **Idea.** Both ends in one line: a step takes a fixed time, and each image adds a little,
#
# $$t(b) = t_0 + t_1 \cdot b \qquad\qquad \text{throughput} = \frac{b}{t_0 + t_1 \cdot b} \ \longrightarrow\ \frac{1}{t_1}$$
#
# Where both parts are equal, $b = t_0 / t_1$, half of the limit is reached. That batch is the **knee**.
#
# **Predict.** The fixed part is 2 ms, an image adds 0.01 ms. From which batch on does a step reach **90 %** of the limit?

# %%
my_prediction = ...

# %%
picture = throughput_knee({2**power: 2**power / (2 + 0.01 * 2**power) * 1000 for power in range(14)}, (2.0, 0.01), "t = 2 ms + 0.01 ms b")
compare(my_prediction, 9 * 2 / 0.01, "images", show=picture)

# %% [markdown]
# **Implement.** `fit_step_time` finds both parts from a sweep: as many equations as batches, two unknowns. Each time is measured to
# a few percent, so make the **relative** errors small: an equation divided by its time counts like any other. `batch_for` is the
# smallest whole batch that reaches a share of the model's limit.

# %% nbgrader={"grade": false, "grade_id": "step_model", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: step_model
import math
import numpy as np

def fit_step_time(batches, times_ms):
    """(fixed_ms, image_ms) of the model fixed_ms + image_ms * batch, with small relative errors."""
    # about 4 lines
    ### BEGIN SOLUTION
    times = np.array(times_ms, float)
    equations = np.stack([np.ones(len(times)), np.array(batches, float)], axis=1) / times[:, None]
    fixed_ms, image_ms = np.linalg.lstsq(equations, np.ones(len(times)), rcond=None)[0]
    return float(fixed_ms), float(image_ms)
    ### END SOLUTION

def batch_for(share, fixed_ms, image_ms):
    """The smallest batch that reaches this share (below 1) of the limit 1 / image_ms."""
    ### BEGIN SOLUTION
    return math.ceil(share / (1 - share) * fixed_ms / image_ms)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_step_model", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
check("step_model")

# %% [markdown]
# **Measure.** Your model through your sweep.

# %%
fit = attempt(fit_step_time, list(rates), [1000 * batch / rate for batch, rate in rates.items()]) if rates else None
if fit:
    print(f"fixed {fit[0]:.4f} ms, an image {fit[1]:.5f} ms: the knee is at batch {fit[0] / fit[1]:.0f}")
    for share in (0.5, 0.8, 0.9, 0.95):
        print(f"{share:4.0%} of the limit from batch {attempt(batch_for, share, *fit)}")
throughput_knee(rates or {1: 1.0}, fit, f"Throughput on {here}")

# %% [markdown]
# **Explain.** Where is the model off, and why there?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** The model adds both parts. A GPU overlaps them: launching hides behind running, so it is often *faster* than the
# model around the knee, where both parts are about equal. And kernels get chosen anew for each size, which makes small jumps. It
# is a model of two numbers; that it predicts a factor of a thousand in batch size to some ten percent is what it is for.
# Half of the limit is cheap, the last tenth is dear: 90 % take 9 times the knee, 95 % take 19 times.

# %% [markdown]
# ---
# ## Stage 5: the choice
#
# **Idea.** Measuring is expensive: on a GPU every batch is compiled anew. You may measure **10** times among the 14 batches 1, 2, 4 ...
# 8192 (one that does not fit counts as well), and want the **smallest** that reaches `share` of the best throughput. Why not simply the largest? It leaves no memory for
# anything else, and stage 7 shows what it does to learning.
#
# **Predict.** How many measurements does it take to find one of 14 batches, if you know the best throughput and halve the list?

# %%
my_prediction = ...

# %%
compare(my_prediction, len(bin(14)) - 2, "measurements")

# %% [markdown]
# **Implement.** `measure(batch)` gives images a second, to about 1 %, or raises `OutOfMemory`. Throughput rises with the batch.

# %% nbgrader={"grade": false, "grade_id": "choose_batch", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: choose_batch
from gpulabs.errors import OutOfMemory

def choose_batch(batches, measure, share):
    """The smallest of the ascending batches that reaches this share of the best throughput; 10 measurements at most."""
    # about 14 lines: the largest that fits has the best throughput; then halve
    ### BEGIN SOLUTION
    high, best = len(batches), None
    while best is None:
        high -= 1
        try:
            best = measure(batches[high])
        except OutOfMemory:
            pass
    low = -1                                         # too slow, or none; high is fast enough
    while high - low > 1:
        between = (low + high) // 2
        if measure(batches[between]) >= share * best:
            high = between
        else:
            low = between
    return batches[high]
    ### END SOLUTION

# %% [markdown]
# **Check.** On made-up devices; on a GPU also with the labs' CNN, of which the grader measures nine batches in processes of their
# own. That takes some minutes.

# %% nbgrader={"grade": true, "grade_id": "check_choose_batch", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
check("choose_batch")

# %% [markdown]
# **Measure.** Your choice on the sweep that you have measured already.

# %%
asked = []

def from_the_sweep(batch):
    asked.append(batch)
    return rates[batch]

chosen = attempt(choose_batch, sorted(rates), from_the_sweep, 0.9) if rates else None
if chosen:
    print(f"asked for {asked}, chose {chosen}: {rates[chosen] / max(rates.values()):.0%} of the best on {here}")

# %% [markdown]
# **Explain.** On a noisy machine the choice changes from run to run. By how much, and does it matter?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** Near the limit the curve is flat: a factor of two in the batch changes throughput by a few percent, so noise moves the
# choice by a factor of two. For the same reason it costs little. Only a choice far to the left of the bend is expensive.

# %% [markdown]
# ---
# ## Stage 6: busy is not fast
#
# **Idea.** `nvidia-smi` and NVML report a **utilisation**: the share of time in which *at least one kernel* was running. A GPU has
# many multiprocessors (an H100 132 of them); a kernel that keeps one of them busy counts like one that fills them all.
#
# **Predict.** A GPU runs one small kernel after the other without a gap, each on 10 % of its multiprocessors. What utilisation is
# reported, in percent?

# %%
my_prediction = ...

# %%
small = [(step, step + 1, 0.1) for step in range(10)]
gaps = [(step, step + 0.5, 0.9) for step in range(10)]
picture = busy_lanes({"small kernels": small, "large kernels, with gaps": gaps}, 10)
compare(my_prediction, 100, "%", show=picture)

# %% [markdown]
# **Implement.** `utilisation`: the share of the window from `start` to `end` in which any of the `kernels` (pairs of begin and end, in
# any order, overlapping or not) runs. `busy_but_slow`: the first of the batches at which the GPU is busy 0.9 of the time or more,
# and the share of the best throughput that it has there.

# %% nbgrader={"grade": false, "grade_id": "busy", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: busy
def utilisation(kernels, start, end):
    """Share (0 to 1) of the window in which at least one kernel runs."""
    # about 6 lines
    ### BEGIN SOLUTION
    busy, reached = 0, start
    for begin, until in sorted(kernels):
        begin, until = max(begin, reached), min(until, end)
        if until > begin:
            busy, reached = busy + until - begin, until
    return busy / (end - start)
    ### END SOLUTION

def busy_but_slow(batches, busy, images_per_s):
    """(first batch with busy >= 0.9, its share of the best throughput)."""
    # about 2 lines
    ### BEGIN SOLUTION
    place = next(place for place, share in enumerate(busy) if share >= 0.9)
    return batches[place], images_per_s[place] / max(images_per_s)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_busy", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check("busy")

# %% [markdown]
# **Measure.** Utilisation beside throughput: recorded on a GPU, or made up where no recording is installed; the title says which.

# %%
watched = next((device for device in recorded_steps() if device.utilisation), None)
curve = ToyCurve(0.6, 0.004)
title = f"{watched.name}, {watched.network}, {watched.precision}" if watched else "A made-up GPU"
speeds = {batch: (watched or curve).images_per_s(batch) for batch in (watched.batches if watched else (2**power for power in range(14)))}
busy = dict(watched.utilisation) if watched else {batch: min(0.99, 0.75 + 0.06 * place) for place, batch in enumerate(speeds)}
found = attempt(busy_but_slow, list(busy), list(busy.values()), [speeds[batch] for batch in busy]) if max(busy.values()) >= 0.9 else None
if found:
    print(f"{title}: busy from batch {found[0]} on, and there {found[1]:.1%} of its best throughput")
throughput_knee(speeds, None, title, busy)

# %% [markdown]
# **Explain.** Someone says: "My GPU is at 99 %, so it can't get faster." What do you ask?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** Low utilisation proves that something is wrong: the GPU waits, for data or for launches. High utilisation proves
# nothing. Ask for images a second, and for the share of the roof (Lab 1) that they are.

# %% [markdown]
# ---
# ## Stage 7: a larger batch that still learns
#
# **Idea.** An epoch with a batch 16 times as large makes 16 times fewer updates. Each averages more images, so its direction is
# surer, but with the same learning rate it goes no further. The common repair is to go further: a rate **in proportion to the
# batch** (Goyal et al., *Accurate, Large Minibatch SGD*, 2017). Early on, when the weights change fastest, such steps can be too
# long, so the rate **warms up** to it in a straight line.
#
# A small network learns handwritten digits, 20 epochs with momentum: three runs with batch 16, seven with batch 256, which differ
# more. The rate of batch 16 is 0.036, **chosen so that** what can go wrong here does go wrong.

# %%
EPOCHS, BASE_BATCH, LARGE, BASE_RATE, WARM_UP = 20, 16, 256, 0.036, 50

def runs(batch, rate, count=7):
    return [train_digits(batch, rate, EPOCHS, seed) for seed in range(count)]

def typical(runs, epochs):
    return 100 * statistics.median(run[epochs - 1] for run in runs)

learnt = {f"batch {BASE_BATCH}": runs(BASE_BATCH, lambda step: BASE_RATE, count=3)}
print(f"batch {BASE_BATCH}: {typical(learnt[f'batch {BASE_BATCH}'], EPOCHS):.1f} % of the test digits are right, median of 3 runs")

# %% [markdown]
# **Predict.** The same with batch 256 and the same learning rate. How many percent are right after **5** epochs? (Guessing gives 10.)

# %%
my_prediction = ...

# %%
learnt["batch 256, same rate"] = runs(LARGE, lambda step: BASE_RATE)
picture = learning_curves(learnt)
compare(my_prediction, typical(learnt["batch 256, same rate"], 5), "%", show=picture)

# %% [markdown]
# **Implement.** `base_rate` is right for `base_batch`. For `batch` the **peak** is in proportion. Step 0 takes `base_rate`, step
# `warm_up_steps` the peak, the steps between lie on a straight line, and from then on the rate stays. `warm_up_steps` may be 0.

# %% nbgrader={"grade": false, "grade_id": "learning_rate", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: learning_rate
def learning_rate(step, batch, base_batch, base_rate, warm_up_steps):
    """The learning rate of a step, counted from 0."""
    # about 4 lines
    ### BEGIN SOLUTION
    peak = base_rate * batch / base_batch
    if step >= warm_up_steps:
        return peak
    return base_rate + (peak - base_rate) * step / warm_up_steps
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_learning_rate", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
check("learning_rate")

# %% [markdown]
# **Measure.** Batch 256 with your rate, without and with a warm-up of 50 steps.

# %%
schedules = {"batch 256, same rate": [BASE_RATE] * 100}
for label, warm_up in (("scaled", 0), ("scaled, warm-up", WARM_UP)):
    if attempt(learning_rate, 0, LARGE, BASE_BATCH, BASE_RATE, warm_up) is None:
        break
    rate = lambda step: learning_rate(step, LARGE, BASE_BATCH, BASE_RATE, warm_up)
    learnt[f"batch 256, {label}"] = runs(LARGE, rate)
    schedules[f"batch 256, {label}"] = [rate(step) for step in range(100)]
learning_curves(learnt, schedules)

# %% [markdown]
# **Explain.** What does the warm-up repair, and what remains? Why is the median drawn, and not the mean?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** Scaled from the first step on, the rate is 16 times as high while the weights are still random: most runs lose their
# way. Which ones find back is chance, so one run proves nothing, and a mean of runs that learnt and runs that did not is the
# accuracy of none. With a warm-up all learn, and know after 3 epochs what the unscaled ones know after 5. Then those catch up.
#
# That it fails so visibly is our doing: we looked for a rate at which it does. With 0.02 in place of 0.036, nine runs without a
# warm-up ended at 89 to 93 %, median 92, nine unscaled ones at 85 to 89 %, median 88: there scaling alone repairs the learning,
# and 50 steps of warm-up add nothing (set `BASE_RATE` and see). Whether your network needs one, its curves say.
#
# What remains is a small loss against batch 16: past some batch size fewer updates can't be made up for by longer ones. That is
# why stage 5 asked for the *smallest* batch that is fast enough. In Lab 5 the batch meets its other limit: memory.

# %% [markdown]
# ---
# ## Hand in
#
# Restart the kernel, run all cells, save, then in a terminal in this folder: `gpulabs check lab4`, and `gpulabs submit lab4`. On
# Colab: *File > Download > .ipynb*, and hand in that file. The checks above are the same grader. Points that are *pending* need a
# GPU; they are settled on your instructor's machine and cost you nothing.
