"""From a declared network and plan to a trained Keras model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpulabs.augmentation import augmenter

if TYPE_CHECKING:
    from gpulabs.declared.network import Network
    from gpulabs.declared.plan import Plan


def compile_model(network: Network, plan: Plan, images: int, seed: int = 0) -> Any:
    """Builds the Keras model and compiles it as planned.

    Args:
        network: The layers.
        plan: Says how it is to be trained.
        images: That it will be trained on, which with the batch size gives the steps of the schedule.
        seed: Of the initial weights and of dropout.

    Returns:
        A compiled `keras.Model` from (N, H, W, C) float32 in [0, 1] to probabilities; labels are class indices.
    """
    import keras

    from gpulabs.declared.keras_parts import SmoothedCrossentropy, TabledRate
    from gpulabs.declared.plan import NOT_DECAYED

    model = network.build(plan.precision, seed)
    optimizer = plan.optimizer.build(TabledRate(plan.learning_rates(images)))
    if getattr(optimizer, "weight_decay", None):
        optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    if (
        plan.precision == "mixed_float16"
    ):  # Keras does this by itself only where the policy is the model's, not a layer's
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    loss = (
        SmoothedCrossentropy(plan.label_smoothing)
        if plan.label_smoothing
        else keras.losses.SparseCategoricalCrossentropy()
    )
    model.compile(optimizer, loss, metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")])
    return model


def train(network: Network, plan: Plan, x: Any, y: Any, *, seed: int = 0, **options: Any) -> tuple[Any, Any]:
    """Trains a network as planned.

    Args:
        network: The layers.
        plan: Says how.
        x: Images, (N, H, W, C) uint8, or float32 in [0, 1].
        y: Class indices, (N,).
        seed: Of weights, dropout, order of images and augmentation.
        **options: Of `gpulabs.training.fit`: `validation_data`, `checkpoint`, `callbacks`, `deterministic`.

    Returns:
        The trained Keras model, and its history.
    """
    model = compile_model(network, plan, len(x), seed)
    augment = augmenter(plan.augmentation)
    shape: dict[str, Any] = {"epochs": plan.epochs, "batch_size": plan.batch_size, "augment": augment, "seed": seed}
    return model, _fit(model, x, y, **shape, **options)


def _fit(model: Any, x: Any, y: Any, *, epochs: int, batch_size: int, augment: Any, seed: int, **options: Any) -> Any:
    """Keras's own fit behind the trainer's signature."""
    import tensorflow as tf

    def ready(images: Any) -> Any:
        return tf.cast(images, tf.float32) / 255 if images.dtype.is_integer else images

    def batch(step: Any, images_labels: Any) -> Any:
        images, labels = images_labels
        images = ready(images)
        if augment is not None:
            images = augment(images, tf.stack([seed, tf.cast(step, tf.int32)]))
        return images, labels

    images = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed)
    batches = images.batch(batch_size, drop_remainder=True).repeat().enumerate().map(batch).prefetch(tf.data.AUTOTUNE)
    validation = options.pop("validation_data", None)
    if validation is not None:
        given = tf.data.Dataset.from_tensor_slices(tuple(validation)).batch(batch_size)
        validation = given.map(lambda images, labels: (ready(images), labels))
    return model.fit(
        batches,
        epochs=epochs,
        steps_per_epoch=len(x) // batch_size,
        validation_data=validation,
        shuffle=False,  # batches are shuffled already
        verbose=options.pop("verbose", 0),
        **options,
    )
