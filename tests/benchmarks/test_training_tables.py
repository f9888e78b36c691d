"""The page on the trainer says what its records hold, and what they don't."""

from __future__ import annotations

from scripts import training_tables


def run(total_s, *epoch_times_s, accuracy=0.8, **more):
    epochs = list(epoch_times_s)
    return {"total_s": total_s, "epoch_times_s": epochs, "test_accuracies": [accuracy] * len(epochs), **more}


def record(**cases):
    return {"images": "a set", "batch_size": 128, "cases": cases}


def test_without_a_record_it_says_so_and_what_is_asked():
    text = "\n".join(training_tables.on_a_gpu(None) + training_tables.on_a_cpu(None))

    assert "Not measured yet" in text
    assert "0.15 s at most" in text
    assert "has no record yet" in text


def test_what_was_asked_is_met_or_missed_by_its_own_number():
    cases = record(
        cold={"runs": [run(16.0, 5.0, *[0.2] * 19, model_s=1.5)]},
        second={"runs": [run(7.0, 1.0, *[0.2] * 19, model_s=0.9)]},
        plan={"runs": [run(9.0, 1.0, 0.2, accuracy=each) for each in (0.81, 0.82)]},
    )["cases"]

    rows = training_tables.verdicts(cases)[0].splitlines()[2:]

    assert [row.split("|")[-2].strip() for row in rows] == ["met", "missed", "missed", "missed"]
    assert "14.5" in rows[0]  # the model's making is not fit's
    assert "0.815" in rows[3]


def test_times_are_over_the_trainers_and_a_cpus_few_images_are_scaled():
    cases = {
        "cold": {"runs": [run(14.0, 5.0, *[0.2] * 19)]},
        "cpu": {"runs": [run(30.0, 6.0, 5.0)], "images": 12_500},
    }

    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in training_tables.times(cases)[0].splitlines()[2:]]

    assert rows[0][1:] == ["5.00", "0.200", "14.0", "1.00"]
    assert rows[1][1:] == ["-", "20.0", "-", "100"]


def test_a_whole_page_names_what_failed_and_what_is_missing():
    found = record(
        cold={"runs": [run(14.0, 5.0, *[0.2] * 19, model_s=1.5)]},
        given={"runs": [run(9.0, 1.0, 0.2, accuracy=0.79)]},
        augmentation={"runs": [run(9, 1.0, 0.2, augmentation="none"), run(9, 1.0, 0.25, augmentation="all")]},
        keras_fit={"runs": [], "failed": "Traceback\nValueError: no"},
    )

    text = "\n".join(training_tables.on_a_gpu(found))

    assert "20.0 %" in text  # of a step with all augmentation
    assert "keras_fit: ValueError: no" in text
    assert "Not measured in this record: second, torch_compile, plan" in text


def test_the_cpus_epoch_is_told_with_its_load():
    found = {
        **{"images": "a set", "cores": 2, "epoch_s": 210.4, "load_average": [3.0, 31.0], "bar_moved": 40},
        "history": {"val_accuracy": [0.61]},
    }

    text = training_tables.on_a_cpu(found)[0]

    assert "took 210 s at a load average of 3.0 to 31.0" in text
    assert "61.0%" in text
