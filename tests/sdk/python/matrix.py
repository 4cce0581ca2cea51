"""One version of the Python SDK, which is first on the path, through its own methods.

Its arguments are the version and a user with 101 factors. Prints a line for each operation: the version, the column of
docs/COMPATIBILITY.md, what came of it, and why. `../table.py` reads them. `matrix_all.py` runs it for every version.
"""

import base64
import http.client
import io
import itertools
import re
import sys
import uuid
from datetime import datetime, timedelta

import pyotp
import workos
import zxingcpp
from PIL import Image
from server import KEY, URL, advance, ask, code_in, texts_to, totp_code, wrong_totp_code

VERSION, CROWD = sys.argv[1:]
MAJOR = int(VERSION.split(".")[0])
IS_LEGACY = VERSION.startswith("1.12.")
# Numbers to which no message was sent.
PHONES = (phone for phone in (f"+1646555{n:04}" for n in itertools.count(100)) if not texts_to(phone))


def new_user():
    return f"user_{uuid.uuid4()}"


class Absent(Exception):
    """This version has no such method."""


def clients(key=KEY):
    """What has the methods of MFA, and what has those of a user's factors."""
    if MAJOR <= 4:
        workos.api_key, workos.client_id, workos.base_api_url = key, "client_test", f"{URL}/"
        return workos.client.mfa, getattr(workos.client, "user_management", None)
    client = workos.WorkOSClient(api_key=key, client_id="client_test", base_url=URL)
    if MAJOR == 5:
        return client.mfa, client.user_management
    return client.multi_factor_auth, client.multi_factor_auth


MFA, USERS = clients()


def need(where, name):
    if not hasattr(where, name):
        raise Absent
    return getattr(where, name)


