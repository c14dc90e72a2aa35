#!/usr/bin/env python3
"""What things cost: neap beside whichever peers are installed, on one core, taking turns.

  bench/run.py [WORKLOAD ...] [--peers a,b] [--repeats N] [--quick]

A workload is a folder and a peer is a file in it; its extension says how it runs, and project.lua is neap.
All peers of a workload do the same work and show the same sum. What is missing (a tool, a module) is
left out and named. PROJECT_PATH is the folder of neap's build if it is not build/; what the peers need
is built in build/bench, and every figure of the last run is in build/bench/results.json.
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
ROOT = HERE.parent
OUT = ROOT / "build" / "bench"
BUILD = Path(os.environ.get("PROJECT_PATH", ROOT / "build")).resolve()
LUA = os.environ.get("LUA", "lua5.4")
REPEATS = 5
BUDGET_S = 8     # a peer that has run this long on a variant is not repeated
TIMEOUT_S = 150  # one run

# key: the figure compared; low: smaller is better; column: what is shown beside it.
WORKLOADS = {
    "switch": dict(variants={"1 x 1M": dict(tasks=1, yields=1_000_000), "1000 x 1000": dict(tasks=1000, yields=1000)}),
    "spawn": dict(variants={"1M by 10k": dict(total=1_000_000, batch=10_000)}),
    "queue": dict(variants={
        "maxsize=1": dict(maxsize=1, items=1_000_000), "maxsize=128": dict(maxsize=128, items=1_000_000),
        "pingpong": dict(rounds=300_000)}),
    "lock": dict(variants={"100 x 10k": dict(tasks=100, acquires=10_000)}),
    "cancel": dict(variants={"1 x 200k": dict(tasks=1, n=200_000), "1000 x 200": dict(tasks=1000, n=200)}),
    "sleepers": dict(key="cpu_s", low=True, column="bytes_per_task", variants={
        "100k": dict(n=100_000), "1M": dict(n=1_000_000)}),
    "echo": dict(key="req_per_s", column="srv_us_per_req", variants={
        "64 x 64 B": dict(conns=64, size=64), "64 x 1 KiB": dict(conns=64, size=1024),
        "64 x 16 KiB": dict(conns=64, size=16384), "1000 x 1 KiB": dict(conns=1000, size=1024)}),
    "startup": dict(key="wall_ms", low=True, column="cpu_ms", repeats=15, variants={"empty main": {}}),
}
SLOW = {("sleepers", "1M"): {"py_trio", "py_gevent"}}  # left out unless asked for: minutes, gigabytes

# Workloads ("/ variant"), peers, how neap compares: at least this ratio, at most this much more, at most.
SCRIPTING = "py_asyncio py_uvloop py_gevent py_trio lua_cqueues lua_copas lua_luv lua_luvco js_node"
TARGETS = [
    (["switch", "spawn", "queue", "lock", "cancel"], "py_asyncio", "ratio", 10),
    (["switch", "spawn", "queue", "lock", "cancel"], "py_uvloop py_gevent py_trio lua_cqueues lua_copas lua_luvco", "ratio", 1),
    (["switch", "queue", "lock", "cancel"], "js_node", "ratio", 1),
    (["spawn"], "js_node", "ratio", 0.8),
    (["switch / 1000 x 1000", "lock", "cancel"], "go", "ratio", 0.9),
    (["queue / pingpong"], "go", "ratio", 0.7),
    (["switch"], "lua_floor", "ratio", 1 / 1.7),
    (["sleepers / 1M"], "", "bytes_per_task", 1400),
    (["echo / 64 x 64 B", "echo / 64 x 1 KiB"], "c_uv", "ratio", 0.9),
    (["echo / 1000 x 1 KiB"], "c_uv", "ratio", 0.85),
    (["echo / 64 x 16 KiB"], "c_uv", "ratio", 0.8),
    (["echo"], SCRIPTING, "ratio", 1),
    (["startup"], "lua_luv", "more", 2),
]


# ---------------------------------------------------------------- programs

def run(cmd, **options):
    return subprocess.run(cmd, check=True, capture_output=True, text=True, timeout=TIMEOUT_S, **options).stdout


def works(*cmd):
    return subprocess.run(cmd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()).returncode == 0


@functools.lru_cache(None)
def python():
    """The interpreter that has most of the peers."""
    found = [p for p in (sys.executable, "/usr/bin/python3") if shutil.which(p)]
    return max(found, key=lambda p: sum(works(p, "-c", f"import {m}") for m in ("uvloop", "gevent", "trio")))


@functools.lru_cache(None)
def environment():
    lua = [f"{BUILD}/?.lua", f"{BUILD}/?/init.lua", f"{HERE}/common/?.lua"]
    return dict(os.environ, PYTHONPATH=str(HERE / "common"), PYTHONDONTWRITEBYTECODE="1", GOMAXPROCS="1",
                LUA_PATH=";".join(lua) + ";" + os.environ.get("LUA_PATH", ";"),
                LUA_CPATH=f"{BUILD}/?.so;{OUT}/?.so;" + os.environ.get("LUA_CPATH", ";"))


@functools.lru_cache(None)
def missing(kind, name):
    """What is not there to run such a peer, or None."""
    module = name.split("_")[1] if "_" in name else ""
    if kind == ".lua":
        load = {"copas": "require('bench').older_paths() assert(require('copas').pause)", "luvco": "require 'luv'",
                "floor": "require 'luv'", "coroutine": ""}.get(module, f"require '{module}'")
        return None if works(LUA, "-e", "require 'neap'" if name == "project" else load) else module or "neap"
    if kind == ".py":
        return None if works(python(), "-c", f"import {module}") else f"Python's {module}"
    tool = {".js": "node", ".go": "go", ".c": "gcc"}[kind]
    return None if shutil.which(tool) else tool


def build(source):
    """The executable (or module) of a compiled peer, made anew when it is older than its sources."""
    common, workload = HERE / "common", source.parent.name
    out = OUT / workload / source.stem if workload != "common" else OUT / f"{source.stem}.so"
    out.parent.mkdir(parents=True, exist_ok=True)
    inputs = [source, *common.glob("bench.[hg]*")]
    if out.exists() and all(f.stat().st_mtime < out.stat().st_mtime for f in inputs):
        return out
    if source.suffix == ".go":
        folder = OUT / "go" / workload
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / "main.go")
        shutil.copy(common / "bench.go", folder)
        run(["go", "build", "-o", str(out), "main.go", "bench.go"], cwd=folder)
    else:
        shared = ["-shared", "-fPIC", *run(["pkg-config", "--cflags", "lua5.4"]).split()] if workload == "common" else []
        run(["gcc", "-O2", "-Wall", f"-I{common}", *shared, str(source), "-o", str(out),
             *run(["pkg-config", "--cflags", "--libs", "libuv"]).split()])
    return out


def command(source):
    if source.suffix in (".go", ".c"):
        return [str(build(source))]
    if "floor" in source.stem:
        build(HERE / "common" / "floor.c")
    return [{".py": python(), ".lua": LUA, ".js": "node"}[source.suffix], str(source)]


def peers_of(workload, wanted):
    """neap first: {name: (source, command)}, and prints what is left out."""
    found = {}
    for source in sorted((HERE / workload).iterdir(), key=lambda f: (f.stem != "project", f.stem)):
        name = "neap" if source.stem == "project" else source.stem
        if source.suffix not in (".lua", ".py", ".js", ".go", ".c") or name == "loadgen":
            continue
        if wanted and name != "neap" and name not in wanted:
            continue
        lacks = missing(source.suffix, source.stem)
        try:
            if not lacks:
                found[name] = command(source)
        except subprocess.CalledProcessError as e:
            lacks = (e.stderr.strip().splitlines() or ["?"])[0]
        if lacks:
            print(f"   without {name}: {lacks} is missing" if " " not in lacks else f"   without {name}: {lacks}")
    return found


# ---------------------------------------------------------------- one run

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def pin(client=False):
    """What is started from here on runs on one core; the client of a server on another if there is one."""
    if CORES:
        os.sched_setaffinity(0, {CORES[-1] if client else CORES[0]})


def run_json(cmd, params):
    r = subprocess.run(cmd + [f"{k}={v}" for k, v in params.items()], env=environment(), capture_output=True,
                       text=True, timeout=TIMEOUT_S, cwd=HERE)
    if r.returncode or not r.stdout.strip():
        raise RuntimeError(f"exit {r.returncode}: {(r.stderr or r.stdout).strip()[-300:]}")
    return json.loads(r.stdout.strip().splitlines()[-1])


def one_script(cmd, params):
    r = run_json(cmd, params)
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


def one_echo(cmd, params):
    load = [str(build(HERE / "echo" / "loadgen.c"))]
    server = subprocess.Popen(cmd, env=environment(), stdout=subprocess.PIPE, text=True, cwd=HERE)
    try:
        line = server.stdout.readline()
        if not line:
            raise RuntimeError("the server did not start")
        pin(client=True)
        before = cpu_of(server.pid)
        r = run_json(load, dict(params, port=json.loads(line)["port"], ms=1000, warm_ms=250))
        r["srv_us_per_req"] = (cpu_of(server.pid) - before) / r["total"] * 1e6
        return r
    finally:
        pin()
        server.kill()
        server.wait()
        server.stdout.close()


def measure(workload, params, peers, repeats):
    """The runs of each peer, taking turns; a peer that fails or takes long is not repeated."""
    one = dict(echo=one_echo, startup=one_startup).get(workload, one_script)
    runs, failed, took = {p: [] for p in peers}, set(), dict.fromkeys(peers, 0)
    for turn in range(repeats):
        for p in [*peers][turn % len(peers):] + [*peers][:turn % len(peers)]:
            if p in failed or took[p] > BUDGET_S:
                continue
            t = time.perf_counter()
            try:
                runs[p].append(one(peers[p], params))
            except (RuntimeError, subprocess.SubprocessError, OSError, ValueError) as e:
                failed.add(p)
                print(f"   {p} failed: {e}")
            took[p] += time.perf_counter() - t
    checks = {p: r[0]["check"] for p, r in runs.items() if r and "check" in r[0]}
    if len(set(checks.values())) > 1:
        raise SystemExit(f"the peers did different work: {checks}")
    return {p: r for p, r in runs.items() if r}


# ---------------------------------------------------------------- telling

def human(x):
    return "-" if x is None else f"{x / 1e6:.2f}M" if x >= 1e6 else f"{x / 1e3:.1f}k" if x >= 1e4 else f"{x:.4g}"


def show(rows):
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    for r in rows:
        print("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths))), flush=True)


def tell(workload, variant, runs):
    """Prints a variant; the median, what is beside it, and neap's ratio (above 1: neap is better) of each peer."""
    w = WORKLOADS[workload]
    key, low, column = w.get("key", "ops_per_s"), w.get("low", False), w.get("column", "cpu_s")
    median = {p: statistics.median(r[key] for r in rs) for p, rs in runs.items()}
    beside = {p: statistics.median(r[column] for r in rs) for p, rs in runs.items()}
    own = median.get("neap")
    ratio = {p: None if own is None else m / own if low else own / m for p, m in median.items()}
    rows = [["peer", key, "best", "neap is", column, "runs"]]
    for p in sorted(median, key=median.get, reverse=not low):
        best = (min if low else max)(r[key] for r in runs[p])
        rows.append([p, human(median[p]), human(best), f"{ratio[p]:.2f}x" if own else "-", human(beside[p]), str(len(runs[p]))])
    print(f"\n{workload} / {variant}")
    show(rows)
    return {p: dict(median=median[p], ratio=ratio[p], **{column: beside[p]}) for p in median}


