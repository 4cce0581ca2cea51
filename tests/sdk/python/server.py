"""What the drivers of the Python SDKs know of the server: its address, its clock, its outbox, and codes of a TOTP secret."""

import json
import os
import re
import urllib.error
import urllib.request
from datetime import datetime

import pyotp

URL = os.environ["LATCHKEY_URL"]
KEY = os.environ["LATCHKEY_API_KEY"]


def ask(path, body=None, method=None):
    """A request without an SDK; a body makes it a POST."""
    request = urllib.request.Request(
        URL + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"},
        method=method,
    )
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def advance(seconds):
    ask("/_dev/clock", {"advance_seconds": seconds})


def texts_to(phone):
    return [text["message"] for text in ask("/_dev/sms") if text["to"] == phone]


def code_in(text):
    [code] = re.findall(r"\b[0-9]{6}\b", text)
    return code


def other_code(code):
    return f"{(int(code) + 1) % 1_000_000:06}"


def totp_codes(secret, steps):
    """The codes of a secret at steps from the server's current one."""
    now = int(datetime.fromisoformat(ask("/_dev/clock")["now"]).timestamp())
    return [pyotp.TOTP(secret).at(now + 30 * step) for step in steps]


def totp_code(secret):
    return totp_codes(secret, [0])[0]


def wrong_totp_code(secret):
    """A code of none of the steps the server may accept, nor of the next, should one begin meanwhile."""
    near = totp_codes(secret, range(-2, 4))
    return next(code for code in (digit * 6 for digit in "0123456") if code not in near)
