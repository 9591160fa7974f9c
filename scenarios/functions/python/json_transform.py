"""json-transform: applies steps to an object, or to each object of an array.

{"data": …, "steps": [{"op": "pick|drop", "keys": […]},
{"op": "rename", "from": …, "to": …}, {"op": "set", "key": …, "value": …}]}
"""

from function import BadInput, serve


def apply(step, data):
    if isinstance(data, list):
        return [apply(step, item) for item in data]
    if not isinstance(data, dict):
        raise BadInput("json-transform: data must be an object or an array of objects")
    op = step.get("op")
    if op == "pick":
        return {k: data[k] for k in step["keys"] if k in data}
    if op == "drop":
        return {k: v for k, v in data.items() if k not in step["keys"]}
    if op == "rename":
        return {step["to"] if k == step["from"] else k: v for k, v in data.items()}
    if op == "set":
        return {**data, step["key"]: step["value"]}
    raise BadInput(f'json-transform: unknown op "{op}"')


def handle(data):
    if not isinstance(data, dict) or data.get("data") is None:
        raise BadInput('json-transform: the input must be {"data": object or array, "steps": array}')
    result = data["data"]
    for step in data.get("steps", []):
        result = apply(step, result)
    return result


serve(handle)
