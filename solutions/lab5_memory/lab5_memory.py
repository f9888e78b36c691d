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
#     lab: lab5_memory
#     version: "1"
# ---

# %% [markdown]
# # Lab 5: memory
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/gpulabs/gpulabs/blob/main/labs/lab5_memory/lab5_memory.ipynb)
#
# Lab 4 ended at a limit: the batch that did not fit. Here you find out what fills a device's memory, from the shapes of a
# network's layers; you predict the peak of a training step, find the largest batch without losing the process, and make room:
# with 16-bit numbers, and by computing again what was not kept.
#
# | stage | you write | points |
# | --- | --- | ---: |
# | 1 | `parameters`, `state_bytes`: what training holds beside the network's values | 14 |
# | 2 | `kept_tensors`, `activation_bytes`: what the backward pass needs | 18 |
# | 3 | `peak_bytes`, `peaks_from_two`: the peak of a step, predicted | 20 |
# | 4 | `largest_batch`: a search that survives out of memory | 16 |
# | 5 | `lost_share`, `next_scale`: sixteen bits, and a scale for the loss | 12 |
# | 6 | `peak_of`, `choose_recomputed`, `best_spacing`: compute again, keep less | 14 |
# | 7 | `fragmentation`, `advice`: who holds the memory | 6 |
#
# Every stage goes the same way: the **idea**, a **prediction**, your **code**, a **check**, a **measurement**, and the **gap**
# between prediction and measurement.

# %% [markdown]
# ## Set up
#
# Run the next cell first, and again after every restart of the kernel. Everything here can be done and graded without a GPU:
# what a training step takes is then what XLA, the compiler, assigned for a CPU. With a GPU you measure that too.

# %%
from gpulabs import check, hint, setup
lab = setup("lab5", kernels=False)

# %%
import math
import numpy as np
from gpulabs.digits_training import digits_gradients
from gpulabs.layer_tables import cnn_layers, records
from gpulabs.memory import predict
from gpulabs.notebook import attempt, compare
from gpulabs.plots import chain_chart, gradient_histogram, kept_chart, memory_bars, peak_curve, pool_strip
from gpulabs.plots import scale_trace, search_trace, state_bars
from gpulabs.recorded_memory import recorded_on_cpu
from gpulabs.toy_memory import ToyMemory
from gpulabs.training_step import StepPlan

MIB = 2**20
layers = cnn_layers()
recorded = recorded_on_cpu("lab_cnn")

# %% [markdown]
# ---
# ## Stage 1: beside the network's values
#
# **Idea.** A network is a table of layers. Each has the shape of what enters and what leaves it, of **one** image; nothing else is
# needed to count bytes.

# %%
for row, layer in enumerate(layers, 1):
    kernel = "x".join(map(str, layer.get("kernel", [])))
    print(f"{row:2} {layer['kind']:19} {layer['input']!s:13} -> {layer['output']!s:13} {kernel:4}{'relu' * layer['relu']}")

# %% [markdown]
# A convolution learns a filter for each output channel and a bias for each; a dense layer a weight from each input to each output,
# and a bias for each output. BatchNormalization learns two values a channel and keeps two more, a moving mean and a moving variance,
# that **no gradient** trains. Training holds more than parameters:
#
# - a **gradient** for each trained parameter,
# - what the **optimizer** keeps for each of them: plain SGD nothing, momentum one value, Adam two.
#
# In **mixed precision** layers compute with 16-bit numbers. The float32 parameters stay, because small updates would be lost in
# 16 bits; beside each trained one there is a 16-bit copy to compute with. Gradients have 16 bits, the optimizer stays float32.
#
# **Predict.** Trained with Adam in float32, how many bytes does **one** trained parameter take, all in all?

# %%
my_prediction = ...

# %%
compare(my_prediction, 4 + 4 + 2 * 4, "bytes")

# %% [markdown]
# **Implement.** `parameters(layer)` counts the trained ones and the others. `state_bytes` sums bytes over a table of layers.
# `optimizer` is `"sgd"`, `"momentum"` or `"adam"`; `precision` is `"float32"` or `"mixed"`. Moving means and variances are float32,
# without copies.

# %% nbgrader={"grade": false, "grade_id": "state", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: state
import math

