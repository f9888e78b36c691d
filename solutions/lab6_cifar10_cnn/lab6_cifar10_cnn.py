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
#     lab: lab6_cifar10_cnn
#     version: "1"
# ---

# %% [markdown]
# # Lab 6: a CNN on CIFAR-10, accurate and fast
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/gpulabs/gpulabs/blob/main/labs/lab6_cifar10_cnn/lab6_cifar10_cnn.ipynb)
#
# You know what a convolution costs and what a batch takes. Now a whole network: 1,253,290 parameters, 50,000 pictures, 20
# epochs. You find out what the GPU waits for, make pictures that are never twice the same, write the network and the plan that
# trains it, and read in the result what it has learned, and what not.
#
# | stage | you write | points |
# | --- | --- | ---: |
# | 1 | `input_share`, `step_ms`: how much of a step waits for data | 14 |
# | 2 | `move`, `turned_from`, `recolour`: augmentation | 18 |
# | 3 | `split`: images to choose by | 6 |
# | 4 | `loss_scale`: gradients in sixteen bits | 6 |
# | 5 | `network`, `training_plan`: the recipe | 42 |
# | 6 | `confusion`, `most_confused`: reading the result | 14 |
# | 7 | an open challenge: time to an accuracy | |
#
# Every stage goes the same way: the **idea**, a **prediction**, your **code**, a **check**, a **measurement**, and the **gap**
# between prediction and measurement.

# %% [markdown]
# ## Set up
#
# Run the next cell first, and again after every restart of the kernel. On Colab choose *Runtime > Change runtime type > GPU*,
# then run `%pip install "gpulabs[gpu]"` in a cell of its own, once. CIFAR-10 is fetched once: `gpulabs data fetch cifar10` in a
# terminal. Without a GPU, or without CIFAR-10, handwritten digits stand in and everything is trained in small, on the CPU.

# %%
from gpulabs import check, hint, setup

lab = setup("lab6", kernels=False)

# %%
import math

import numpy as np

from gpulabs import trial
from gpulabs.declared import LAB_NETWORK, compile_model, read_network, read_plan
from gpulabs.feeding import ToyFeed, real_feeds
from gpulabs.notebook import attempt, compare
from gpulabs.plots import (
    accuracy_race, confused_pairs, confusion_map, feed_timeline, gradient_histogram, image_rows, rate_curves, training_curves,
)

images = trial.image_set(full=bool(lab.gpu))
image_rows({images.title: images.x_train[:10]}, columns=[images.names[label] for label in images.y_train[:10]])

# %% [markdown]
# ---
# ## Stage 1: waiting for data
#
# **Idea.** The host makes a batch (reads, decodes, shuffles, copies), the device trains on it. If the host makes the next
# batch only when the device is done, each waits for the other. **Prefetch** lets both work at once: then a step takes as
# long as the slower of the two. Numbers are batches.

# %%
feed_timeline(load_ms=6, compute_ms=4)

# %% [markdown]
# **Predict.** A batch takes 12 ms to make and 5 ms to train on; two workers make batches side by side, with prefetch. How many
# **milliseconds** does a step take?

# %%
my_prediction = ...

# %%
compare(my_prediction, max(12 / 2, 5), "ms", show=feed_timeline(load_ms=6, compute_ms=5))

# %% [markdown]
# **Implement.** `step_ms` is that formula. `input_share` *measures*: the share of a step in which the device waits for its batch.
# You are given four functions. `next_batch()` makes a batch and returns it; `step(batch)` hands it to the device and **returns at
# once**; `synchronize` waits until the device is done; `clock` gives the time in seconds. The first batch and the first step are
# slow, and single times spread. Think: how long would a step take if its batch were always there already?

# %% nbgrader={"grade": false, "grade_id": "pipeline", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: pipeline
def input_share(next_batch, step, synchronize, clock):
    """Share (0 to 1) of a training step that waits for data."""
    # about 10 lines
    ### BEGIN SOLUTION
    def seconds(fresh, steps=30):
        batch = next_batch()
        step(batch)                                  # the first of each is slow
        synchronize()
        begin = clock()
        for _ in range(steps):
            step(next_batch() if fresh else batch)
        synchronize()
        return (clock() - begin) / steps

    return 1 - seconds(fresh=False) / seconds(fresh=True)
    ### END SOLUTION

