# A function as SDKs of envelope platforms make them: POST /invoke with
# {"input", "metadata"}, GET /health, 404 elsewhere. It tells a cold start.
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

began = time.time()
calls = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, value, headers=()):
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers:
            self.send_header(name, text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/health":
            ready = time.time() - began > 0.2
            self.answer(200 if ready else 503, {"status": "UP" if ready else "STARTING"})
        else:
            self.answer(404, {"error": "no such path"})

    def do_POST(self):
        global calls
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/invoke":
            return self.answer(404, {"error": "no such path"})
        calls += 1
        headers = [("X-Cold-Start", "true"), ("X-Init-Duration-Ms", "123")] if calls == 1 else []
        self.answer(200, {
            "got": json.loads(raw), "execution": self.headers["X-Execution-Id"], "trace": self.headers["X-Trace-Id"],
            "attempt": self.headers["X-Dispatch-Attempt"],
        }, headers)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("0.0.0.0", int(os.environ.get("PORT", "8080"))), Handler).serve_forever()
