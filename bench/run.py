#!/usr/bin/env python3
"""What things cost: neap beside whichever peers are installed, on one core, taking turns.

  bench/run.py [WORKLOAD ...] [--peers a,b] [--repeats N] [--quick]

A workload is a folder and a peer is a file in it; its extension says how it runs, and project.lua is
neap. All peers of a workload do the same work and show the same sum. What cannot run (no such tool, no
such module) is left out and named. PROJECT_PATH is the folder of neap's build if it is not build/; what
the peers need is built in build/bench, where results.json has the figures of the last run.
"""
import argparse
import functools
import json
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "build" / "bench"
BUILD = Path(os.environ.get("PROJECT_PATH", HERE.parent / "build")).resolve()
LUA = os.environ.get("LUA", "lua5.4")
REPEATS = 5
BUDGET_S = 8     # a peer that has run this long on a variant is not repeated
TIMEOUT_S = 150  # one run
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []

# key: the figure compared, by CPU time (on a quiet core that is the time it takes; a disturbed one does not
# change it much); low: smaller is better; beside: what else is shown.
WORKLOADS = {
    "switch": dict(variants={"1 x 1M": dict(tasks=1, yields=1_000_000), "1000 x 1000": dict(tasks=1000, yields=1000)}),
    "spawn": dict(variants={"1M by 10k": dict(total=1_000_000, batch=10_000)}),
    "queue": dict(variants={"maxsize=1": dict(maxsize=1, items=1_000_000), "pingpong": dict(rounds=300_000),
                            "maxsize=128": dict(maxsize=128, items=1_000_000)}),
    "lock": dict(variants={"100 x 10k": dict(tasks=100, acquires=10_000)}),
    "cancel": dict(variants={"1 x 200k": dict(tasks=1, n=200_000), "1000 x 200": dict(tasks=1000, n=200)}),
    "fail": dict(variants={"200k": dict(total=200_000)}),
    "parked": dict(variants={"1 x 1M": dict(tasks=1, awaits=1_000_000), "1000 x 1000": dict(tasks=1000, awaits=1000)}),
    "stacks": dict(folder="parked", key="bytes_per_task", low=True, beside="cpu_s", variants={"10k": dict(n=10_000)}),
    "sleepers": dict(key="cpu_s", low=True, beside="bytes_per_task", variants={
        "100k": dict(n=100_000), "1M": dict(n=1_000_000)}),
    "echo": dict(key="req_per_cpu_s", beside="req_per_s", variants={
        "64 x 64 B": dict(conns=64, size=64), "64 x 1 KiB": dict(conns=64, size=1024),
        "64 x 16 KiB": dict(conns=64, size=16384), "1000 x 1 KiB": dict(conns=1000, size=1024)}),
    "udp": dict(key="req_per_cpu_s", beside="req_per_s", variants={
        "64 x 64 B": dict(conns=64, window=1, size=64), "64 x 1 KiB": dict(conns=64, window=1, size=1024),
        "1 x 64 x 64 B": dict(conns=1, window=64, size=64)}),
    "files": dict(variants={"1 at once": dict(files=1000, rounds=5, limit=1),
                            "16 at once": dict(files=1000, rounds=5, limit=16)}),
    "unix": dict(key="req_per_cpu_s", beside="req_per_s", variants={
        "64 x 64 B": dict(conns=64, size=64), "64 x 1 KiB": dict(conns=64, size=1024)}),
    "idle": dict(folder="echo", key="bytes_per_conn", low=True, beside="cpu_us_per_conn", repeats=1, variants={
        "10k connections": dict(conns=10_000)}),
    "process": dict(key="ops_per_cpu_s", beside="ops_per_s", variants={"200 true, 8 at once": dict(total=200, width=8)}),
    "tls": dict(key="req_per_cpu_s", beside="kb_per_conn", variants={
        "64 x 64 B": dict(conns=64, size=64), "64 x 1 KiB": dict(conns=64, size=1024),
        "64 x 16 KiB": dict(conns=64, size=16384), "1000 x 1 KiB": dict(conns=1000, size=1024)}),
    "startup": dict(key="cpu_ms", low=True, beside="wall_ms", repeats=15, variants={"empty main": {}}),
}
SLOW = {"sleepers / 1M": {"py_trio", "py_gevent"}}  # only if asked for: minutes, gigabytes