def step_ms(load_ms, compute_ms, workers, prefetch):
    """Milliseconds a step; load_ms is what one worker takes for a batch."""
    # about 2 lines
    ### BEGIN SOLUTION
    load = load_ms / workers
    return max(load, compute_ms) if prefetch else load + compute_ms
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_pipeline", "locked": true, "points": 14, "schema_version": 3, "solution": false, "task": false}
check("pipeline")

# %% [markdown]
# **Measure.** First on a toy, whose truth is known; then three real pipelines for the network of this lab: batches made image by
# image in Python, by NumPy ahead of time in a thread, and batches that lie on the device already.

# %%
for load, compute in [(2, 5), (5, 5), (10, 5), (20, 5)]:
    toy = ToyFeed(load, compute, np.random.default_rng(0))
    share = attempt(input_share, *toy.operations.values())
    if share is None:
        break
    print(f"batch {load:2} ms, step {compute} ms: {share:.0%} measured, {toy.share:.0%} true")

# %%
shape = images.x_train.shape[1:]
model = compile_model(read_network(LAB_NETWORK.plain(), shape), read_plan({}), len(images.x_train))
for name, operations in real_feeds(model, images.x_train, images.y_train, lab.size(gpu=128, simulator=16)).items():
    share = attempt(input_share, *operations)
    if share is None:
        break
    print(f"{name:16} {max(share, 0):.0%} of a step waits for data")

# %% [markdown]
# **Explain.** Where a batch takes less time than a step, the toy says 0 %. Why not `load / (load + compute)`?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** `step` returns before the work is done, so the host makes the next batch *while* the device trains: only what takes
# longer than the step is waited for. All of CIFAR-10 is 150 MB as bytes. It fits any GPU, so the best pipeline is none: keep the
# images there, shuffle and augment them there. Without a GPU the "device" is the CPU that makes the batches too, and they take
# time from each other.

# %% [markdown]
# ---
# ## Stage 2: images that are never twice the same
#
# **Idea.** 1.25 million parameters can learn 50,000 pictures by heart. A truck that is mirrored, moved by two pixels or a little
# brighter is still a truck, and new to the network. To make it, ask each *new* pixel: **where do I come from?** Moved by `dx` to
# the right, the pixel at column `j` was at column `j - dx`. What moves in from outside is the image, reflected: `c b | a b c d`.

# %% [markdown]
# **Predict.** Mirrored or not, moved by -2 to 2 pixels along and down: how many **different images** are there of one?

# %%
my_prediction = ...

# %%
compare(my_prediction, 2 * 5 * 5, "images")

# %% [markdown]
# **Implement.** An image comes as nested lists, rows, columns, channels; NumPy arrays may be returned. `move`: mirror left to right
# first, if `mirror`, then move. `turned_from`: the image turns counter-clockwise about its middle, row `(height - 1) / 2`; where
# was pixel (row, column) before? `recolour`: multiply by `brightness`, then scale the distance to the mean of all values by
# `contrast`, then cut off at 0 and 1.

# %% nbgrader={"grade": false, "grade_id": "augment", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: augment
import math
import numpy as np

def move(image, mirror, dx, dy):
    """The image mirrored, then moved dx to the right and dy down, reflected at its border."""
    # about 6 lines; np.pad has a mode
    ### BEGIN SOLUTION
    image = np.array(image)
    if mirror:
        image = image[:, ::-1]
    room = max(abs(dx), abs(dy))
    padded = np.pad(image, ((room, room), (room, room), (0, 0)), mode="reflect")
    return padded[room - dy : room - dy + image.shape[0], room - dx : room - dx + image.shape[1]]
    ### END SOLUTION

