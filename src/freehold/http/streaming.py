"""An answer that is sent while it is made: one chunk a frame, comments while none comes, and one way to end."""

import asyncio
from time import perf_counter

from freehold.http.call import Response, Send, Stream

EVENTS = b"text/event-stream"
PING = b": ping\n\n"
"""A comment of the event-stream format, which clients skip: it keeps their time limits and those of proxies away."""
EVENT_HEADERS = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
"""Nobody between here and the client shall hold frames back."""


class Delivery:
    """One stream on its way to its client.

    Nothing is sent before the first frame or comment, so that what fails earlier is answered as any other failure.
    `started` tells which of the two holds; `first_at` is the time of the first frame (`perf_counter`), comments aside,
    0.0 until then.
    A client that reads slowly is waited for before the next frame is asked for: no more than one is held here.
    """

    def __init__(
        self, stream: Stream, send: Send, headers: list[tuple[bytes, bytes]], *, ping_s: float, headless: bool
    ) -> None:
        """`headers` come beside the stream's own. `headless`: the client asked with HEAD, and no frame is made."""
        self.started = False
        self.first_at = 0.0
        self._stream = stream
        self._send = send
        self._ping_s = ping_s
        self._headless = headless
        self._of_events = stream.content_type.startswith(EVENTS)
        own = EVENT_HEADERS if self._of_events else ()
        self._headers = [(b"content-type", stream.content_type), *headers, *own, *stream.headers]
        self._writing = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._wrote_at = self._loop.time()

    async def run(self) -> None:
        """Send every frame, then the end. Raises what the frames raise; they are closed however it ends."""
        frames = self._stream.frames
        commenting = self._loop.create_task(self._comment()) if self._of_events and not self._headless else None
        try:
            if not self._headless:
                async for frame in frames:
                    if not self.first_at:
                        self.first_at = perf_counter()
                    await self._write(frame)
        finally:
            if commenting is not None:
                commenting.cancel()
            await frames.aclose()
        await self._write(b"", more=False)

    async def fail(self, failure: Response) -> int:
        """Tell a client that has seen the start what ended the stream; returns the status that it has seen.

        Events have a frame for that. Of any other content the connection is closed short of the end, which the
        client's HTTP library notices.
        """
        if self._of_events:
            await self._write(b"data: %b\n\n" % failure.body, more=False)
        return self._stream.status

    async def _comment(self) -> None:
        """Send a comment whenever nothing has been sent for `ping_s` seconds."""
        while True:
            idle_s = self._loop.time() - self._wrote_at
            if idle_s < self._ping_s:
                await asyncio.sleep(self._ping_s - idle_s)
            else:
                await self._write(PING)

    async def _write(self, body: bytes, *, more: bool = True) -> None:
        async with self._writing:
            if not self.started:
                await self._send(
                    {"type": "http.response.start", "status": self._stream.status, "headers": self._headers}
                )
                self.started = True
            await self._send({"type": "http.response.body", "body": body, "more_body": more})
            self._wrote_at = self._loop.time()
