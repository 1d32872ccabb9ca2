r"""A server in an asyncio loop: it answers each line of comma-separated rows, rows apart by semicolons, over TCP.

python examples/asyncio_server.py model.onnx 8000
printf -- '-1,1\n-1,1;1,1\n' | nc -N localhost 8000
"""

import asyncio
import sys

from edge_runtime import EdgePredictError, Predictor

# More rows than that may take longer than it takes to hand them to a thread.
FEW = 1_000
# The most bytes of a line.
LONGEST = 2**24


async def answer(predictor: Predictor, line: str) -> str:
    """The labels of the rows in `line`, or what is wrong with them."""
    try:
        rows = [[float(cell) for cell in row.split(",")] for row in line.split(";")]
        if len(rows) <= FEW:
            labels = predictor.predict(rows)
        else:
            # ONNX Runtime computes without Python's lock, so the loop goes on.
            labels = await asyncio.to_thread(predictor.predict, rows)
    except (EdgePredictError, ValueError) as error:
        return f"not answered: {error}"
    return " ".join(map(str, labels))


async def serve(path: str, port: int) -> None:
    """Serve for ever."""
    predictor = Predictor(path)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async for line in reader:
                writer.write(f"{await answer(predictor, line.decode(errors='replace'))}\n".encode())
                await writer.drain()
        except ValueError:
            writer.write(f"not answered: the line is longer than {LONGEST} bytes\n".encode())
        except ConnectionError:
            pass  # The client is gone.
        writer.close()

    server = await asyncio.start_server(talk, "localhost", port, limit=LONGEST)
    async with server:
        print(f"listening on port {server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
