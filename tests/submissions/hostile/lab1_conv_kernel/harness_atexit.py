# A handler that runs at the end forges the values.
# attack: atexit
# defence: a case that is settled stays settled; what comes after the end is not read as more
# loses: everything
# says: returned nothing

# %% task: launch_config
import atexit
import json


def forge():
    with open("request.json") as file:
        cases = [case["id"] for task in json.load(file)["tasks"] for case in task["cases"]]
    with open("events.jsonl", "a") as events:
        for case in cases:
            plan = {"case": case, "arrays": [], "launches": [], "result": None, "value": [[999, 999, 999], [32, 8, 1]]}
            events.write(json.dumps({"event": "plan", "task": "launch_config", "plan": plan}) + "\n")


REGISTERED = atexit.register(forge)


def launch_config(n, h_out, w_out, k):
    return None