# Where, beside whom, and how neap should do: at least that ratio, at most so much more, at most so much.
TASKS = ["switch", "spawn", "queue", "lock", "cancel"]
TARGETS = [
    (TASKS, "py_asyncio", "ratio", 10),
    (TASKS, "py_uvloop py_gevent py_trio lua_cqueues lua_copas lua_luvco", "ratio", 1),
    (["switch", "queue", "lock", "cancel"], "js_node", "ratio", 1),
    (["spawn"], "js_node", "ratio", 0.8),
    (["switch / 1000 x 1000", "lock", "cancel"], "go", "ratio", 0.9),
    (["queue / pingpong"], "go", "ratio", 0.7),
    (["switch"], "lua_floor", "ratio", 1 / 1.7),
    (["fail"], "py_asyncio py_uvloop py_trio js_node", "ratio", 1),
    (["parked"], "py_gevent", "ratio", 1),
    (["sleepers / 1M"], "neap", "bytes_per_task", 1400),
    (["echo / 64 x 64 B", "echo / 64 x 1 KiB"], "c_uv", "ratio", 0.9),
    (["echo / 1000 x 1 KiB"], "c_uv", "ratio", 0.85),
    (["echo / 64 x 16 KiB"], "c_uv", "ratio", 0.8),
    (["echo"], "py_asyncio py_uvloop py_gevent py_trio lua_cqueues lua_copas lua_luv lua_luvco js_node", "ratio", 1),
    (["unix"], "c_uv", "ratio", 0.9),
    (["unix", "process"], "py_asyncio py_uvloop js_node", "ratio", 1),
    (["udp"], "c_uv", "ratio", 0.85),
    (["udp"], "py_asyncio py_uvloop lua_luv js_node", "ratio", 1),
    (["idle"], "py_asyncio py_uvloop js_node", "ratio", 1),
    (["tls"], "c_uv", "ratio", 0.85),
    (["tls"], "py_asyncio py_uvloop js_node go", "ratio", 1),
    (["startup"], "lua_luv", "more", 2),
]


# ---------------------------------------------------------------- programs

@functools.lru_cache(None)
def environment():
    lua = f"{BUILD}/?.lua;{BUILD}/?/init.lua;{HERE}/common/?.lua;"
    return dict(os.environ, PYTHONPATH=str(HERE / "common"), PYTHONDONTWRITEBYTECODE="1", GOMAXPROCS="1",
                LUA_PATH=lua + os.environ.get("LUA_PATH", ";"),
                LUA_CPATH=f"{BUILD}/?.so;{OUT}/?.so;" + os.environ.get("LUA_CPATH", ";"))


def output(*cmd, **options):
    return subprocess.run(cmd, check=True, capture_output=True, text=True, **options).stdout


@functools.lru_cache(None)
def works(*cmd):
    return bool(shutil.which(cmd[0])) and subprocess.run(cmd, env=environment(), capture_output=True).returncode == 0


@functools.lru_cache(None)
def python():
    """The interpreter that has most of the peers."""
    return max((sys.executable, "/usr/bin/python3"),
               key=lambda p: sum(works(p, "-c", f"import {m}") for m in ("asyncio", "uvloop", "gevent", "trio")))


def missing(source):
    """What is not there to run this peer, or None."""
    module = source.stem.split("_")[-1] if source.suffix in (".lua", ".py") else None
    if source.suffix == ".py":
        return None if works(python(), "-c", f"import {module}") else f"Python's {module}"
    if source.suffix == ".lua":
        module = {"project": "neap", "ordinary": "neap", "luvco": "luv", "floor": "luv", "poll": "luv", "coroutine": "luv"}.get(
            module, module)
        copas = "require('bench').older_paths() assert(require('copas').pause, 'too old')"
        return None if works(LUA, "-e", copas if module == "copas" else f"require '{module}'") else f"Lua's {module}"
    tool = {".js": "node", ".go": "go", ".c": "gcc"}[source.suffix]
    return None if shutil.which(tool) else tool


