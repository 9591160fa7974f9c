"""The function the soak runs as processes: it does what its input says."""
import json, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def work(data):
    time.sleep(data.get("ms", 0) / 1000)
    if data["do"] == "crash":
        os._exit(3)
    return {"n": data["n"]}


def lines():
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        answer = {"executionId": request["executionId"]}
        if request["input"]["do"] == "fail":
            answer["error"] = {"code": "ASKED_TO_FAIL", "message": "as asked"}
        else:
            answer["output"] = work(request["input"])
        print(json.dumps(answer), flush=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        self.answer(200, b"")

    def do_POST(self):
        data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"]
        if data["do"] == "fail":
            self.answer(500, b"as asked")
        else:
            self.answer(200, json.dumps(work(data)).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


if os.environ.get("PORT"):
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
else:
    lines()
