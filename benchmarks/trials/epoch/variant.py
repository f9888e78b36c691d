"""One variant of the trainer in a fresh process: one RESULT line. Arguments: NAME JSON.

JSON: xla (flags), off (predicates of gpulabs.training.lowering to switch off), unroll (steps a loop's body does),
bias ("apart": not a row of the matrix), precision, epochs, n, val, keep (folder), profile.
"""
import hashlib, json, os, sys, time
t0 = time.time()
name, opt = sys.argv[1], json.loads(sys.argv[2])
O = dict(epochs=6, n=50000, precision="mixed_bfloat16", keep="", xla="", off=[], unroll=1, bias="", profile=False, val=True, batch=128, det=False)
O.update(opt)
here = os.path.dirname(os.path.abspath(__file__))
os.environ["XLA_FLAGS"] = O["xla"]
if O["keep"]:
    os.environ["GPULABS_DATA"] = O["keep"]
from gpulabs.training import prepare
prepare(keep=bool(O["keep"]))
import numpy as np, tensorflow as tf, keras
import gpulabs
from gpulabs import training
from gpulabs.networks import lab_cnn
from gpulabs.training import lowering, program
t1 = time.time()
for each in O["off"]:
    assert hasattr(lowering, each), each
    setattr(lowering, each, lambda *a: False)
if O["bias"] == "apart":
    with_row = lowering.convolve
    lowering.convolve = lambda x, w, b, p: with_row(x, w, None, p) + b
if O["unroll"] > 1:
    plain = tf.while_loop
    def several(cond, body, state):
        def more(*s):
            for _ in range(O["unroll"]):
                s = body(*s)
            return s
        return plain(cond, more, state)
    tf.while_loop = several
if os.environ.get("LOCK"):
    import fcntl
    lock_file = open(os.environ["LOCK"], "w")
    fcntl.flock(lock_file, fcntl.LOCK_EX)
path = os.environ.get("CIFAR", "")
if os.path.exists(path):
    d = np.load(path)
    xt, yt, xv, yv = d["x_train"][: O["n"]], d["y_train"].reshape(-1)[: O["n"]], d["x_test"], d["y_test"].reshape(-1)
else:
    r = np.random.default_rng(0)
    m = min(O["n"], 1280)
    xt, yt, xv, yv = r.integers(0, 256, (m, 32, 32, 3), np.uint8), r.integers(0, 10, m), r.integers(0, 256, (64, 32, 32, 3), np.uint8), r.integers(0, 10, 64)
for g in tf.config.list_physical_devices("GPU"):
    tf.config.experimental.set_memory_growth(g, True)
keras.utils.set_random_seed(0)
model = lab_cnn(precision=O["precision"], seed=0)
adam = keras.optimizers.Adam(1e-3)
if O["precision"] == "mixed_float16":
    adam = keras.optimizers.LossScaleOptimizer(adam)
model.compile(adam, keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
times = []
class Clock(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None): self.t = time.time()
    def on_epoch_end(self, epoch, logs=None):
        times.append(round(time.time() - self.t, 4))
        if epoch == O["epochs"] - 1 and O["profile"]: profile()
def profile():
    import ctypes
    cuda = ctypes.CDLL("libcuda.so.1"); ctx = ctypes.c_void_p()
    print("profiler", cuda.cuInit(0), cuda.cuDevicePrimaryCtxRetain(ctypes.byref(ctx), 0), cuda.cuCtxSetCurrent(ctx), cuda.cuProfilerStart(), flush=True)
t2 = time.time()
e = O["epochs"] + (1 if O["profile"] else 0)
h = training.fit(model, xt, yt, epochs=e, batch_size=O["batch"], validation_data=(xv, yv) if O["val"] else None, callbacks=[Clock()], verbose=0, deterministic=O["det"], xla=True)
t3 = time.time()
steady = sorted(times[1:])[len(times[1:]) // 2] if len(times) > 1 else None
print("RESULT " + json.dumps(dict(name=name, steady=steady, first=times[0], fit_s=round(t3 - t2, 3), model_s=round(t2 - t1, 2), import_s=round(t1 - t0, 2), times=times, opt=opt,
      program=h.params["program"], src=os.path.dirname(gpulabs.__file__),
      sha=hashlib.sha256(b"".join(np.asarray(w).tobytes() for w in model.get_weights())).hexdigest()[:12],
      **{k: [round(v, 4) for v in vs] for k, vs in h.history.items()})), flush=True)
