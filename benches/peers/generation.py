"""What the peers of `generation` share: a line of JSON in, a line of JSON out, and the clock between.

In comes `{"prompts": [[id, ..], ..], "tokens": N}`: all prompts, of one length, are continued together by N greedy tokens.
Out goes `{"ids": [[..], ..], "times": [[..], ..]}`: what was chosen, and when, in seconds since the command came.
The first line out is `{"version": ".."}`, once the model is loaded.
"""

import json
import sys
import time


def obey(version, start):
    """`start(prompts, tokens)` prepares what is not measured and returns a generator of steps, each the ids of all rows."""
    print(json.dumps({"version": version}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        prompts, tokens = command["prompts"], command["tokens"]
        if len({len(prompt) for prompt in prompts}) != 1:
            raise SystemExit("the prompts must be of one length")
        steps = start(prompts, tokens)
        ids, times = [], []
        begin = time.perf_counter()
        for step in steps:
            times.append(time.perf_counter() - begin)
            ids.append(step)
        if len(ids) != tokens:
            raise SystemExit(f"{len(ids)} tokens came of {tokens}")
        print(json.dumps({"ids": [list(row) for row in zip(*ids)], "times": [times] * len(prompts)}), flush=True)
