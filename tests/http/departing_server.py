"""A server that `test_listener.py` starts as a process and sends signals to.

It prints its port, "waiting" when a request is in flight, and "draining" when the first signal has come. A request to
/finish ends once draining has begun, one to /hang never. Exits 0 when everything was finished, else 1.
"""

import asyncio
import sys

from freehold.http import Address, App, Call, MemoryBudget, Response, Route, serve
from freehold.telemetry import Telemetry


def say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main(grace_s: float) -> int:
    draining = asyncio.Event()

    async def finish(call: Call) -> Response:
        say("waiting")
        await draining.wait()
        await asyncio.sleep(0)
        return Response(b'"finished"')

    async def hang(call: Call) -> Response:
        say("waiting")
        await asyncio.Event().wait()
        return Response(b"never")

    def say_port(address: Address) -> None:
        say(address.port)

    def drain() -> None:
        say("draining")
        draining.set()

    routes = [Route("POST", "/finish", finish, "openai", "infer"), Route("POST", "/hang", hang, "openai", "infer")]
    app = App(routes, telemetry=Telemetry("test"), memory=MemoryBudget(1 << 20), grace_s=grace_s)
    done = serve(app, "127.0.0.1", 0, grace_s=grace_s, on_ready=say_port, on_drain=drain)
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