def turned_from(row, column, height, width, degrees):
    """(row, column) that a pixel of the turned image comes from."""
    # about 5 lines
    ### BEGIN SOLUTION
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    middle_row, middle_column = (height - 1) / 2, (width - 1) / 2
    down, along = row - middle_row, column - middle_column
    return middle_row + cos * down + sin * along, middle_column + cos * along - sin * down
    ### END SOLUTION

def recolour(image, brightness, contrast):
    """Brightness, then contrast about the mean, values in 0..1."""
    # about 3 lines
    ### BEGIN SOLUTION
    bright = np.array(image) * brightness
    return np.clip(bright.mean() + contrast * (bright - bright.mean()), 0, 1)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_augment", "locked": true, "points": 18, "schema_version": 3, "solution": false, "task": false}
check("augment")

# %% [markdown]
# **Measure.** Look at them: would you still know what they are?

# %%
one = images.x_train[7].astype(np.float32) / 255
rows = {
    "moved": [attempt(move, one, mirror, dx, dy) for mirror, dx, dy in [(False, 4, 0), (False, 0, -4), (True, 0, 0), (True, 4, 4)]],
    "recoloured": [attempt(recolour, one, b, c) for b, c in [(0.6, 1), (1.4, 1), (1, 0.5), (1, 1.8)]],
}
image_rows({"as it is": one[None]} | {name: [image for image in row if image is not None] or one[:0, None] for name, row in rows.items()})

# %% [markdown]
# On the GPU this is done for all images of a batch at once, inside the compiled step: one change of coordinates for mirroring, moving
# and turning together, one 3 x 3 matrix for all colours. That is `gpulabs.augmentation`; a plan asks for it by name.

# %%
import tensorflow as tf
from gpulabs.augmentation import Augmentation, augmenter

batch = tf.constant(np.repeat(one[None], 8, axis=0))
kinds = {"flip, shift": Augmentation(flip=True, shift=4), "rotate": Augmentation(rotate=30),
         "colour": Augmentation(brightness=0.4, contrast=0.4, hue=40), "cutout": Augmentation(cutout=6)}
image_rows({name: augmenter(kind)(batch, tf.constant([0, 1])).numpy() for name, kind in kinds.items()})

# %% [markdown]
# **Explain.** For digits, which of these would do harm? And for photographs?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** 50 images of one, and 50,000 of them: 2.5 million. But they are not as different as 50 photographs: augmentation
# tells the network what does *not* matter. So it must not: a mirrored 2 is no digit, a car on its roof is no photograph anyone
# takes. Every kind is an assumption about the data.

# %% [markdown]
# ---
# ## Stage 3: images to choose by
#
# **Idea.** You will try plans and keep the best. If the *test images* say which is best, they no longer test: of twenty plans
# one is lucky on just these 10,000 images. So a part of the **training set** is held out: not trained on, used to choose. The
# test images are for the end, and for the grader, which keeps their labels from every process that runs your code.
#
# **Predict.** A plan is right on 82 % of all images there are. You try it on 1,000 held-out ones. By how many **percentage
# points** will the result typically be off (one standard deviation)?

# %%
my_prediction = ...

# %%
compare(my_prediction, 100 * math.sqrt(0.82 * 0.18 / 1000), "percentage points")

# %% [markdown]
# **Implement.** Images have numbers: `0` to `train_images - 1` are the training set, the test images follow. Return two lists of
# numbers: those to train on, and `held_out` of them to choose by.

# %% nbgrader={"grade": false, "grade_id": "split", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: split
def split(train_images, test_images, held_out):
    """(numbers to train on, numbers held out)"""
    # about 2 lines
    ### BEGIN SOLUTION
    first = train_images - held_out
    return list(range(first)), list(range(first, train_images))
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_split", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check("split")

# %% [markdown]
# **Measure.** A network that is right on 82 % of all images, judged a hundred times on few and on many:

# %%
rng = np.random.default_rng(0)
for count in (100, 1000, 10_000):
    shares = rng.binomial(count, 0.82, 100) / count
    print(f"{count:6,} images: from {shares.min():.1%} to {shares.max():.1%}")