def summary(results):
    peers = sorted({p for r in results.values() for p in r} - {"neap"})
    print("\nneap is so many times as fast (sleepers: CPU time; startup: time):\n")
    rows = [["", *peers]]
    for case, r in results.items():
        rows.append([case, *(f"{r[p]['ratio']:.2f}" if p in r and r[p]["ratio"] else "-" for p in peers)])
    show(rows)


def targets(results):
    print("\nTargets:\n")
    for cases, peers, kind, bound in TARGETS:
        for peer in peers.split() or ["neap"]:
            found = []
            for case, r in results.items():
                if not any(case == c or case.startswith(c + " /") for c in cases) or not {"neap", peer} <= set(r):
                    continue
                figure = {"ratio": r[peer]["ratio"], "more": r["neap"]["median"] - r[peer]["median"]}.get(kind, r["neap"].get(kind))
                found.append((figure, case, figure >= bound - 0.005 if kind == "ratio" else figure <= bound))
            bad = [f"{figure:.4g} {case}" for figure, case, good in found if not good]
            what = {"ratio": f"at least {bound:.3g} x {peer}", "more": f"at most {bound} ms more than {peer}"}.get(kind, f"{kind} at most {bound}")
            if found:
                worst = (min if kind == "ratio" else max)(found)
                print(f"{'not reached' if bad else 'reached':12} {what}: {'; '.join(bad) or f'{worst[0]:.4g} {worst[1]}'}")


