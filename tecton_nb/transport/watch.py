"""Which sockets to wait for, and waiting for them: epoll itself where there is one, a selector elsewhere.

libcurl stops and starts to watch its socket with every request on a kept connection. Through `selectors` that
takes four times as long as by epoll itself.
"""

from __future__ import annotations

import select
import selectors
from typing import Protocol

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE


class Watch(Protocol):
    """Sockets by their number, each with what to wait for: `READ`, `WRITE` or both."""

    def set(self, fd: int, events: int) -> None:
        """Wait for this of the socket from now on, and nothing else."""

    def drop(self, fd: int) -> None:
        """Forget a socket, if it is known."""

    def wait(self, seconds: float | None) -> list[tuple[int, int]]:
        """Return what is ready, as numbers and events, at the latest after so long; `None` is for ever."""

    def close(self) -> None:
        """Forget all sockets."""


class SelectorWatch:
    """By `selectors`."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def set(self, fd: int, events: int) -> None:
        """See `Watch`."""
        is_known = fd in self._selector.get_map()
        (self._selector.modify if is_known else self._selector.register)(fd, events)

    def drop(self, fd: int) -> None:
        """See `Watch`."""
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def wait(self, seconds: float | None) -> list[tuple[int, int]]:
        """See `Watch`."""
        return [(key.fd, events) for key, events in self._selector.select(seconds)]

    def close(self) -> None:
        """See `Watch`."""
        self._selector.close()


if hasattr(select, "epoll"):
    _EPOLL_EVENTS = {READ: select.EPOLLIN, WRITE: select.EPOLLOUT, READ | WRITE: select.EPOLLIN | select.EPOLLOUT}

    class EpollWatch:
        """By epoll."""

        def __init__(self) -> None:
            self._epoll = select.epoll()
            self._known: dict[int, int] = {}

        def set(self, fd: int, events: int) -> None:
            """See `Watch`."""
            (self._epoll.modify if fd in self._known else self._epoll.register)(fd, _EPOLL_EVENTS[events])
            self._known[fd] = events

        def drop(self, fd: int) -> None:
            """See `Watch`."""
            if self._known.pop(fd, None) is not None:
                # Whoever closed it has taken it off already. contextlib.suppress takes longer than the call.
                try:  # noqa: SIM105
                    self._epoll.unregister(fd)
                except OSError:
                    pass

        def wait(self, seconds: float | None) -> list[tuple[int, int]]:
            """See `Watch`."""
            return [(fd, _events(mask) & self._known.get(fd, 0)) for fd, mask in self._epoll.poll(seconds)]

        def close(self) -> None:
            """See `Watch`."""
            self._epoll.close()

    def _events(mask: int) -> int:
        # An error or a hang-up is ready for both, as `selectors` has it.
        return (READ if mask & ~select.EPOLLOUT else 0) | (WRITE if mask & ~select.EPOLLIN else 0)


class Peek:
    """Looks at one socket at a time, without waiting."""

    def __init__(self) -> None:
        self._fd = -1
        self._poll = select.poll() if hasattr(select, "poll") else None

    def follow(self, fd: int) -> None:
        """Look at this socket from now on, at none if it is -1."""
        if fd == self._fd:
            return
        if self._poll is not None and self._fd >= 0:
            self._poll.unregister(self._fd)
        if self._poll is not None and fd >= 0:
            self._poll.register(fd, select.POLLIN)
        self._fd = fd

    def is_readable(self) -> bool:
        """Return whether something came, or the end."""
        if self._fd < 0:
            return False
        return bool(select.select([self._fd], [], [], 0)[0] if self._poll is None else self._poll.poll(0))


def new_watch() -> Watch:
    """Return the quickest that there is on this system."""
    return EpollWatch() if hasattr(select, "epoll") else SelectorWatch()
