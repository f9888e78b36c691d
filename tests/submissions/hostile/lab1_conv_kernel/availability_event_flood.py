# The record is filled with events without end.
# attack: output floods
# defence: a limit on any file's size, a time limit, and a limit on what is read of it
# loses: everything

# %% task: launch_config
LINE = '{"event": "enter", "task": "launch_config", "case": null, "stage": "host"}\n' * 1000
with open("events.jsonl", "a") as record:
    while True:
        record.write(LINE)


def launch_config(n, h_out, w_out, k):
    return None
