// A service as Knative and Cloud Run start it: the port is in PORT, any path,
// CloudEvents in both modes; it answers with what it was sent.
const http = require("http");

http.createServer((req, res) => {
  const parts = [];
  req.on("data", (part) => parts.push(part));
  req.on("end", () => {
    const body = Buffer.concat(parts);
    const event = {};
    for (const [name, value] of Object.entries(req.headers)) {
      if (name.startsWith("ce-")) event[name] = value;
    }
    res.setHeader("Content-Type", "application/json");
    res.end(JSON.stringify({
      method: req.method, url: req.url, type: req.headers["content-type"], event,
      body: body.toString("utf8"), token: "x-simplane-instance-token" in req.headers,
    }));
  });
}).listen(Number(process.env.PORT || 8080), "0.0.0.0");