def heading():
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else None
    return dict(date=time.strftime("%Y-%m-%d"), commit=commit, machine=f"{cpu[1] if cpu else platform.machine()}, {len(CORES)} cores",
                command=" ".join(["bench/run.py", *sys.argv[1:]]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=" ".join(WORKLOADS))
    parser.add_argument("--peers", help="comma-separated; default: all that are installed")
    parser.add_argument("--repeats", type=int, help=f"runs of each, default {REPEATS}, fewer for the slow ones")
    parser.add_argument("--quick", action="store_true", help="one run of each, without 1M sleepers")
    options = parser.parse_args()
    for name in options.workloads:
        if name not in WORKLOADS:
            parser.error(f"no workload {name}; there are {' '.join(WORKLOADS)}")
    if missing(".lua", "project"):
        sys.exit(f"neap does not load from {BUILD}: run make")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)), hard))
    head, results = heading(), {}
    print("  ".join(f"{k}: {v}" for k, v in head.items()), f" load: {os.getloadavg()[0]:.1f}")
    pin()
    wanted = options.peers.split(",") if options.peers else None
    for workload in options.workloads or WORKLOADS:
        w, peers = WORKLOADS[workload], peers_of(workload, wanted)
        for variant, params in w["variants"].items():
            slow = () if wanted else SLOW.get((workload, variant), ())
            if options.quick and variant == "1M":
                continue
            repeats = options.repeats or (1 if options.quick else w.get("repeats", REPEATS))
            runs = measure(workload, params, {p: c for p, c in peers.items() if p not in slow}, repeats)
            if runs:
                results[f"{workload} / {variant}"] = tell(workload, variant, runs)
            (OUT / "results.json").write_text(json.dumps(dict(head, results=results), indent=1))
    summary(results)
    targets(results)


if __name__ == "__main__":
    main()