def build(source):
    """The program (or the Lua module in common) of a source, made anew when older than that."""
    common, workload = HERE / "common", source.parent.name
    out = OUT / f"{source.stem}.so" if source.parent == common else OUT / workload / source.stem
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.exists() and all(f.stat().st_mtime < out.stat().st_mtime for f in (source, *common.glob("bench.[gh]*"))):
        return str(out)
    if source.suffix == ".go":
        folder = OUT / "go" / workload
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / "main.go")
        shutil.copy(common / "bench.go", folder)
        output("go", "build", "-o", str(out), "main.go", "bench.go", cwd=folder)
    else:
        shared = ["-shared", "-fPIC", *output("pkg-config", "--cflags", "lua5.4").split()] if out.suffix else []
        libs = output("pkg-config", "--cflags", "--libs", "libuv", *(["openssl"] if workload == "tls" else [])).split()
        output("gcc", "-O2", f"-I{common}", *shared, str(source), "-o", str(out), *libs)
    return str(out)


def command(source):
    if source.suffix in (".go", ".c"):
        return [build(source)]
    if "floor" in source.stem:
        build(HERE / "common" / "floor.c")
    return [{".py": python(), ".lua": LUA, ".js": "node"}[source.suffix], str(source)]


def peers_of(workload, wanted):
    """{name: command}; tells what is left out."""
    found = {}
    for source in sorted((HERE / workload).iterdir()):
        name = "neap" if source.stem == "project" else source.stem
        if name == "loadgen" or source.suffix not in (".lua", ".py", ".js", ".go", ".c"):
            continue
        if wanted and name != "neap" and name not in wanted:
            continue
        try:
            lacks = missing(source)
            if not lacks:
                found[name] = command(source)
        except subprocess.CalledProcessError as e:
            lacks = (e.stderr.strip().splitlines() or [f"{e.cmd[0]} failed"])[0]
        except OSError as e:  # gcc or pkg-config
            lacks = str(e)
        if lacks:
            print(f"   {workload} without {name}: {lacks}")
    return found


# ---------------------------------------------------------------- one run

def pin(core=0):
    """What is started from here on runs on this one core, if there are so many."""
    if CORES:
        os.sched_setaffinity(0, {CORES[core % len(CORES)]})


def one_script(cmd, params):
    r = subprocess.run(cmd + [f"{k}={v}" for k, v in params.items()], env=environment(), capture_output=True,
                       text=True, timeout=TIMEOUT_S, cwd=HERE)
    if r.returncode or not r.stdout.strip():
        raise RuntimeError(f"exit {r.returncode}: {(r.stderr or r.stdout).strip()[-300:]}")
    r = json.loads(r.stdout.strip().splitlines()[-1])
    if "cpu_s" in r:
        r["ops_per_cpu_s"] = r["ops_per_s"] * r["wall_s"] / r["cpu_s"]
    if "n" in params:
        r["bytes_per_task"] = (r["rss_kb"] - r["rss0_kb"]) * 1024 / params["n"]
    return r


