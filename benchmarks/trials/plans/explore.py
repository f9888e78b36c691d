"""Explore training plans for the lab CNN: one XLA program whose settings are inputs, so that it is compiled once."""
import json, os, sys, time
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
T0 = time.perf_counter()
import numpy as np
import tensorflow as tf
import keras
from types import SimpleNamespace
from gpulabs import augmentation as A
from gpulabs.networks import lab_cnn

OUT = os.environ.get("OUT", "/tmp"); TINY = os.environ.get("TINY"); LIMIT = float(os.environ.get("LIMIT", 230))
PRECISION = os.environ.get("PRECISION", "mixed_bfloat16")
LOG = open(f"{OUT}/explore_{PRECISION}.jsonl", "a", buffering=1)
def say(**k):
    k["at_s"] = round(time.perf_counter() - T0, 1); print(json.dumps(k), flush=True); LOG.write(json.dumps(k) + "\n")
gpus = tf.config.list_physical_devices("GPU")
for g in gpus: tf.config.experimental.set_memory_growth(g, True)
say(event="imported", gpus=len(gpus))

d = np.load(os.environ["CIFAR"])
X, Y, XT, YT = d["x_train"], d["y_train"].reshape(-1).astype(np.int32), d["x_test"], d["y_test"].reshape(-1).astype(np.int32)
B, EPOCHS = 128, 20
if TINY: X, Y, XT, YT, EPOCHS, B = X[:int(TINY)], Y[:int(TINY)], XT[:1000], YT[:1000], int(os.environ.get("EPOCHS", 2)), int(os.environ.get("BATCH", 128))
VAL = len(X) // 10
order = np.random.default_rng(0).permutation(len(X)); X, Y = X[order], Y[order]  # the last tenth chooses plans
DX, DY = tf.constant(X), tf.constant(Y)
HP = ["is_adam", "wd", "smooth", "ema", "flip", "shift", "rotate", "jitter", "hue", "cutout", "b1", "b2"]
model = lab_cnn(precision=PRECISION)
decay_mask = [1.0 if len(v.shape) > 1 else 0.0 for v in model.trainable_variables]
loss_scale = 1024.0 if PRECISION == "mixed_float16" else 1.0

def body_fn(step, params, state, m, v, ema, ema_state, total, hits, perm, lr, mom, hp, seed, t0):
    h = dict(zip(HP, tf.unstack(hp)))
    idx = tf.slice(perm, [step * B], [B])
    x = tf.cast(tf.gather(DX, idx), tf.float32) / 255.0
    y = tf.gather(DY, idx)
    s = SimpleNamespace(flip=h["flip"], shift=h["shift"], rotate=h["rotate"], brightness=h["jitter"], contrast=h["jitter"],
                        saturation=h["jitter"], hue=h["hue"], cutout=h["cutout"], fill="reflect")
    drawn = A.draw(A.uniform(tf.stack([seed, t0 + step]), B), s)
    x = A.hide(A.move(A.recolour(x, drawn, s), drawn, s), drawn, s)
    target = tf.one_hot(y, 10) * (1 - h["smooth"]) + h["smooth"] / 10
    with tf.GradientTape() as tape:
        for p in params: tape.watch(p)
        probs, new_state = model.stateless_call(params, state, x, training=True)
        loss = -tf.reduce_mean(tf.reduce_sum(target * tf.math.log(tf.clip_by_value(probs, 1e-7, 1.0)), axis=1))
        scaled = loss * loss_scale
    grads = [g / loss_scale for g in tape.gradient(scaled, params)]
    rate, mu = lr[step], mom[step]
    k = tf.cast(t0 + step + 1, tf.float32)
    c = tf.sqrt(1 - h["b2"]**k) / (1 - h["b1"]**k)
    np_, nm, nv, ne = [], [], [], []
    for p, g, a, b, e, w in zip(params, grads, m, v, ema, decay_mask):
        p = p - p * (h["wd"] * w * rate)
        is_adam = h["is_adam"] > 0.5
        a2 = tf.where(is_adam, h["b1"] * a + (1 - h["b1"]) * g, mu * a - rate * g)
        b2 = h["b2"] * b + (1 - h["b2"]) * g * g
        upd = tf.where(is_adam, -rate * c * a2 / (tf.sqrt(b2) + 1e-7), mu * a2 - rate * g)
        p = p + upd
        np_.append(p); nm.append(a2); nv.append(b2); ne.append(h["ema"] * e + (1 - h["ema"]) * p)
    nes = [h["ema"] * e + (1 - h["ema"]) * s if s.dtype == tf.float32 else s for e, s in zip(ema_state, new_state)]
    hits += tf.reduce_sum(tf.cast(tf.equal(tf.argmax(probs, 1, output_type=tf.int32), y), tf.float32))
    return (step + 1, np_, list(new_state), nm, nv, ne, nes, total + loss, hits)

