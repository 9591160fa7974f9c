"""The case plain in SimPy: one queue, 150 slots, at most 1,000 waiting calls, 10,000
calls a second of 10 ms each, without any check. Its argument is how many calls there are;
it prints the figures of a run as JSON.

SimPy 3 or newer; Debian has it as python3-simpy3."""

import json
import random
import sys

import simpy

SLOTS, MOST = 150, 1000


def call(env, slots, draw, done):
    with slots.request() as slot:
        yield slot
        yield env.timeout(draw.expovariate(100))
    done[0] += 1


def calls(env, slots, draw, executions, done, refused):
    for _ in range(executions):
        yield env.timeout(draw.expovariate(10_000))
        if len(slots.queue) < MOST:
            env.process(call(env, slots, draw, done))
        else:
            refused[0] += 1


def main():
    executions = int(sys.argv[1])
    env, draw, done, refused = simpy.Environment(), random.Random(1), [0], [0]
    slots = simpy.Resource(env, capacity=SLOTS)
    env.process(calls(env, slots, draw, executions, done, refused))
    env.run()
    if done[0] + refused[0] != executions:
        sys.exit("%d of %d calls have ended" % (done[0] + refused[0], executions))
    print(json.dumps({"Executions": done[0]}))


main()