def parameters(layer):
    """(trained, not trained) parameters of one layer."""
    # about 8 lines, by layer["kind"]
    ### BEGIN SOLUTION
    kind, channels = layer["kind"], layer["output"][-1]
    if kind == "Conv2D":
        return (math.prod(layer["kernel"]) * layer["input"][-1] + 1) * channels, 0
    if kind == "Dense":
        return (layer["input"][0] + 1) * channels, 0
    if kind == "BatchNormalization":
        return 2 * channels, 2 * channels
    return 0, 0
    ### END SOLUTION

def state_bytes(layers, optimizer, precision):
    """(parameters, gradients, optimizer state) in bytes."""
    # about 6 lines
    ### BEGIN SOLUTION
    trained = sum(parameters(layer)[0] for layer in layers)
    others = sum(parameters(layer)[1] for layer in layers)
    half = precision == "mixed"
    slots = {"sgd": 0, "momentum": 1, "adam": 2}[optimizer]
    return (6 if half else 4) * trained + 4 * others, (2 if half else 4) * trained, 4 * slots * trained
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_state", "locked": true, "points": 14, "schema_version": 3, "solution": false, "task": false}
check("state")

# %% [markdown]
# **Measure.** The labs' CNN, trained in six ways.

# %%
rows, ways = {}, [(optimizer, precision) for optimizer in ("sgd", "momentum", "adam") for precision in ("float32", "mixed")]
for optimizer, precision in ways:
    found = attempt(state_bytes, layers, optimizer, precision)
    if found is None:
        break
    rows[f"{optimizer}, {precision}"] = found
state_bars(rows or {"not written yet": (0, 0, 0)}, "The labs' CNN: what does not depend on the batch")

# %% [markdown]
# **Explain.** How much does mixed precision save here, and why?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** Nothing: 6 + 2 + 8 bytes are 16 as well. What a parameter's copy takes, its gradient saves. That is why a language
# model with billions of parameters needs 16 bytes for each, in either precision, before the first activation. Mixed precision saves
# elsewhere: in what grows with the batch.

# %% [markdown]
# ---
# ## Stage 2: what the backward pass needs
#
# **Idea.** The gradient of a layer is computed long after its forward pass, from values that were there then. They are **kept**. Number
# the tensors: 0 are the images, tensor k is what layer k writes, so layer k reads tensor k - 1. Who needs what?
#
# | layer | its backward pass needs |
# | --- | --- |
# | Conv2D, Dense, BatchNormalization | its input |
# | a ReLU at its end | its output: where it is 0, no gradient passes |
# | MaxPooling2D | its input, to find where each maximum was |
# | Dropout | a **mask** of its own, one byte a value, and no tensor |
# | Flatten | nothing. Its output *is* its input, under another shape: one tensor, with the smaller number |
# | the loss | the network's last output |
#
# Two layers may need the same tensor. It is kept **once**: a ReLU's output is the next layer's input.
#
# **Predict.** The labs' CNN has 4.8 MiB of parameters. How many MiB of activations does it keep for a batch of 128, in float32?

# %%
my_prediction = ...

# %%
truth = 128 * (4 * 147_562 + 10_016) / MIB
compare(my_prediction, round(truth, 1), "MiB")

# %% [markdown]
# **Implement.** `kept_tensors(layers)`: the numbers of the tensors that are kept, each once. `activation_bytes`: bytes of a batch, 4 a
# value in float32 and 2 in mixed precision, and the masks, 1 a value in both.

# %% nbgrader={"grade": false, "grade_id": "activations", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: activations
import math

def kept_tensors(layers):
    """Numbers of the tensors that the backward pass needs, each once: 0 the images, k the output of layer k."""
    # about 11 lines: walk along, and know which tensor goes in and which comes out
    ### BEGIN SOLUTION
    kept, before = set(), 0
    for number, layer in enumerate(layers, 1):
        after = before if layer["kind"] == "Flatten" else number
        if layer["kind"] not in ("Flatten", "Dropout"):
            kept.add(before)
        if layer["relu"]:
            kept.add(after)
        before = after
    return sorted(kept | {before})
    ### END SOLUTION

