import asyncio
import tempfile
from pathlib import Path

from bench import ARGS, report, start

FILES, ROUNDS, AT_ONCE = ARGS["files"], ARGS["rounds"], ARGS["limit"]


def read_file(path):
    with open(path, "rb") as f:
        return f.read()


async def main():
    with tempfile.TemporaryDirectory() as root:
        for i in range(FILES):
            Path(root, str(i)).write_bytes(b"x" * 1024)
        t0, check = start(), 0
        for _ in range(ROUNDS):
            names = iter(range(FILES))

            async def worker():
                nonlocal check
                for i in names:
                    text = await asyncio.to_thread(read_file, f"{root}/{i}")
                    check += len(text)

            await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
        report(t0, FILES * ROUNDS, check)


asyncio.run(main())