parts = attempt(split, len(images.x_train), len(images.x_test), lab.size(gpu=5000, simulator=150))
held_out = parts[1] if parts else None

# %% [markdown]
# **Explain.** Two plans differ by half a percentage point on 1,000 images. What do you know?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** Next to nothing: chance alone moves each by 1.2. More images help with the square root, more seeds as well. The grader
# trains your plan with several seeds and counts the *lower bound* of its accuracy, beside the plan as given in the same run.

# %% [markdown]
# ---
# ## Stage 4: gradients in sixteen bits
#
# **Idea.** Tensor cores multiply 16-bit numbers several times faster than 32-bit ones. **bfloat16** keeps the range of float32
# with 3 digits. **float16** has 4 digits, but a small range: it ends at 65,504 and below 6e-8 all is 0. Gradients are small,
# so the loss is multiplied by a **scale** before gradients are taken, and they are divided by it afterwards, in float32.
#
# **Predict.** The smallest float16 above 0 is 2 to the power of *what*?

# %%
my_prediction = ...

# %%
compare(-my_prediction if isinstance(my_prediction, int | float) else my_prediction, 24, "as a negative power of two")

# %% [markdown]
# **Implement.** The largest power of two by which the largest gradient can be multiplied and still be at most 65,504; at least 1.

# %% nbgrader={"grade": false, "grade_id": "precision", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: precision
import math

def loss_scale(largest_gradient):
    """Largest power of two, 1 at least, that keeps the largest gradient within float16."""
    # about 2 lines
    ### BEGIN SOLUTION
    room = 65504 / largest_gradient
    return max(1, 2 ** math.floor(math.log2(room)))
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_precision", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check("precision")

# %% [markdown]
# **Measure.** The gradients of one step of this network, and what float16 would keep of them: as they are, and scaled. Below 2 to
# the power of -14, the darker part, digits are lost; below -24 all is.

# %%
x, y = images.x_train[:32].astype(np.float32) / 255, images.y_train[:32]
with tf.GradientTape() as tape:
    loss = model.compute_loss(x, y, model(x, training=True))
gradients = np.concatenate([tf.reshape(one, -1) for one in tape.gradient(loss, model.trainable_variables)])
scale = attempt(loss_scale, float(np.abs(gradients).max()))
gradient_histogram(gradients, [1, scale] if scale else [1])

# %% [markdown]
# **Explain.** Why a power of two, and not 50,000?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** A power of two changes the exponent alone: no digit is rounded, and dividing by it gives back exactly what was there. In
# practice the scale follows the gradients: double it now and then, halve it when something becomes infinite. bfloat16 needs none of
# this, which is why it is the usual choice on GPUs that have it.

# %% [markdown]
# ---
# ## Stage 5: the recipe
#
# **Idea.** You hand in no model but a **recipe**: the network as a list of layers, the training as a dictionary, both plain values.
# The grader builds and trains them itself. The network of this lab, for images of 32 x 32 x 3; all convolutions are 3 x 3:
#
# | block | layers |
# | --- | --- |
# | twice, with 32, then 64 filters | Conv2D same, relu; BatchNormalization; Conv2D valid, relu; MaxPooling2D; Dropout 0.25 |
# | then | Flatten; Dense 512, relu; BatchNormalization; Dropout 0.5 |
# | at the end | Dense, one output a class, softmax |
#
# A layer is `{"layer": "Conv2D", "filters": 32, "kernel_size": 3, "padding": "same", "activation": "relu"}`; others take `rate`, `units`
# or nothing. A plan is a dictionary, of which you need what you want otherwise than given:
#
# | setting | for example | as given |
# | --- | --- | --- |
# | `optimizer` | `{"name": "sgd"}`, `{"name": "adamw", "weight_decay": 0.01}` | adam |
# | `schedule` | `{"name": "cosine", "rate": 0.01, "warm_up": 0.1}`, `linear`, `one_cycle`, `piecewise` | constant, 0.001 |
# | `augmentation` | `{"flip": True, "shift": 1}`, `rotate`, `brightness`, `contrast`, `saturation`, `hue`, `cutout` | none |
# | `precision` | `mixed_bfloat16`, `mixed_float16` | `float32` |
# | `epochs`, `batch_size`, `label_smoothing` | | 20, 128, 0 |