def activation_bytes(layers, batch, precision):
    """Bytes of the kept tensors of a batch, with the masks of Dropout."""
    # about 4 lines
    ### BEGIN SOLUTION
    shapes = [layers[0]["input"]] + [layer["output"] for layer in layers]
    values = sum(math.prod(shapes[number]) for number in kept_tensors(layers))
    masks = sum(math.prod(layer["output"]) for layer in layers if layer["kind"] == "Dropout")
    return batch * (values * (2 if precision == "mixed" else 4) + masks)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_activations", "locked": true, "points": 18, "schema_version": 3, "solution": false, "task": false}
check("activations")

# %% [markdown]
# **Measure.** Your tensors, and what they come to against the batch.

# %%
kept = attempt(kept_tensors, layers)
if kept is not None:
    for batch in (1, 128, 2048):
        sizes = [activation_bytes(layers, batch, precision) / MIB for precision in ("float32", "mixed")]
        print(f"batch {batch:5}: {sizes[0]:9,.1f} MiB in float32, {sizes[1]:9,.1f} MiB in mixed precision")
kept_chart(layers, kept)

# %% [markdown]
# **Explain.** Where in the network is memory spent, and where are its parameters?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** At opposite ends. The first block has 10,272 parameters of 1.25 million and two thirds of the activations: its images are
# still large. The first dense layer has 94 % of the parameters and next to no activations. And the input of a ReLU is nowhere in the
# picture: whoever keeps it beside the output pays for more than half of this twice.

# %% [markdown]
# ---
# ## Stage 3: the peak of a step
#
# **Idea.** Whether a step fits is decided at the moment when most is there at once: the **peak**, about where the forward pass ends. State
# and activations you can sum up already. The rest is **workspace**, what the device's own algorithms need, and no layer's shape
# tells it. It has to be looked up or measured. On a **CPU** it can be looked up: XLA plans every byte when it compiles a
# step, and writes its plan down. There, pooling is dear:
#
# - 20 bytes for each value that **enters** a pooling layer: an index in each of four dimensions and a zero, written before the step;
# - 20 bytes for each value that **leaves** one, while it runs: the maximum and its index. Of these the largest layer's count.
#
# **Predict.** For batch 512, state is 19 MiB and activations are 293 MiB. How many MiB did XLA assign on a CPU?

# %%
my_prediction = ...

# %%
compare(my_prediction, round(recorded.peak_bytes(512) / MIB), "MiB")

# %% [markdown]
# **Implement.** `peak_bytes` for a CPU in float32: state (with gradients), activations, pooling. You may call your functions of stages 1
# and 2. `peaks_from_two` works on **any** device: `measure(batch)` gives the peak in bytes of a batch up to 512, **twice**. You want
# the peaks of `batches`, larger ones too.

# %% nbgrader={"grade": false, "grade_id": "peak", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: peak
import math

def peak_bytes(layers, batch, optimizer):
    """Predicted peak of a step on a CPU, float32, in bytes."""
    # about 5 lines
    ### BEGIN SOLUTION
    pools = [layer for layer in layers if layer["kind"] == "MaxPooling2D"]
    pooled = sum(math.prod(layer["input"]) for layer in pools) + max(math.prod(layer["output"]) for layer in pools)
    state = sum(state_bytes(layers, optimizer, "float32"))
    return state + activation_bytes(layers, batch, "float32") + 20 * batch * pooled
    ### END SOLUTION

def peaks_from_two(batches, measure):
    """Predicted peaks of the batches, a list; measure(batch) may be called twice, for batches up to 512."""
    # about 4 lines: what is there at any batch, and what does an image add?
    ### BEGIN SOLUTION
    small, large = measure(32), measure(512)
    image = (large - small) / (512 - 32)
    return [small + image * (batch - 32) for batch in batches]
    ### END SOLUTION

# %% [markdown]
# **Check.** Against what XLA assigned, within 15 %. On a GPU also against the measured peak of the labs' CNN, each batch in a process
# of its own, which takes a few minutes.

# %% nbgrader={"grade": true, "grade_id": "check_peak", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
check("peak")

# %% [markdown]
# **Measure.** Both predictions. On a GPU the second one is measured there, in fresh processes: memory that a process once took
# does not come back to tell of the next batch.