@tf.function(jit_compile=not os.environ.get("NOJIT"))
def epoch(params, state, m, v, ema, ema_state, perm, steps, lr, mom, hp, seed, t0):
    loop = (tf.constant(0), list(params), list(state), list(m), list(v), list(ema), list(ema_state), tf.constant(0.0), tf.constant(0.0))
    out = tf.while_loop(lambda step, *_: step < steps, lambda *a: body_fn(*a, perm, lr, mom, hp, seed, t0), loop)
    return out[1:]

eval_model = lab_cnn(precision=PRECISION)
@tf.function
def logits(x): return eval_model(tf.cast(x, tf.float32) / 255.0, training=False)
def accuracy(params, state, x, y):
    for var, val in zip(eval_model.trainable_variables, params): var.assign(val)
    for var, val in zip(eval_model.non_trainable_variables, state): var.assign(val)
    n = min(1000, len(x))
    hit = sum(int((tf.argmax(logits(x[i:i + n]), 1).numpy() == y[i:i + n]).sum()) for i in range(0, len(x) - n + 1, n))
    return hit / (len(x) // n * n)

def schedule(kind, total, peak, warm):
    t = np.arange(total) / total
    up = np.minimum(1, 0.1 + 0.9 * t / max(warm, 1e-9))
    rest = np.clip((t - warm) / (1 - warm), 0, 1)
    down = {"constant": np.ones(total), "cosine": 0.5 * (1 + np.cos(np.pi * rest)), "linear": 1 - rest}[kind]
    return (peak * np.where(t < warm, up, down)).astype(np.float32)

BASE = dict(opt="sgd", peak=0.1, kind="cosine", warm=0.15, mom=0.9, wd=5e-3, smooth=0.0, ema=0.998, flip=1, shift=2, rotate=0.0,
            jitter=0.0, hue=0.0, cutout=0.0, plain_last=0, b1=0.9, b2=0.999)
def train(name, seed=0, full=False, **change):
    p = {**BASE, **change}; t = time.perf_counter()
    n = len(X) if full else len(X) - VAL
    steps = n // B; total = steps * EPOCHS
    fresh = lab_cnn(precision=PRECISION, seed=seed)
    params = [tf.convert_to_tensor(w.value) for w in fresh.trainable_variables]; state = [tf.convert_to_tensor(w.value) for w in fresh.non_trainable_variables]
    zeros = [tf.zeros_like(w) for w in params]; m, v, ema, ema_state = zeros, zeros, params, state
    lr = schedule(p["kind"], total, p["peak"], p["warm"]); mom = np.full(total, p["mom"], np.float32)
    rng = np.random.default_rng(1000 + seed); curve, times = [], []
    for e in range(EPOCHS):
        on = 0.0 if e >= EPOCHS - p["plain_last"] else 1.0
        hp = tf.constant([p["opt"] == "adamw", p["wd"], p["smooth"], p["ema"] if e else 0.98, p["flip"], p["shift"] * on, p["rotate"] * on, p["jitter"] * on, p["hue"] * on, p["cutout"] * on, p["b1"], p["b2"]], tf.float32)
        perm = np.zeros(len(X), np.int32); perm[:n] = rng.permutation(n)
        t1 = time.perf_counter()
        params, state, m, v, ema, ema_state, loss, hits = epoch(params, state, m, v, ema, ema_state, tf.constant(perm), tf.constant(steps),
            tf.constant(lr[e * steps:(e + 1) * steps]) if full else tf.constant(np.pad(lr[e * steps:(e + 1) * steps], (0, len(X) // B - steps))),
            tf.constant(np.resize(mom, len(X) // B)), hp, tf.constant(seed), tf.constant(e * steps))
        loss, hits = float(loss), float(hits); times.append(time.perf_counter() - t1)
        curve.append((round(loss / steps, 4), round(hits / steps / B, 4)))
        if not np.isfinite(loss): break
    x, y = (XT, YT) if full else (X[-VAL:], Y[-VAL:])
    acc, acc_ema = accuracy(params, state, x, y), accuracy(ema, ema_state, x, y)
    say(name=name, seed=seed, on="test" if full else "held out", acc=round(acc, 4), ema=round(acc_ema, 4), first_s=round(times[0], 2), epoch_s=round(float(np.median(times)), 3),
        wall_s=round(time.perf_counter() - t, 1), train_acc=[c[1] for c in curve], loss=[c[0] for c in curve], plan=p)
    return max(acc, acc_ema) if p["ema"] else acc
def left(): return LIMIT - (time.perf_counter() - T0)

if __name__ == "__main__":
    best = dict(opt="adamw", peak=4e-3, wd=0.05)
    bases = [train("base", seed=k, **best) for k in (0, 1)]
    base = sum(bases) / len(bases)
    factors = [("8e-3", dict(peak=8e-3)), ("b2 0.99", dict(b2=0.99)), ("wd 0.15", dict(wd=0.15)), ("plain last 3", dict(plain_last=3)), ("linear", dict(kind="linear")),
               ("b1 0.95 b2 0.99", dict(b1=0.95, b2=0.99)), ("flip only", dict(shift=0)), ("warm 0.3", dict(warm=0.3)), ("6e-3 wd 0.1", dict(peak=6e-3, wd=0.1)), ("wd 0.01", dict(wd=0.01)),
               ("sgd 0.1 wd 1e-2", dict(opt="sgd", peak=0.1, wd=1e-2)), ("sgd 0.1 wd 2e-3", dict(opt="sgd", peak=0.1, wd=2e-3)), ("sgd 0.1 mom 0.85", dict(opt="sgd", peak=0.1, wd=5e-3, mom=0.85)),
               ("jitter 0.1", dict(jitter=0.1, hue=5.0)), ("rotate 8", dict(rotate=8.0)), ("cutout 8", dict(cutout=8.0))]
    FINAL_S = float(os.environ.get("FINAL_S", 36))
    gains = [(0.0, "base", {})]
    for name, change in factors:
        if left() < FINAL_S: break
        gains.append((train(name, **{**best, **change}) - base, name, change))
    combined, taken = dict(best), []
    for gain, name, change in sorted(gains, key=lambda g: -g[0]):
        if gain > 0.002 and not set(change) & {k for _, _, c in taken for k in c}:
            combined |= change; taken.append((gain, name, change))
    say(event="combined", taken=[t[1] for t in taken], plan={**BASE, **combined})
    top = {**best, **max(gains, key=lambda g: g[0])[2]}
    scores = {"combined": (train("combined", seed=1, **combined), combined), "top": (train("top", seed=1, **top), top), "base": (base, best)}
    name = max(scores, key=lambda k: scores[k][0])
    for seed in range(5):
        if left() < 3: break
        train(f"chosen: {name}", seed=seed, full=True, **scores[name][1])
    say(event="done")
