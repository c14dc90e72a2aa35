"""Sleeps in what re.sub calls: greenlets copy the C stack away."""
import re

import gevent
from bench import ARGS, report, start

tasks, awaits = ARGS.get("tasks") or ARGS["n"], ARGS.get("awaits", 1)
text, pause = "x" * awaits, 1 if "n" in ARGS else 0


def worker():
    n = 0

    def each(match):
        nonlocal n
        gevent.sleep(pause)
        n += 1
        return match[0]

    re.sub(".", each, text)
    return n


t0 = start()
jobs = gevent.joinall([gevent.spawn(worker) for _ in range(tasks)])
report(t0, tasks * awaits, sum(j.value for j in jobs))
