"""Which conversation a request goes on with, told from its body as it stands: the key that keeps it at one replica.

A server of text models keeps what it computed for a beginning of text, and computes only what is new. So all turns of
a conversation should meet the same server. What they share is everything up to the end of the first message of the user
(those of one program share its system message, too, but would all meet at one server). That is found without decoding
the body: a key that is wrong costs a little time at the server, and nothing else.
"""

import re
from itertools import islice

import msgspec

LONGEST = 32 << 10
"""Bytes of a conversation that are looked at; what begins with so many equal ones is one to us."""
SEARCHED = 256 << 10
"""Bytes of a body in which the conversation must begin: descriptions of tools may stand before it."""
BLOCK = 1 << 10
"""Bytes of a plain prompt that make its key: one that grows keeps them. A shorter one is soon computed anew."""
MOST_TOKENS = 4096  # pieces of JSON that are looked at: no body can hold others up for a millisecond

_NAMES = (b'"messages"', b'"prompt"', b'"input"', b'"text_input"')
"""Where the text lies: OpenAI's chat, completions and responses, and generate of the Open Inference Protocol."""
_COLON = re.compile(rb"\s*:\s*")
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[{}\]]', re.DOTALL)  # a string cut short, too: linear in any text


class _Message(msgspec.Struct):
    role: str = ""


_MESSAGE = msgspec.json.Decoder(_Message)


def conversation(body: bytes) -> bytes:
    """What every turn of this conversation begins with; b"" where `body`, a JSON object, holds none."""
    start = _begins(body)
    if start < 0:
        return b""
    text = body[start : start + LONGEST]
    return text[: _shared(text) if text.startswith(b"[") else BLOCK]


def _begins(body: bytes) -> int:
    """Where the text begins; -1 where there is none."""
    for name in _NAMES:
        place = body.find(name, 0, SEARCHED)
        if place >= 0 and (colon := _COLON.match(body, place + len(name))):
            return colon.end()
    return -1


def _shared(messages: bytes) -> int:
    """Where the first message of a user ends in a list of messages; without one, how much is taken instead."""
    depth = start = 0
    for token in islice(_TOKEN.finditer(messages, 1), MOST_TOKENS):
        match token[0]:
            case b"{":
                start = token.start() if depth == 0 else start
                depth += 1
            case b"}":
                depth -= 1
                if depth == 0 and _role(messages[start : token.end()]) == "user":
                    return token.end()
            case b"]" if depth == 0:
                break
    return len(messages) if start else BLOCK  # of texts or tokens, it is a plain prompt


def _role(message: bytes) -> str:
    try:
        return _MESSAGE.decode(message).role
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