# %%
def measure_here(batch):
    if not lab.gpu:
        return recorded.peak_bytes(batch)
    from gpulabs.measured_step import Settings, measure
    return measure(StepPlan(batch), Settings(seconds=0)).peak_bytes

shapes_say = {batch: attempt(peak_bytes, layers, batch, "adam") for batch in recorded.batches[:1]}
if None not in shapes_say.values():
    shapes_say = {batch: peak_bytes(layers, batch, "adam") for batch in recorded.batches}
    for batch, found in shapes_say.items():
        print(f"batch {batch:5}: predicted {found / MIB:9,.1f} MiB, XLA {recorded.peak_bytes(batch) / MIB:9,.1f} MiB")
peak_curve(recorded.peaks, {b: one for b, one in shapes_say.items() if one}, "The labs' CNN on a CPU, from shapes")

# %%
asked = (32, 128, 512, 2048)
truth = {batch: measure_here(batch) for batch in asked}
found = attempt(peaks_from_two, asked, truth.__getitem__)
peak_curve(truth, dict(zip(asked, found or [])), f"The same from two measurements, {lab.gpu or 'on a CPU'}")

# %% [markdown]
# **Explain.** Your sum adds up what is there when the forward pass ends. Is that when XLA's peak is? Here is the memory of each moment
# of the step, from a model of lifetimes (`gpulabs memory --batch 512` draws it for any network).

# %%
batches = (64, 128, 256, 512)
bars = {f"batch {batch}": predict(records(layers), StepPlan(batch), "cpu") for batch in batches}
memory_bars(bars, {f"batch {batch}": recorded.peak_bytes(batch) for batch in batches}, "the labs' CNN on a CPU")

# %% [markdown]
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** No: on a CPU the peak comes early, while the first pooling runs, when all index arrays are still there. Activations of
# later layers, which you counted, do not exist yet; a ReLU's input beside its output, which you did not count, does. Both errors
# are about as large, so the sum is right to a few percent, partly by luck. A model that is off by less than 15 % from batch 32 to
# 8192 is good enough to choose a batch by, and not to plan the last MiB by. On a GPU the workspace is another one, mostly that of
# its convolutions, and differs from GPU to GPU. Hence the second function: it knows nothing of layers, only that each image adds
# the same, and asks the device for the rest.

# %% [markdown]
# ---
# ## Stage 4: the largest batch
#
# **Idea.** A model can be off; the device knows. Try. Three things make it harder than it looks:
#
# - A step that does not fit raises `OutOfMemory`. That is an answer, not the end.
# - A step holds memory, one that failed half-way does too. `release()` gives it back. Without it the next try is too large *beside
#   what is held*, and the answer wrong.
# - Who asks for far too much gets no exception: the system ends the **process**. So come from below.
#
# **Predict.** The largest batch that fits is 1000, which nobody knows. You try 1, 2, 4 ... until one fails, then halve the gap between the
# last that fitted and the first that did not. How many tries are that?

# %%
my_prediction = ...

# %%
doubling, halving = 11, 9
compare(my_prediction, doubling + halving, "tries")

# %% [markdown]
# **Implement.** `largest_batch(try_batch, release)`: the largest whole batch for which `try_batch(batch)` returns; 0 if not even one image
# fits. Afterwards the device must be empty. A batch that fits is never followed by a larger need: memory only grows with the batch.

# %% nbgrader={"grade": false, "grade_id": "largest_batch", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: largest_batch
from gpulabs.errors import OutOfMemory

def largest_batch(try_batch, release):
    """The largest batch that fits, 0 if none does; try_batch(batch) raises OutOfMemory, release() frees what is held."""
    # about 16 lines, a small function inside
    ### BEGIN SOLUTION
    def fits(images):
        try:
            try_batch(images)
            return True
        except OutOfMemory:
            return False
        finally:
            release()

    low, high = 0, 1                                 # low fits (or is nothing), high is tried next
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        between = (low + high) // 2
        if fits(between):
            low = between
        else:
            high = between
    return low
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_largest_batch", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
check("largest_batch")

# %% [markdown]
# **Measure.** The labs' CNN on a CPU with 2 GiB to spend, as XLA would assign it; what your model of stage 3 says; and what your search
# finds.

