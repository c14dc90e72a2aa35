"""Streams."""
import asyncio
import os


async def handle(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_unix_server(handle, "/tmp/bench-%d.sock" % os.getpid(), backlog=1024)
    print('{"port":%d}' % os.getpid(), flush=True)
    await server.serve_forever()


asyncio.run(main())
