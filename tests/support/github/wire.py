"""HTTP/1.1 on asyncio, as little as the stand-in needs, and all the ways in which an answer can go wrong."""

import asyncio
import dataclasses
import json
import socket
import struct
import urllib.parse

REASONS = {200: "OK", 202: "Accepted", 204: "No Content", 304: "Not Modified", 404: "Not Found"}


@dataclasses.dataclass
class Request:
    method: str
    path: str
    query: dict
    headers: dict  # names in lower case
    body: bytes

    def json(self):
        """The body as JSON; None: it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclasses.dataclass
class Answer:
    status: int = 200
    body: object = None  # JSON; bytes are sent as they are; None: empty
    headers: dict = dataclasses.field(default_factory=dict)
    how: str = ""  # hangs, closes, resets, truncated, not_http, slow

    def content(self):
        if self.body is None or isinstance(self.body, bytes):
            return self.body or b""
        return json.dumps(self.body).encode()


async def read_request(reader):
    """The next request of a connection; None: there is none."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
        return None
    path, _, query = target.partition("?")
    return Request(method, urllib.parse.unquote(path), dict(urllib.parse.parse_qsl(query)), headers, body)


def head_of(answer, length):
    lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Answer')}"]
    if answer.status not in (204, 304):
        lines.append("Content-Type: application/json; charset=utf-8")
        lines.append(f"Content-Length: {length}")
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def write_slowly(writer, data):
    for byte in data:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(1)


def reset(writer):
    handle = writer.get_extra_info("socket")
    handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def write_answer(reader, writer, answer):
    """False: the connection is of no use any more."""
    content = answer.content()
    if answer.how == "hangs":
        await reader.read(1)  # ends with the other side's patience
        return False
    if answer.how == "closes":
        return False
    if answer.how == "resets":
        reset(writer)
        return False
    if answer.how == "not_http":
        writer.write(b"220 this is a mail server\r\n")
        return False
    writer.write(head_of(answer, len(content)))
    if answer.how == "slow":
        await write_slowly(writer, content)
        return False
    whole = answer.how != "truncated"
    writer.write(content if whole else content[: len(content) // 2])
    await writer.drain()
    return whole


def serve(handle):
    """A callback for asyncio.start_server; `handle` makes an Answer of a Request."""

    async def connected(reader, writer):
        try:
            while (request := await read_request(reader)) is not None:
                answer = await handle(request)
                if not await write_answer(reader, writer, answer):
                    break
                if request.headers.get("connection", "").lower() == "close":
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    return connected
