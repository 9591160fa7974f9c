# A function as functions frameworks serve it: any path and any method run the
# user's code, and what is a string is answered as text/html.
import os

from flask import Flask, request

app = Flask(__name__)
runs = 0


@app.route("/", defaults={"path": ""}, methods=["GET", "POST", "PUT", "DELETE"])
@app.route("/<path:path>", methods=["GET", "POST", "PUT", "DELETE"])
def run(path):
    global runs
    runs += 1
    body = request.get_json(silent=True)
    if isinstance(body, dict) and body.get("do") == "latin1":
        return "caf\u00e9".encode("latin-1"), 200, {"Content-Type": "text/html; charset=iso-8859-1"}
    if isinstance(body, dict) and body.get("do") == "no text":
        return b"\xff\xfe\xfa ok", 200, {"Content-Type": "text/plain"}
    name = body.get("name") if isinstance(body, dict) else request.get_data(as_text=True)
    return f"<p>{request.method} /{path} {name}, run {runs}</p>"


app.run(host="0.0.0.0", port=int(os.environ.get("PORT", "8080")))
