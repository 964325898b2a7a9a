#!/usr/bin/env python3
"""Holds many connections to a server that are of no use to anybody, in a process of its own, so that what it costs
to hold them is not taken for slowness of the server.

    abuser.py PORT COUNT idle|headers|bodies

idle says nothing. headers and bodies send the beginning of a request, and a byte of the rest every second. Those that
the server ends are made anew, at most so many a second. On SIGTERM it prints what it did, as one line of JSON.
"""

import errno
import json
import resource
import select
import signal
import socket
import sys
import time

NEW_A_SECOND = 2000
EVERY_SECONDS = 0.05

BEGUN = {
    "idle": (b"", b""),
    "headers": (b"GET /metrics HTTP/1.1\r\nHost: h\r\nX-Slow: ", b"a"),
    "bodies": (b"POST /auto-rollback/check HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n{", b" "),
}


class Abuser:
    def __init__(self, port, count, kind):
        self.port, self.count = port, count
        self.beginning, self.more = BEGUN[kind]
        self.poll = select.epoll()
        self.held = {}
        self.opened = self.ended = self.most = 0

    def open_one(self):
        made = socket.socket()
        made.setblocking(False)
        if made.connect_ex(("127.0.0.1", self.port)) not in (0, errno.EINPROGRESS):
            made.close()
            return
        self.held[made.fileno()] = made
        self.poll.register(made.fileno(), select.EPOLLIN | select.EPOLLRDHUP | (select.EPOLLOUT if self.beginning else 0))
        self.opened += 1

    def drop(self, descriptor):
        self.poll.unregister(descriptor)
        self.held.pop(descriptor).close()
        self.ended += 1

    def send(self, descriptor, data):
        try:
            self.held[descriptor].send(data)
        except BlockingIOError:
            pass
        except OSError:
            self.drop(descriptor)

    def look(self):
        for descriptor, events in self.poll.poll(EVERY_SECONDS, max(1, len(self.held))):
            if events & ~select.EPOLLOUT:  # it answers, with a refusal, or has ended it
                self.drop(descriptor)
            else:
                self.poll.modify(descriptor, select.EPOLLIN | select.EPOLLRDHUP)
                self.send(descriptor, self.beginning)

    def go_on(self, second):
        """One turn; `second`: a new one has begun."""
        for _ in range(min(self.count - len(self.held), int(NEW_A_SECOND * EVERY_SECONDS))):
            self.open_one()
        self.look()
        self.most = max(self.most, len(self.held))
        if second and self.more:
            for descriptor in list(self.held):
                self.send(descriptor, self.more)


def main():
    port, count, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, count + 64), most))
    abuser = Abuser(port, count, kind)
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    second = 0
    while not stopped:
        begun = time.monotonic()
        abuser.go_on(int(begun) != second)
        second = int(begun)
        time.sleep(max(0.0, EVERY_SECONDS - (time.monotonic() - begun)))
    print(json.dumps({"opened": abuser.opened, "ended": abuser.ended, "most": abuser.most}), flush=True)


if __name__ == "__main__":
    main()
