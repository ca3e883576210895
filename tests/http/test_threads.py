"""A loop that ends while one of its threads still works."""

import asyncio
import threading

from freehold.http.threads import Threads


def test_the_end_of_a_loop_waits_for_no_thread() -> None:
    """It is known that one still works; once it does not, nothing is left."""
    begun, go_on = threading.Event(), threading.Event()
    threads = Threads()

    def work() -> None:
        begun.set()
        go_on.wait(30)

    async def body() -> None:
        asyncio.get_running_loop().set_default_executor(threads)
        assert await asyncio.to_thread(lambda: 7) == 7
        task = asyncio.create_task(asyncio.to_thread(work))
        while not begun.is_set():  # noqa: ASYNC110 - of a thread
            await asyncio.sleep(0.005)
        task.cancel()

    assert not threads.busy
    asyncio.run(body())  # comes back, although the work goes on
    assert threads.busy
    go_on.set()
    for thread in threads._threads:
        thread.join(30)
    assert not threads.busy
