#!/bin/sh
# A simplane function. It runs once for each call: the input is on standard input, what
# it prints is the output (JSON, or else a text), exit code 0 is success.
set -eu

input=$(cat)
echo "log lines go to standard error" >&2
printf '{"greeting": "Hello!", "bytes": %d}\n' "${#input}"
