import asyncio
from bench import ARGS, report, start


async def failing(i):
    raise ValueError(f"number {i}")


async def main():
    total, caught = ARGS["total"], 0
    t0 = start()
    for i in range(total):
        try:
            await asyncio.create_task(failing(i))
        except ValueError as problem:
            caught += problem.__traceback__ is not None
    report(t0, total, caught)


asyncio.run(main())