# %%
limit = 2 * 2**30
slope = (recorded.peak_bytes(8192) - recorded.peak_bytes(32)) / (8192 - 32)
device = ToyMemory(limit, lambda batch: round(recorded.peak_bytes(32) + slope * (batch - 32)))
found = attempt(largest_batch, device.try_batch, device.release)
if found is not None:
    print(f"your search: {found}; still held: {device.held} bytes")
    fixed = attempt(peak_bytes, layers, 0, "adam")
    if fixed is not None:
        print(f"your model of stage 3: {int((limit - fixed) / (peak_bytes(layers, 1, 'adam') - fixed))}")
search_trace(device.tries, device.largest, "The labs' CNN in 2 GiB: tries in order")

# %% [markdown]
# **Explain.** The search would also find it from the model's answer on, in fewer tries. What would you have to take care of?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** Doubling is cheap because each try costs little compared with being wrong: at most twice what fits is asked for. A
# search that starts at the model's answer needs three or four tries, if the model is right; if it is far too high, the first try
# may take the process with it. On a real GPU leave a margin below the limit in any case: fragments, another process, a
# longer sequence of images in the next epoch.

# %% [markdown]
# ---
# ## Stage 5: sixteen bits
#
# **Idea.** Activations are most of the memory, and 16 bits halve them. There are two ways to spend 16 bits. **bfloat16** has the
# range of float32, down to $2^{-133}$, with 8 binary digits. **float16** has 11 digits; below $2^{-24}$ there is only 0, above 65,504
# infinity. Gradients are small: what is below **half** of the smallest number becomes 0. Multiplying the loss by a
# **scale** multiplies all gradients; afterwards they are divided by it in float32.
#
# Which scale? **Dynamic loss scaling** finds out while it trains: if any gradient is infinite, **skip** the step (its update would
# ruin the weights) and halve the scale; after 2000 good steps in a row, double it.
#
# **Predict.** The scale starts at 65,536, and the largest gradient of this network is 8. How many steps are skipped before one counts?

# %%
my_prediction = ...

# %%
compare(my_prediction, 4, "steps")

# %% [markdown]
# **Implement.** `lost_share`: of the gradients that are not 0, the share that becomes 0 in a format whose smallest number above 0 is
# `smallest`. `next_scale`: after a step, from the scale, the good steps in a row so far, and whether its gradients were finite.
# The scale never goes below 1.

# %% nbgrader={"grade": false, "grade_id": "sixteen_bits", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: sixteen_bits
import numpy as np

def lost_share(gradients, scale, smallest):
    """Share (0 to 1) of the gradients other than 0 that are rounded to 0 once they are scaled."""
    # about 2 lines
    ### BEGIN SOLUTION
    sizes = np.abs(np.array(gradients, np.float64))
    return float(np.mean(sizes[sizes > 0] * scale < smallest / 2))
    ### END SOLUTION

def next_scale(scale, good_steps, finite):
    """(scale, good steps in a row, whether the step counts) after a step; doubles after 2000 good ones."""
    # about 5 lines
    ### BEGIN SOLUTION
    if not finite:
        return max(1.0, scale / 2), 0, False
    if good_steps + 1 == 2000:
        return 2 * scale, 0, True
    return scale, good_steps + 1, True
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_sixteen_bits", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
check("sixteen_bits")

# %% [markdown]
# **Measure.** Gradients of a small network that has learnt digits for 40 epochs, and your scale over 12,000 steps of a made-up training
# whose largest gradient wanders.

# %%
gradients = digits_gradients()
if attempt(lost_share, gradients, 1.0, 2.0**-24) is not None:
    for power in (0, 10, 20):
        print(f"float16, scale 2^{power}: {lost_share(gradients, 2.0**power, 2.0**-24):.2%} lost")
    print(f"bfloat16, no scale: {lost_share(gradients, 1.0, 2.0**-133):.2%} lost")
gradient_histogram(gradients, [1, 2**20])

# %%
largest = 2.0 ** (np.cumsum(np.random.default_rng(4).normal(0, 0.03, 12_000)) - 2)
scale, good, scales, skipped = 65536.0, 0, [], []
for step, size in enumerate(largest):
    found = attempt(next_scale, scale, good, bool(size * scale <= 65504))
    if found is None:
        break
    scales.append(scale)
    scale, good, counts = found
    if not counts:
        skipped.append(step)