# %% [markdown]
# **Predict.** Of the 1,253,290 parameters, what **percentage** belongs to the Dense layer of 512, whose input is 6 x 6 x 64?

# %%
my_prediction = ...

# %%
compare(my_prediction, 100 * (6 * 6 * 64 + 1) * 512 / LAB_NETWORK.parameters, "%")

# %% [markdown]
# **Implement.** `network(classes)` returns the layers. `training_plan(epochs)` returns a plan for so many epochs whose learning
# rate falls to a tenth or less of its largest value, and whose images vary. The plan as given reaches 79.0 % (one H200, CIFAR-10
# decoded from JPEG; the official pixels give some points more); above 82 % is possible in the same 20 epochs.

# %% nbgrader={"grade": false, "grade_id": "recipe", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: recipe
def network(classes):
    """Layers, in order, each a dictionary."""
    # about 14 lines
    ### BEGIN SOLUTION
    layers = []
    for filters in (32, 64):
        convolution = {"layer": "Conv2D", "filters": filters, "kernel_size": 3, "activation": "relu"}
        layers += [{**convolution, "padding": "same"}, {"layer": "BatchNormalization"}, convolution]
        layers += [{"layer": "MaxPooling2D"}, {"layer": "Dropout", "rate": 0.25}]
    layers += [{"layer": "Flatten"}, {"layer": "Dense", "units": 512, "activation": "relu"}]
    layers += [{"layer": "BatchNormalization"}, {"layer": "Dropout", "rate": 0.5}]
    return [*layers, {"layer": "Dense", "units": classes, "activation": "softmax"}]
    ### END SOLUTION

def training_plan(epochs):
    """How it is trained: a dictionary."""
    # about 8 lines
    ### BEGIN SOLUTION
    return {
        "epochs": epochs,
        "optimizer": {"name": "adamw", "weight_decay": 0.05},
        "schedule": {"name": "cosine", "rate": 4e-3, "warm_up": 0.15},
        "augmentation": {"flip": True, "shift": 2},
        "precision": "mixed_bfloat16",
    }
    ### END SOLUTION

# %% [markdown]
# Before you train, count: which line of this table differs from yours?

# %%
layers, plan = attempt(network, 10), attempt(training_plan, 20)
print(LAB_NETWORK.summary() if layers is None else read_network(layers).summary())

# %%
rates = {"as given": read_plan({}).learning_rates(50_000)}
if plan is not None:
    rates["mine"] = read_plan(plan).learning_rates(50_000)
rate_curves(rates)

# %% [markdown]
# **Measure.** The same network by the plan as given and by yours, with the images held out in stage 3. Change one thing at a time,
# and choose by the solid lines. Without a GPU this is a small run on digits, four epochs of small batches, nothing mirrored: it
# shows *whether* a plan learns, and with so few images it can't show which one is better.

# %%
trials = {
    "as given": trial.try_recipe(layers, {}, images, held_out),
    "mine": trial.try_recipe(layers, plan, images, held_out),
}
training_curves(trials)

# %% [markdown]
# **GPU against CPU**, both measured in this run. Without a GPU only one of them.

# %%
if layers is not None and plan is not None:
    devices = ["CPU", "GPU"] if lab.gpu else ["CPU"]
    times = {device: trial.step_ms(layers, plan, images, device, steps=5) for device in devices}
    print(", ".join(f"{device}: {time:.1f} ms a step" for device, time in times.items()))
    if lab.gpu:
        print(f"the GPU is {times['CPU'] / times['GPU']:.0f} times as fast as this machine's CPU")

# %% [markdown]
# **Check.** Anywhere: can network and plan be read, and does the network learn by the plan in a small run? On a GPU with CIFAR-10
# your recipe is trained in full, with several seeds, beside the plan as given: that takes some minutes.