def field(value, *names):
    """A field of an answer: a dict before version 5, an object since."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    return value


def enroll_totp(mfa=MFA):
    return mfa.enroll_factor(type="totp", totp_issuer="Foo Corp", totp_user="alan@foo-corp.com")


def enroll_sms(phone):
    return field(MFA.enroll_factor(type="sms", phone_number=phone), "id")


def challenge(factor, template=None):
    options = {"sms_template": template} if template else {}
    if MAJOR <= 5:
        return MFA.challenge_factor(authentication_factor_id=factor, **options)
    return MFA.challenge_factor(factor, **options)


def verify(challenge_id, code):
    if MAJOR >= 6:
        return MFA.verify_challenge(challenge_id, code=code)
    method = MFA.verify_factor if IS_LEGACY else MFA.verify_challenge
    return method(authentication_challenge_id=challenge_id, code=code)


def is_valid(challenge_id, code):
    return field(verify(challenge_id, code), "valid")


def enroll_user(user, **options):
    if MAJOR >= 6:
        enrolled = MFA.create_user_auth_factor(user, type="totp", **options)
    else:
        enrolled = need(USERS, "enroll_auth_factor")(user_id=user, type="totp", **options)
    return field(enrolled, "authentication_factor"), field(enrolled, "authentication_challenge")


def list_user(user, **options):
    if MAJOR >= 6:
        return MFA.list_user_auth_factors(user, **options)
    return need(USERS, "list_auth_factors")(user_id=user, **options)


def login():
    """A challenge of a new TOTP factor, and its right code."""
    factor = enroll_totp()
    return factor, field(challenge(field(factor, "id")), "id"), totp_code(field(factor, "totp", "secret"))


def used_totp(user):
    """A TOTP factor with every field that an answer can have: it has a name and was verified once. Made without an SDK."""
    labels = {"totp_issuer": "Foo Corp", "totp_user": "alan@foo-corp.com", "name": "Work phone"}
    factor = ask("/auth/factors/enroll", {"type": "totp", "user_id": user, **labels})
    opened = ask(f"/auth/factors/{factor['id']}/challenge", {})
    ask(f"/auth/challenges/{opened['id']}/verify", {"code": totp_code(factor["totp"]["secret"])})
    shown = ask(f"/auth/factors/{factor['id']}")
    assert shown["name"] == "Work phone" and shown["last_used_at"]
    return factor["id"]


def refused(status, says, call, *arguments, **options):
    """The call has to raise an error of that status that says that."""
    try:
        call(*arguments, **options)
    except Exception as error:
        found = getattr(error, "status_code", None) or error.response.status_code
        said = f"{getattr(error, 'code', None)} {error}"
        assert (found, bool(re.search(says, said))) == (status, True), f"{found} {said}"
    else:
        raise AssertionError("the call succeeded")


def c1():
    factor = enroll_totp()
    totp = field(factor, "totp")
    assert field(factor, "id").startswith("auth_factor_")
    assert [field(totp, name) for name in ("issuer", "user")] == ["Foo Corp", "alan@foo-corp.com"]
    assert bool(re.fullmatch("[A-Z2-7]{32}", field(totp, "secret")))
    kind, image = field(totp, "qr_code").split(",")
    assert kind == "data:image/png;base64"
    [read] = zxingcpp.read_barcodes(Image.open(io.BytesIO(base64.b64decode(image))))
    is_the_uri = read.text == field(totp, "uri")
    assert is_the_uri


def c2():
    phone = next(PHONES)
    factor = MFA.enroll_factor(type="sms", phone_number=phone)
    assert (field(factor, "type"), field(factor, "sms", "phone_number")) == ("sms", phone)


def c3():
    try:
        factor = MFA.enroll_factor(type="generic_otp")
    except ValueError as error:
        if MAJOR <= 4 and str(error) == "Type parameter must be either 'sms' or 'totp'":
            raise Absent from None
        raise
    opened = challenge(field(factor, "id"))
    assert re.fullmatch("[0-9]{6}", field(opened, "code"))
    assert is_valid(field(opened, "id"), field(opened, "code")) is True


def c4():
    get = need(MFA, "get_factor")
    enrolled = used_totp(new_user())
    factor = get(enrolled)
    assert field(factor, "id") == enrolled
    assert [field(factor, "totp", name) for name in ("issuer", "user")] == ["Foo Corp", "alan@foo-corp.com"]
    assert [field(factor, "totp", name) for name in ("secret", "uri", "qr_code")] == [None] * 3


def c5():
    factor = field(enroll_totp(), "id")
    opened = challenge(factor)
    assert (field(opened, "authentication_factor_id"), field(opened, "code")) == (factor, None)
    created, expires = (
        datetime.fromisoformat(at) if isinstance(at, str) else at
        for at in (field(opened, "created_at"), field(opened, "expires_at"))
    )
    assert expires - created == timedelta(minutes=10)


def c6():
    phone = next(PHONES)
    opened = challenge(enroll_sms(phone), "Foo Corp: {{code}} is your code")
    [text] = texts_to(phone)
    is_the_template = bool(re.fullmatch("Foo Corp: [0-9]{6} is your code", text))
    assert is_the_template
    assert is_valid(field(opened, "id"), code_in(text)) is True


def c7():
    factor, opened, _ = login()
    assert is_valid(opened, wrong_totp_code(field(factor, "totp", "secret"))) is False


def c8():
    _, opened, code = login()
    verdict = verify(opened, code)
    assert (field(verdict, "valid"), field(verdict, "challenge", "id")) == (True, opened)


def c9():
    _, opened, code = login()
    assert is_valid(opened, code) is True
    refused(422, "previously_verified|already been verified", verify, opened, code)


def c10():
    factor, opened, code = login()
    wrong = wrong_totp_code(field(factor, "totp", "secret"))
    assert [is_valid(opened, wrong) for _ in range(5)] == [False] * 5
    refused(400, "too_many_attempts|Too many attempts", verify, opened, code)


def c11():
    phone = next(PHONES)
    opened = challenge(enroll_sms(phone))
    advance(600)
    [text] = texts_to(phone)
    refused(422, "expired", verify, field(opened, "id"), code_in(text))


def c12():
    refused(422, "invalid_phone_number|Phone number is invalid", enroll_sms, "foo")


def c13():
    ulid = "01FZ4TS0MWPZR7GATS7KCXANQZ"
    refused(404, "not found", challenge, f"auth_factor_{ulid}")
    refused(404, "not found", verify, f"auth_challenge_{ulid}", "123456")


def c14():
    try:
        refused(401, "Unauthorized", enroll_totp, clients("sk_local_wrong")[0])
    finally:
        clients()


def c15():
    delete = need(MFA, "delete_factor")
    factor = field(enroll_totp(), "id")
    delete(factor)
    refused(404, "not found", MFA.get_factor, factor)


def c16():
    options = {"totp_issuer": "Foo Corp", "totp_user": "alan"}
    if MAJOR >= 4:
        options["totp_secret"] = pyotp.random_base32()
    factor, opened = enroll_user(new_user(), **options)
    secret = field(factor, "totp", "secret")
    is_kept = secret == options.get("totp_secret", secret)
    assert is_kept and field(factor, "totp", "issuer") == "Foo Corp"
    assert is_valid(field(opened, "id"), totp_code(secret)) is True


def c17():
    user = new_user()
    path = f"/user_management/users/{user}/auth_factors"
    bodies = [{"type": "totp", "name": f"Phone {n}"} for n in range(3)]
    ids = [ask(path, body)["authentication_factor"]["id"] for body in bodies]
    ask("/auth/factors/enroll", {"type": "sms", "phone_number": next(PHONES), "user_id": user})
    if MAJOR <= 4:
        listed = field(list_user(user), "data")
    else:
        first = list_user(user, limit=2)
        assert len(first.data) == 2
        rest = list_user(user, limit=2, after=first.after if MAJOR >= 6 else first.list_metadata.after)
        listed = [*first.data, *rest.data]
    assert [field(factor, "id") for factor in listed] == ids[::-1]


def c18():
    page = list_user(CROWD)
    if MAJOR <= 4:
        # It has no parameters: the first page, and a cursor that nothing follows.
        data, after = field(page, "data"), field(page, "list_metadata", "after")
        assert (len(data), after) == (10, field(data[-1], "id"))
        return
    factors = list(page if MAJOR == 5 else page.auto_paging_iter())
    assert len({factor.id for factor in factors}) == 101


def c19():
    if not IS_LEGACY:
        raise Absent
    requests, putrequest = [], http.client.HTTPConnection.putrequest

    def noted(self, method, url, *arguments, **options):
        requests.append(f"{method} {url}")
        return putrequest(self, method, url, *arguments, **options)

    factor, _, code = login()
    http.client.HTTPConnection.putrequest = noted
    opened = field(challenge(field(factor, "id")), "id")
    assert is_valid(opened, code) is True
    assert requests == ["POST /auth/factors/challenge", "POST /auth/factors/verify"], requests


def c20():
    user = new_user()
    factor = used_totp(user)
    codes = ask(f"/user_management/users/{user}/recovery_codes", {"accept_on_challenges": True})["codes"]
    for valid in (True, False):
        opened = field(challenge(factor), "id")
        verdict = verify(opened, codes[0])
        assert (field(verdict, "valid"), field(verdict, "challenge", "id")) == (valid, opened)


for column in range(1, 21):
    try:
        globals()[f"c{column}"]()
        outcome, why = "passed", ""
    except Absent:
        outcome, why = "absent", ""
    except Exception as error:
        outcome, why = "failed", re.sub(r"\s+", " ", f"{type(error).__name__}: {error}")
    print(f"python-{VERSION}", column, outcome, why, sep="\t")
