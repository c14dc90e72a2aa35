import asyncio
from bench import ARGS, report, start


async def main():
    total, width = ARGS["total"], ARGS["width"]
    t0, check, left = start(), 0, total

    async def work():
        nonlocal check, left
        while left > 0:
            left -= 1
            process = await asyncio.create_subprocess_exec("true")
            if await process.wait() == 0:
                check += 1

    await asyncio.gather(*[asyncio.create_task(work()) for _ in range(width)])
    report(t0, total, check)


asyncio.run(main())
