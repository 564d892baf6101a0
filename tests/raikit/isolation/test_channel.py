"""The parent's end of a child's connection: whatever is sent, it answers in time with a message or an error."""

import json
import socket
import struct
import threading
import time
from multiprocessing.connection import Connection

import pytest

from raikit.isolation.answer import read_answer
from raikit.isolation.channel import Channel


@pytest.fixture
def ends():
    """A channel that takes messages of a megabyte, and the raw socket of the child."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours, limit=1 << 20), theirs


def framed(data):
    return struct.pack("!i", len(data)) + data


def test_messages_of_any_size_go_both_ways_through_a_connection_of_the_standard_library(ends):
    channel, theirs = ends
    other = Connection(theirs.detach())
    content = {"a": "x" * 500_000}
    sender = threading.Thread(target=channel.send, args=(content,))
    sender.start()
    assert json.loads(other.recv_bytes()) == content
    sender.join()
    answer = threading.Thread(target=other.send_bytes, args=(json.dumps(content).encode(),))
    answer.start()
    assert channel.receive(time.monotonic() + 5) == content
    answer.join()
    other.close()


@pytest.mark.parametrize("part", [b"", b"\0\0", framed(b"x" * 100)[:50]])
def test_a_message_that_does_not_arrive_whole_is_waited_for_no_longer_than_allowed(ends, part):
    channel, theirs = ends
    theirs.sendall(part)
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        channel.receive(start + 0.2)
    assert time.monotonic() - start < 2


def test_messages_without_end_do_not_extend_the_time(ends):
    channel, theirs = ends
    stop = threading.Event()

    def flood():
        while not stop.is_set():
            try:
                theirs.sendall(framed(b"{}") * 100)
            except OSError:
                return

    sender = threading.Thread(target=flood)
    sender.start()
    until = time.monotonic() + 0.2
    try:
        received = iter(lambda: channel.receive(until), None)
        with pytest.raises(TimeoutError):
            list(received)
    finally:
        stop.set()
        theirs.shutdown(socket.SHUT_RDWR)
        sender.join()


def test_an_end_that_does_not_read_does_not_block_the_sender(ends):
    with pytest.raises(TimeoutError):
        ends[0].send({"a": "x" * 10_000_000}, time.monotonic() + 0.2)


@pytest.mark.parametrize(
    "data",
    [framed(b"[" * 500_000), framed(b"[1]"), framed(b"5"), framed(b"\xff"), framed(b""), framed(b'{"a": 1' + b"0" * 5000 + b"}"),
     struct.pack("!i", (1 << 20) + 1), struct.pack("!i", -7), struct.pack("!iQ", -1, 1 << 60)],
)  # fmt: skip
def test_what_is_no_message_is_an_error(ends, data):
    channel, theirs = ends
    threading.Thread(target=theirs.sendall, args=(data,), daemon=True).start()
    with pytest.raises(ValueError):
        channel.receive(time.monotonic() + 5)


def test_a_closed_end_is_an_error(ends):
    channel, theirs = ends
    theirs.close()
    with pytest.raises(ConnectionError):
        channel.receive(time.monotonic() + 5)


@pytest.mark.parametrize(
    "message",
    [{"error": 5}, {"result": []}, {"skipped": ["a"]}, {"skipped": [{}, 5]}, {"warnings": [[1], {}]}, {"traceback": {}},
     {"warnings": "x"}, {"died": {}}],
)  # fmt: skip
def test_a_forged_answer_is_an_error(message):
    with pytest.raises(ValueError, match="fault"):
        read_answer(message)


def test_an_answer_is_cut_to_what_a_record_can_hold():
    answer = read_answer({"error": "\ud800" + "x" * 5000, "warnings": ["a\x1b[31m"] * 500, "skipped": ["x" * 5000, ""], "evil": 1})
    assert len(answer.error) == 2000 and answer.error.encode()
    assert (len(answer.warnings), answer.warnings[0]) == (40, "a\N{REPLACEMENT CHARACTER}[31m")
    assert len(answer.skipped[0]) == 2000
