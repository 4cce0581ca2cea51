"""The newest Python SDK's own retries, against a server whose calls fail: what one call of an application must not do twice.

The flows run with faults. Then the faults are switched off, and the server's own state is compared with what the SDK
returned. Prints the counts, and fails if one that must be 0 is not. `../node/retries.mjs` does the same.
"""

import os
import urllib.error
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

from server import KEY, URL, ask, totp_code, wrong_totp_code
from workos import WorkOSClient, WorkOSError

FLOWS = 200
AT_ONCE = 20
SHARE = float(os.environ["LATCHKEY_FAULTS"])

MFA = WorkOSClient(api_key=KEY, base_url=URL).multi_factor_auth


class Called:
    """What a call of the SDK returned, or the status of its error."""

    def __init__(self, method, *arguments, **options):
        self.value, self.status = None, None
        try:
            self.value = method(*arguments, **options)
        except WorkOSError as error:
            self.status = error.status_code


def run(number):
    """One flow: a user, a wrong guess, a right code, and a text message to a number of its own."""
    # In ranges of numbers that stay below their limits.
    phone = f"+1{205 + number % 4}555{1_000 * (number // 4 % 9) + number:04}"
    flow = {"user": f"user_{uuid.uuid4()}", "phone": phone}
    flow["enrolled"] = Called(MFA.create_user_auth_factor, flow["user"], type="totp")
    if enrolled := flow["enrolled"].value:
        factor = enrolled.authentication_factor
        flow["challenge"] = enrolled.authentication_challenge.id
        flow["wrong"] = Called(MFA.verify_challenge, flow["challenge"], code=wrong_totp_code(factor.totp.secret))
        if second := Called(MFA.challenge_factor, factor.id).value:
            flow["right"] = Called(MFA.verify_challenge, second.id, code=totp_code(factor.totp.secret))
    if sms := Called(MFA.enroll_factor, type="sms", phone_number=phone).value:
        flow["text"] = Called(MFA.challenge_factor, sms.id)
    return flow


def guesses_left(challenge):
    """The number of wrong guesses that a challenge still accepts. Of five, the others are spent."""
    for left in range(6):
        try:
            ask(f"/auth/challenges/{challenge}/verify", {"code": "000000"})
        except urllib.error.HTTPError:
            return left
    raise AssertionError("more than five guesses")


with ThreadPoolExecutor(AT_ONCE) as pool:
    flows = list(pool.map(run, range(FLOWS)))
faults = sum(ask("/_dev/faults").values())
ask("/_dev/faults", {"share": 0})
assert faults > 0, "no call failed"

texts = Counter(text["to"] for text in ask("/_dev/sms"))
counts = Counter({"calls that failed in the end": 0})
never = Counter({
    "texts promised and not sent": 0,
    "second texts": 0,
    "cooldowns without a text": 0,
    "lost verdicts": 0,
    "wrong codes accepted": 0,
    "left-over factors": 0,
    "guesses spent twice": 0,
})
for flow in flows:
    counts["calls that failed in the end"] += sum(isinstance(end, Called) and end.value is None for end in flow.values())
    factors = len(ask(f"/user_management/users/{flow['user']}/auth_factors")["data"])
    never["left-over factors"] += factors - (flow["enrolled"].value is not None)
    if wrong := flow.get("wrong"):
        never["guesses spent twice"] += max(0, 4 - guesses_left(flow["challenge"]))
        never["wrong codes accepted"] += bool(wrong.value and wrong.value.valid)
    if right := flow.get("right"):
        # A call that ends in 503 loses no verdict: the application knows that it has to ask again.
        never["lost verdicts"] += not right.value.valid if right.value else right.status < 500
    if text := flow.get("text"):
        sent = texts[flow["phone"]]
        never["texts promised and not sent"] += text.value is not None and sent == 0
        never["second texts"] += max(0, sent - 1)
        never["cooldowns without a text"] += text.status == 422 and sent == 0


def listed(counter):
    return ", ".join(f"{count} {what}" for what, count in counter.items())


print(f"python-{version('workos')}, {len(flows)} flows, {faults} faults at {SHARE}: {listed(never)}; {listed(counts)}")
assert not any(never.values())