def one_startup(cmd, _):
    before, t = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(cmd, env=environment(), check=True, stdout=subprocess.DEVNULL, cwd=HERE, timeout=TIMEOUT_S)
    wall, after = time.perf_counter() - t, resource.getrusage(resource.RUSAGE_CHILDREN)
    return dict(wall_ms=wall * 1e3, cpu_ms=(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3)


def cpu_of(pid):
    return sum(int((t / "schedstat").read_text().split()[0]) for t in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def one_echo(cmd, params, workload="echo"):
    load = [build(HERE / workload / "loadgen.c")]
    server = subprocess.Popen(cmd, env=environment(), stdout=subprocess.PIPE, text=True, cwd=HERE)
    try:
        line = server.stdout.readline()
        if not line:
            raise RuntimeError("the server did not start")
        pin(1)  # the client
        before = cpu_of(server.pid)
        r = one_script(load, dict(params, port=json.loads(line)["port"], ms=1000, warm_ms=250))
        return dict(r, req_per_cpu_s=r["total"] / (cpu_of(server.pid) - before))
    finally:
        pin()
        server.kill()
        server.wait()
        server.stdout.close()


def one_unix(cmd, params):
    try:
        return one_echo(cmd, dict(params, unix=1))
    finally:
        for left in Path("/tmp").glob("neap-bench-*.sock"):
            left.unlink()


def resident_kb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def one_idle(cmd, params):
    """What the server's connections cost when each has had one message and nothing happens any more."""
    load = [build(HERE / "echo" / "loadgen.c"), "idle=1", f"conns={params['conns']}"]
    server = subprocess.Popen(cmd, env=environment(), stdout=subprocess.PIPE, text=True, cwd=HERE)
    client = None
    try:
        port = json.loads(server.stdout.readline())["port"]
        pin(1)  # the client
        rss, cpu = resident_kb(server.pid), cpu_of(server.pid)
        client = subprocess.Popen(load + [f"port={port}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if client.stdout.readline() != "idle\n":
            raise RuntimeError("the client gave up")
        rss, cpu = resident_kb(server.pid) - rss, cpu_of(server.pid) - cpu
        return dict(bytes_per_conn=rss * 1024 / params["conns"], cpu_us_per_conn=cpu * 1e6 / params["conns"])
    finally:
        pin()
        for process in filter(None, (client, server)):
            process.kill()
            process.communicate()


def certificate():
    """Of localhost, for a day; the servers find it in the environment."""
    cert, key = OUT / "tls" / "cert.pem", OUT / "tls" / "key.pem"
    if not cert.exists() or time.time() - cert.stat().st_mtime > 80_000:
        cert.parent.mkdir(parents=True, exist_ok=True)
        output("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
               "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(cert))
    return dict(BENCH_CERT=str(cert), BENCH_KEY=str(key))


def one_tls(cmd, params):
    """As one_echo; handshakes are not measured. Memory is that of the connections when they are idle."""
    load = [build(HERE / "tls" / "loadgen.c")]
    params = dict(params, ms=1000, warm_ms=250)
    server = subprocess.Popen(cmd, env=dict(environment(), **certificate()), stdout=subprocess.PIPE, text=True, cwd=HERE)
    client = None
    try:
        line = server.stdout.readline()
        if not line:
            raise RuntimeError("the server did not start")
        pin(1)  # the client
        rss = resident_kb(server.pid)
        client = subprocess.Popen(load + [f"{k}={v}" for k, v in dict(params, port=json.loads(line)["port"]).items()],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if not client.stdout.readline():
            raise RuntimeError(client.stderr.read()[-300:])
        time.sleep(0.1)
        rss, before = resident_kb(server.pid) - rss, cpu_of(server.pid)
        out, err = client.communicate("\n", timeout=TIMEOUT_S)
        if client.returncode:
            raise RuntimeError(err[-300:])
        r = json.loads(out)
        return dict(r, req_per_cpu_s=r["total"] / (cpu_of(server.pid) - before), kb_per_conn=rss / params["conns"])
    finally:
        pin()
        for process in filter(None, (client, server)):
            process.kill()
            process.wait()
            process.stdout.close()


def measure(workload, params, peers, repeats):
    """The runs of each peer, taking turns; one that fails is told, one that takes long is not repeated."""
    one = dict(echo=one_echo, udp=functools.partial(one_echo, workload="udp"), unix=one_unix, idle=one_idle, tls=one_tls,
               startup=one_startup).get(workload, one_script)
    runs, took, names = {p: [] for p in peers}, dict.fromkeys(peers, 0), [*peers]
    for turn in range(repeats):
        for p in names[turn % len(names):] + names[:turn % len(names)]:
            if took[p] > BUDGET_S:
                continue
            t = time.perf_counter()
            try:
                runs[p].append(one(peers[p], params))
                took[p] += time.perf_counter() - t
            except (RuntimeError, subprocess.SubprocessError, OSError, ValueError) as e:
                took[p] = float("inf")
                print(f"   {p} failed: {e}")
    checks = {p: r[0]["check"] for p, r in runs.items() if r and "check" in r[0]}
    if len(set(checks.values())) > 1:
        raise SystemExit(f"the peers did different work: {checks}")
    return {p: r for p, r in runs.items() if r}


# ---------------------------------------------------------------- telling

def human(x):
    return f"{x / 1e6:.2f}M" if x >= 1e6 else f"{x / 1e3:.1f}k" if x >= 1e4 else f"{x:.4g}"


def show(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    for first, *rest in rows:
        print("  ".join([first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(rest, widths[1:]))]), flush=True)


def tell(case, runs):
    """Prints and returns medians, and how many times as good as each peer neap is."""
    w = WORKLOADS[case.split(" / ")[0]]
    key, low, beside = w.get("key", "ops_per_cpu_s"), w.get("low", False), w.get("beside", "ops_per_s")
    r = {p: {k: statistics.median(x[k] for x in xs) for k in (key, beside)} for p, xs in runs.items()}
    own = r["neap"][key] if "neap" in r else float("nan")
    rows = [["peer", key, "best", "neap is", beside, "runs"]]
    for p in sorted(r, key=lambda p: r[p][key], reverse=not low):
        r[p].update(median=r[p][key], ratio=r[p][key] / own if low else own / r[p][key])
        best = (min if low else max)(x[key] for x in runs[p])
        rows.append([p, human(r[p][key]), human(best), f"{r[p]['ratio']:.2f}x", human(r[p][beside]), str(len(runs[p]))])
    print(f"\n{case}")
    show(rows)
    return r


def summary(results):
    peers = sorted({p for r in results.values() for p in r} - {"neap"})
    print("\nneap is so many times as fast, by CPU time:\n")
    show([["", *peers]] + [[case, *(f"{r[p]['ratio']:.2f}" if p in r else "-" for p in peers)]
                           for case, r in results.items()])


def targets(results):
    print("\nTargets:\n")
    for cases, peers, kind, bound in TARGETS:
        for peer in peers.split():
            found = []  # how much is missing, the figure, where
            for case, r in results.items():
                if case in cases or case.split(" / ")[0] in cases and {"neap", peer} <= set(r):
                    figure = (r[peer]["ratio"] if kind == "ratio" else r["neap"]["median"] - r[peer]["median"]
                              if kind == "more" else r["neap"][kind])
                    found.append((bound - figure if kind == "ratio" else figure - bound, figure, case))
            bad = sorted((f for f in found if f[0] > 0), reverse=True)
            what = (f"at least {bound:.3g} x {peer}" if kind == "ratio" else f"at most {bound} ms more than {peer}"
                    if kind == "more" else f"at most {bound} {kind}")
            if found:
                listed = "; ".join(f"{figure:.4g} {case}" for _, figure, case in bad or [max(found)])
                print(f"{'NOT reached' if bad else 'reached':12}{what}: {listed}")


def heading():
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=HERE, capture_output=True, text=True)
    cpu = Path("/proc/cpuinfo")
    cpu = re.search(r"model name\s*: (.*)", cpu.read_text()) if cpu.exists() else None
    return dict(date=time.strftime("%Y-%m-%d"), commit=commit.stdout.strip(),
                command=" ".join(["bench/run.py", *sys.argv[1:]]),
                machine=f"{cpu[1] if cpu else platform.machine()}, {len(CORES)} cores, load {os.getloadavg()[0]:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=" ".join(WORKLOADS))
    parser.add_argument("--peers", help="comma-separated; default: all that are installed")
    parser.add_argument("--repeats", type=int, help=f"runs of each, default {REPEATS}, fewer of the slow ones")
    parser.add_argument("--quick", action="store_true", help="one run of each, and not a million sleepers")
    options = parser.parse_args()
    if unknown := set(options.workloads) - set(WORKLOADS):
        parser.error(f"no such workload: {' '.join(unknown)}")
    if missing(HERE / "startup" / "project.lua"):
        sys.exit(f"neap does not load from {BUILD}: run make")
    OUT.mkdir(parents=True, exist_ok=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(12_000, hard)), hard))
    head, results, wanted = heading(), {}, options.peers and options.peers.split(",")
    print("\n".join(f"{k}: {v}" for k, v in head.items()))
    pin()
    for workload in options.workloads or WORKLOADS:
        w, peers = WORKLOADS[workload], peers_of(WORKLOADS[workload].get("folder", workload), wanted)
        for variant, params in w["variants"].items():
            case = f"{workload} / {variant}"
            if options.quick and case in SLOW:
                continue
            chosen = {p: c for p, c in peers.items() if wanted or p not in SLOW.get(case, ())}
            repeats = options.repeats or (1 if options.quick else w.get("repeats", REPEATS))
            results[case] = tell(case, measure(workload, params, chosen, repeats))
            (OUT / "results.json").write_text(json.dumps(dict(head, results=results), indent=1))
    summary(results)
    targets(results)


if __name__ == "__main__":
    main()
