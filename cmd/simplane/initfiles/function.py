"""A simplane function. It runs as a process that stays: one line of JSON on standard
input for each call, one line of JSON on standard output as its answer."""

import json
import sys


def handle(data):
    """What the function does: data is the input, the result is the output."""
    name = data.get("name", "world") if isinstance(data, dict) else "world"
    return {"greeting": "Hello, %s!" % name}


for line in sys.stdin:
    call = json.loads(line)
    try:
        answer = {"output": handle(call["input"])}
    except Exception as e:  # the caller is told, and the process goes on
        answer = {"error": {"code": "FAILED", "message": str(e)}}
    print(json.dumps(answer), flush=True)
