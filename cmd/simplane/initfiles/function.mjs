// A simplane function. It runs as a process that stays: one line of JSON on standard
// input for each call, one line of JSON on standard output as its answer.

import { createInterface } from "node:readline";

// What the function does: data is the input, the result is the output.
async function handle(data) {
  return { greeting: `Hello, ${data?.name ?? "world"}!` };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { output: await handle(JSON.parse(line).input) };
  } catch (e) {
    answer = { error: { code: "FAILED", message: String(e?.message ?? e) } };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
