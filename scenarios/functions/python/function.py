"""Speaks the function protocol for the Python examples (standard library only).

One program serves every runtime mode: the environment says which one is meant.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class BadInput(Exception):
    """The input is not what the function takes."""


def serve(handle):
    """Run handle(input) -> output until there is nothing more to do."""
    if os.environ.get("INPUT_FILE"):
        _serve_file(handle)
    elif os.environ.get("PORT"):
        _serve_http(handle)
    else:
        _serve_lines(handle)


def _serve_file(handle):
    with open(os.environ["INPUT_FILE"], encoding="utf-8") as f:
        data = json.load(f)
    try:
        output = handle(data)
    except BadInput as e:
        sys.exit(str(e))
    with open(os.environ["OUTPUT_FILE"], "w", encoding="utf-8") as f:
        json.dump(output, f)


def _serve_lines(handle):
    # readline, as iterating over stdin may wait for more than one line.
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        answer = {"executionId": request["executionId"]}  # lets simplane match it
        try:
            answer["output"] = handle(request["input"])
        except BadInput as e:
            answer["error"] = {"code": "BAD_INPUT", "message": str(e)}
        print(json.dumps(answer), flush=True)


def _serve_http(handle):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # keep connections open
        disable_nagle_algorithm = True
        wbufsize = -1  # head and body leave together

        def do_GET(self):
            self._answer(200 if self.path == "/health" else 404, b"")

        def do_POST(self):
            token = os.environ.get("SIMPLANE_INSTANCE_TOKEN")  # none in a pod
            if token and self.headers.get("X-Simplane-Instance-Token") != token:
                self.close_connection = True
                self._answer(403, b"only simplane calls this function", "text/plain")
                return
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                output = handle(json.loads(body)["input"])
            except BadInput as e:
                self._answer(400, str(e).encode(), "text/plain; charset=utf-8")
            else:
                self._answer(200, json.dumps(output).encode())

        def _answer(self, status, body, content_type="application/json"):
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass  # a line for each request says nothing new

    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