scale_trace(scales, skipped)

# %% [markdown]
# **Explain.** Why does bfloat16 need no scale? What does it pay?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** Its exponent has as many bits as float32's: what float32 can hold, bfloat16 does not lose. It pays with digits: 8 instead
# of 11, so that sums and updates must stay float32. Either halves activations and neither halves the state (stage 1), so a
# training step shrinks by less than half; tensor cores make it faster beside. `gpulabs bench batch --precision all` measures
# both on a GPU. Whether accuracy stays has to be trained: Lab 6 does.

# %% [markdown]
# ---
# ## Stage 6: compute again
#
# **Idea.** What was not kept can be computed a second time, from the nearest kept tensor before it, right before the backward pass needs
# it. That trades work for memory (Chen et al., *Training Deep Nets with Sublinear Memory Cost*, 2016). In a chain of layers some
# outputs are kept, the others are computed **again**. Neighbours that are computed again form a **run**, and a run comes back as a whole. So
#
# $$\text{peak} = \text{sum of what is kept} + \text{the largest run}$$
#
# and the price is the work of all layers that run twice.
#
# **Predict.** A chain of 64 equal layers. Every 8th output is kept, all others are computed again. How many outputs are there at the peak?

# %%
my_prediction = ...

# %%
compare(my_prediction, 64 // 8 + 7, "outputs")

# %% [markdown]
# **Implement.** Places count from 0. `peak_of(sizes, again)`: the peak if the outputs at the places `again` are computed again.
# `choose_recomputed`: places with a peak within the budget and little extra work; at most 12 layers, and 1.25 times the least
# work earns. `best_spacing(layers)`: in a chain of equal layers of which every *spacing*-th is kept, the spacing with the smallest peak.

# %% nbgrader={"grade": false, "grade_id": "recompute", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: recompute
def peak_of(sizes, again):
    """The peak of a chain whose layers at the places `again` are computed again."""
    # about 7 lines
    ### BEGIN SOLUTION
    kept = run = longest = 0
    for place, size in enumerate(sizes):
        if place in again:
            run += size
            longest = max(longest, run)
        else:
            kept, run = kept + size, 0
    return kept + longest
    ### END SOLUTION

def choose_recomputed(sizes, flops, budget):
    """Places to compute again: the peak within the budget, with little extra work."""
    # about 6 lines
    ### BEGIN SOLUTION
    best = None
    for bits in range(2 ** len(sizes)):
        again = [place for place in range(len(sizes)) if bits >> place & 1]
        work = sum(flops[place] for place in again)
        if (best is None or work < best[0]) and peak_of(sizes, again) <= budget:
            best = work, again
    return best[1]
    ### END SOLUTION

def best_spacing(layers):
    """The spacing of kept layers, among equal ones, with the smallest peak."""
    # about 4 lines
    ### BEGIN SOLUTION
    def peak(spacing):
        return peak_of([1] * layers, [place for place in range(layers) if (place + 1) % spacing])

    return min(range(1, layers + 1), key=peak)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_recompute", "locked": true, "points": 14, "schema_version": 3, "solution": false, "task": false}
check("recompute")

# %% [markdown]
# **Measure.** The labs' CNN for a batch of 2048 in 75 % of the memory that its outputs take; and how the best spacing grows.

# %%
chain = [layer for layer in layers if layer["kind"] in ("Conv2D", "BatchNormalization", "MaxPooling2D")]
names = [layer["kind"].replace("2D", "").replace("Batch", "").replace("Max", "") for layer in chain]
sizes = [2048 * 4 * math.prod(layer["output"]) / MIB for layer in chain]
taps = [2 * 9 * layer["input"][-1] if layer["kind"] == "Conv2D" else 8 for layer in chain]
flops = [2048 * tap * math.prod(layer["output"]) / 1e9 for tap, layer in zip(taps, chain)]
again = attempt(choose_recomputed, sizes, flops, 0.75 * sum(sizes))
title = f"Batch 2048, {sum(sizes):,.0f} MiB of outputs, {0.75 * sum(sizes):,.0f} MiB to spend"
if again is not None:
    extra = sum(flops[place] for place in again)
    print(f"peak {peak_of(sizes, again):,.0f} MiB; the forward pass is {sum(flops):,.0f} GFLOP, and {extra:,.1f} are computed again")
    print("best spacing:", ", ".join(f"{best_spacing(count)} of {count} layers" for count in (16, 64, 100)))
chain_chart(names, sizes, flops, again, title)

# %% [markdown]
# **Explain.** Which layers are computed again, and why these?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** Those that are large to keep and cheap to compute: normalization and pooling cost a few operations a value, the first
# convolution has three channels to read, the others hundreds of operations a value. In a chain of n equal layers the best spacing is about $\sqrt{n}$ (several are equally good): n / s are kept,
# s - 1 come back, and the sum is smallest where both are about equal. A chain of 100 layers then needs the memory of 19, for one more forward pass, about a third
# more work. `gpulabs memory --batch 2048 --recompute` shows what is left where real steps keep and recompute.

# %% [markdown]
# ---
# ## Stage 7: who holds the memory?
#
# **Idea.** Asking the driver for memory is slow, so a framework takes it in large pieces, keeps it in a **pool**, and hands out blocks.
# `nvidia-smi` shows what the pool has **reserved**, not what tensors use. TensorFlow reserves nearly the whole GPU when it
# starts, unless told to grow: `tf.config.experimental.set_memory_growth(gpu, True)`, before the first tensor. A tensor needs **one**
# free block; many small ones don't help. That is **fragmentation**.

# %%
blocks = [(900, True), (300, False), (700, True), (200, False), (1200, True), (500, False), (600, True)]
pool_strip(blocks, device_free=400, request=800)

# %% [markdown]
# **Predict.** Into this pool, how many MiB does the largest tensor have that fits without the pool growing?

# %%
my_prediction = ...

# %%
compare(my_prediction, 500, "MiB")

# %% [markdown]
# **Implement.** `fragmentation`: the share of the free memory that lies outside its largest block. `advice`, all in MiB, one of:
# `"fits"` (some free block is large enough), `"grows"` (what the device has left is), `"fragmented"` (the free memory of pool and
# device together is, but not in one piece), `"too large"`.

# %% nbgrader={"grade": false, "grade_id": "allocator", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: allocator
def fragmentation(free_blocks):
    """Share (0 to 1) of the free memory outside its largest block."""
    ### BEGIN SOLUTION
    return 1 - max(free_blocks) / sum(free_blocks)
    ### END SOLUTION

def advice(request, reserved, in_use, largest_free, device_free):
    """"fits", "grows", "fragmented" or "too large"."""
    # about 6 lines
    ### BEGIN SOLUTION
    if request <= largest_free:
        return "fits"
    if request <= device_free:
        return "grows"
    everything_free = reserved - in_use + device_free
    return "fragmented" if request <= everything_free else "too large"
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_allocator", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check("allocator")

# %% [markdown]
# **Measure.** The pool above, asked for more and more.

# %%
free = [size for size, used in blocks if not used]
in_use = sum(size for size, used in blocks if used)
share = attempt(fragmentation, free)
if share is not None:
    print(f"{in_use} MiB in use of {in_use + sum(free)} MiB reserved; {share:.0%} of the free memory is in small pieces")
    for request in (300, 450, 800, 1200, 1600):
        print(f"{request:5} MiB: {attempt(advice, request, in_use + sum(free), in_use, max(free), 400)}")

# %% [markdown]
# **Explain.** What would you do in each of the four cases?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** Fits, grows: nothing. Fragmented: start afresh, or allocate the largest tensors first; with
# `TF_GPU_ALLOCATOR=cuda_malloc_async` TensorFlow leaves the pool to the driver, which can put pieces together. Too large: a smaller batch, 16 bits, recomputation: stages 2, 5 and 6.
# And whoever reads "79 of 80 GB" in `nvidia-smi` knows who took them, not who needs them.

# %% [markdown]
# ---
# ## Hand in
#
# Restart the kernel, run all cells, save, then in a terminal in this folder: `gpulabs check lab5`, and `gpulabs submit lab5`. On
# Colab: *File > Download > .ipynb*, and hand in that file. The checks above are the same grader. Points that are *pending* need a
# GPU; they are settled on your instructor's machine and cost you nothing.