# %% nbgrader={"grade": true, "grade_id": "check_recipe", "locked": true, "points": 42, "schema_version": 3, "solution": false, "task": false}
check("recipe")

# %% [markdown]
# **Explain.** With augmentation the dashed line lies *below* the solid one: the network seems to know its training images less well
# than others. How can that be?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** Nearly all parameters are in one Dense layer, and they do a twentieth of the multiplications: parameters cost
# memory, windows cost time. And the dashed line is measured on harder questions: images moved and mirrored, half of the values
# dropped. What overfits shows the opposite: dashed near 100 %, solid far below it, and no longer rising.

# %% [markdown]
# ---
# ## Stage 6: reading the result
#
# **Idea.** One number hides what happened. A **confusion matrix** counts: row by what an image *is*, column by what it was *taken for*.
# The diagonal is right, everything else is an error with a name.
#
# **Predict.** Of ten classes, how many different **pairs** are there that can be taken for each other?

# %%
my_prediction = ...

# %%
compare(my_prediction, 10 * 9 / 2, "pairs")

# %% [markdown]
# **Implement.** `confusion` returns `classes` rows of `classes` counts. `most_confused` returns the `pairs` pairs of classes with the most
# errors, both directions added, the worst first, as `[a, b]` with a < b.

# %% nbgrader={"grade": false, "grade_id": "reading", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: reading
def confusion(truth, predicted, classes):
    """matrix[t][p]: images that are t and were taken for p."""
    # about 4 lines
    ### BEGIN SOLUTION
    matrix = [[0] * classes for _ in range(classes)]
    for is_, taken_for in zip(truth, predicted):
        matrix[is_][taken_for] += 1
    return matrix
    ### END SOLUTION

def most_confused(matrix, pairs):
    """[[a, b], ...], the most errors first."""
    # about 4 lines
    ### BEGIN SOLUTION
    classes = range(len(matrix))
    errors = [(matrix[a][b] + matrix[b][a], a, b) for a in classes for b in classes if a < b]
    return [[a, b] for _, a, b in sorted(errors, reverse=True)[:pairs]]
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_reading", "locked": true, "points": 14, "schema_version": 3, "solution": false, "task": false}
check("reading")

# %% [markdown]
# **Measure.** The test images, once, by your plan.

# %%
mine = trials["mine"]
predicted = images.y_test * 0 if mine is None else mine.predicted
matrix = attempt(confusion, images.y_test.tolist(), predicted.tolist(), 10) if mine else None
confusion_map(matrix, images.names)

# %%
pairs = attempt(most_confused, matrix, 3) if matrix else None
confused_pairs(pairs, images.x_test, images.y_test, predicted, images.names)

# %% [markdown]
# **Explain.** Look at the pictures of the worst pair. Which of them would you have got right, and by what?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** Of 45 pairs a few make most of the errors: on CIFAR-10 cat and dog, whose pictures differ in little that is left at
# 32 x 32. Such a pair says what would help: more pixels, more pictures of these two, or a label that was wrong to begin with.

# %% [markdown]
# ---
# ## Stage 7: an open challenge
#
# Time to an accuracy: seconds of training until the held-out images are that accurate, compilation included. It is not graded, and
# everything is allowed that a recipe can say: another network, a larger batch, fewer epochs with a steeper schedule, less
# precision. Add your trials to the board. How far this goes: Keller Jordan's airbench, a network made for such races, got 90.7 % of
# the JPEG set right after 1.35 s of training on one H100.

# %%
board = dict(trials)
# board["steeper"] = trial.try_recipe(layers, {**plan, "epochs": 10}, images, held_out)
accuracy_race(board, lab.size(gpu=0.75, simulator=0.7))

# %% [markdown]
# ## What you have learned
#
# A step waits for whatever is slower; the best pipeline has nothing to carry. Augmentation says what does not matter. Choose by
# images that are neither trained on nor tested on, and mistrust half a percentage point. A recipe as plain values can be
# trained by anyone, again. And one number is the beginning of reading a result.
