# A task fails in its nursery, which raises a group.
import trio
from bench import ARGS, report, start


async def failing(i):
    raise ValueError(f"number {i}")


async def main():
    total, caught = ARGS["total"], 0
    t0 = start()
    for i in range(total):
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(failing, i)
        except Exception as problem:
            caught += problem.__traceback__ is not None
    report(t0, total, caught)


trio.run(main)
