"""The official Python SDK, unmodified, against a local server.

node/conformance.test.mjs holds the same list for the Node SDK, and beside it what no current SDK sends any more.
"""

import base64
import io
import itertools
import json
import os
import re
import urllib.request
import uuid
from datetime import datetime, timedelta

import pyotp
import pytest
import zxingcpp
from PIL import Image
from workos import (
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    UnprocessableEntityError,
    WorkOSClient,
)

URL = os.environ["LATCHKEY_URL"]
WORKOS = WorkOSClient(api_key=os.environ["LATCHKEY_API_KEY"], base_url=URL)
MFA = WORKOS.multi_factor_auth

# A number of its own for every SMS test: limits on a number must not reach from one test into another.
PHONES = (f"+1202555{n:04}" for n in itertools.count(100))

UNKNOWN_FACTOR = "auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ"

# API Gateway hands functions the path decoded, so behind it a slash in an id separates.
ODD_ID = "a b c" if os.environ.get("LATCHKEY_GATEWAY") else "a/b c"


def dev(path, body=None):
    """What the local server has for tests; a body makes it a POST."""
    request = urllib.request.Request(
        f"{URL}/_dev/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def server_time():
    """The server's time: tests before this one have moved its clock."""
    return int(datetime.fromisoformat(dev("clock")["now"]).timestamp())


def advance(**duration):
    dev("clock", {"advance_seconds": int(timedelta(**duration).total_seconds())})


def texts_to(phone):
    return [text["message"] for text in dev("sms") if text["to"] == phone]


def new_user():
    return f"user_{uuid.uuid4().hex}"


def enroll_totp():
    return MFA.enroll_factor(type="totp", totp_issuer="Foo Corp", totp_user="alan@foo-corp.com")


def totp_code(secret):
    return pyotp.TOTP(secret).at(server_time())


def wrong_totp_code(secret):
    """A code of none of the steps the server may accept, nor of the next, should one begin meanwhile."""
    now, totp = server_time(), pyotp.TOTP(secret)
    near = {totp.at(now + 30 * step) for step in range(-2, 4)}
    return next(code for code in (digit * 6 for digit in "0123456") if code not in near)


def other_code(code):
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_a_totp_enrollment_has_its_five_fields():
    factor = enroll_totp()
    assert re.fullmatch(r"auth_factor_[0-9A-HJKMNP-TV-Z]{26}", factor.id)
    assert (factor.object, factor.type, factor.sms, factor.user_id) == ("authentication_factor", "totp", None, None)
    assert (factor.totp.issuer, factor.totp.user) == ("Foo Corp", "alan@foo-corp.com")
    is_base32 = re.fullmatch(r"[A-Z2-7]{32}", factor.totp.secret) is not None
    assert is_base32
    # Comparisons of secrets are made before they are asserted: pytest would print both sides.
    parsed = pyotp.parse_uri(factor.totp.uri)
    is_same = parsed.secret == factor.totp.secret
    assert is_same
    assert (parsed.issuer, parsed.name) == ("Foo Corp", "alan@foo-corp.com")


def test_the_qr_code_reads_as_the_uri():
    totp = enroll_totp().totp
    kind, _, image = totp.qr_code.partition(",")
    assert kind == "data:image/png;base64"
    [barcode] = zxingcpp.read_barcodes(Image.open(io.BytesIO(base64.b64decode(image))))
    is_same = barcode.text == totp.uri
    assert is_same


def test_a_totp_challenge_lasts_ten_minutes_and_shows_no_code():
    factor = enroll_totp()
    challenge = MFA.challenge_factor(factor.id)
    assert re.fullmatch(r"auth_challenge_[0-9A-HJKMNP-TV-Z]{26}", challenge.id)
    assert (challenge.object, challenge.authentication_factor_id) == ("authentication_challenge", factor.id)
    assert challenge.expires_at - challenge.created_at == timedelta(minutes=10)
    assert challenge.code is None


def test_a_wrong_code_is_an_answer_and_not_an_error():
    factor = enroll_totp()
    challenge = MFA.challenge_factor(factor.id)
    verification = MFA.verify_challenge(challenge.id, code=wrong_totp_code(factor.totp.secret))
    assert verification.valid is False
    assert verification.challenge == challenge


def test_the_right_code_verifies():
    factor = enroll_totp()
    challenge = MFA.challenge_factor(factor.id)
    verification = MFA.verify_challenge(challenge.id, code=totp_code(factor.totp.secret))
    assert verification.valid is True
    assert verification.challenge == challenge


def test_the_right_code_verifies_after_a_wrong_one():
    factor = enroll_totp()
    challenge = MFA.challenge_factor(factor.id)
    assert MFA.verify_challenge(challenge.id, code=wrong_totp_code(factor.totp.secret)).valid is False
    assert MFA.verify_challenge(challenge.id, code=totp_code(factor.totp.secret)).valid is True


def test_a_challenge_verifies_once():
    factor = enroll_totp()
    challenge = MFA.challenge_factor(factor.id)
    code = totp_code(factor.totp.secret)
    assert MFA.verify_challenge(challenge.id, code=code).valid is True
    with pytest.raises(UnprocessableEntityError) as refused:
        MFA.verify_challenge(challenge.id, code=code)
    assert refused.value.code == "authentication_challenge_previously_verified"
    assert refused.value.message == f"The authentication challenge '{challenge.id}' has already been verified."


def test_a_totp_code_verifies_once_per_factor():
    factor = enroll_totp()
    code = totp_code(factor.totp.secret)
    assert MFA.verify_challenge(MFA.challenge_factor(factor.id).id, code=code).valid is True
    fresh = MFA.challenge_factor(factor.id)
    assert MFA.verify_challenge(fresh.id, code=code).valid is False
    # Two steps on, so that the new code is not the spent step's by any reading of the skew.
    advance(seconds=60)
    assert MFA.verify_challenge(fresh.id, code=totp_code(factor.totp.secret)).valid is True


def test_five_wrong_codes_close_a_challenge_to_the_right_one():
    factor = enroll_totp()
    challenge = MFA.challenge_factor(factor.id)
    wrong = wrong_totp_code(factor.totp.secret)
    assert [MFA.verify_challenge(challenge.id, code=wrong).valid for _ in range(5)] == [False] * 5
    with pytest.raises(BadRequestError) as refused:
        MFA.verify_challenge(challenge.id, code=totp_code(factor.totp.secret))
    assert refused.value.code == "one_time_code_too_many_attempts"


def test_a_code_that_is_not_six_digits_is_refused_and_costs_no_attempt():
    factor = enroll_totp()
    challenge = MFA.challenge_factor(factor.id)
    for text in ("", "12345", "1234567", "12345a", " 12345", "１２３４５６"):
        with pytest.raises(UnprocessableEntityError) as refused:
            MFA.verify_challenge(challenge.id, code=text)
        assert refused.value.code == "invalid_request_parameters"
        assert [error["field"] for error in refused.value.errors] == ["code"]
    assert MFA.verify_challenge(challenge.id, code=totp_code(factor.totp.secret)).valid is True


def test_an_sms_code_arrives_in_the_template_and_verifies():
    phone = next(PHONES)
    factor = MFA.enroll_factor(type="sms", phone_number=phone)
    assert (factor.type, factor.sms.phone_number, factor.totp) == ("sms", phone, None)
    challenge = MFA.challenge_factor(factor.id, sms_template="Foo Corp: {{code}} is your code")
    assert challenge.code is None
    assert challenge.expires_at - challenge.created_at == timedelta(minutes=10)
    [text] = texts_to(phone)
    [code] = re.fullmatch(r"Foo Corp: ([0-9]{6}) is your code", text).groups()
    wrong = MFA.verify_challenge(challenge.id, code=other_code(code))
    assert (wrong.valid, wrong.challenge.code) == (False, None)
    right = MFA.verify_challenge(challenge.id, code=code)
    assert (right.valid, right.challenge.code) == (True, None)


def test_an_sms_code_arrives_in_the_default_text_and_verifies():
    phone = next(PHONES)
    factor = MFA.enroll_factor(type="sms", phone_number=phone)
    challenge = MFA.challenge_factor(factor.id)
    [text] = texts_to(phone)
    [code] = re.findall(r"\b[0-9]{6}\b", text)
    assert MFA.verify_challenge(challenge.id, code=code).valid is True


@pytest.mark.parametrize("kind", ["totp", "sms", "generic_otp"])
def test_a_challenge_expires_after_ten_minutes(kind):
    phone = next(PHONES)
    factor = {
        "totp": enroll_totp,
        "sms": lambda: MFA.enroll_factor(type="sms", phone_number=phone),
        "generic_otp": lambda: MFA.enroll_factor(type="generic_otp"),
    }[kind]()
    challenge = MFA.challenge_factor(factor.id)
    advance(minutes=10)
    code = {
        "totp": lambda: totp_code(factor.totp.secret),
        "sms": lambda: re.findall(r"\b[0-9]{6}\b", texts_to(phone)[-1])[0],
        "generic_otp": lambda: challenge.code,
    }[kind]()
    with pytest.raises(UnprocessableEntityError) as refused:
        MFA.verify_challenge(challenge.id, code=code)
    assert refused.value.code == "authentication_challenge_expired"
    assert refused.value.message == f"The authentication challenge '{challenge.id}' has expired."


@pytest.mark.parametrize("number", ["foo", "73", "12025550123"])
def test_a_number_that_is_not_e164_is_refused(number):
    with pytest.raises(UnprocessableEntityError) as refused:
        MFA.enroll_factor(type="sms", phone_number=number)
    assert refused.value.code == "invalid_phone_number"
    assert refused.value.message == f"Phone number is invalid: '{number}'"


def test_a_factor_shows_its_secrets_only_at_enrollment():
    enrolled = enroll_totp()
    factor = MFA.get_factor(enrolled.id)
    assert (factor.id, factor.type, factor.created_at) == (enrolled.id, "totp", enrolled.created_at)
    # The SDK's own model has no place for a secret; the raw answer shows that none was sent.
    raw = WORKOS.request_raw("get", ("auth", "factors", enrolled.id))
    assert raw["totp"] == {"issuer": "Foo Corp", "user": "alan@foo-corp.com"}


def test_a_deleted_factor_is_gone_and_so_are_its_challenges():
    factor = enroll_totp()
    challenge = MFA.challenge_factor(factor.id)
    assert MFA.delete_factor(factor.id) is None
    for call in (
        lambda: MFA.get_factor(factor.id),
        lambda: MFA.challenge_factor(factor.id),
        lambda: MFA.delete_factor(factor.id),
        lambda: MFA.verify_challenge(challenge.id, code=totp_code(factor.totp.secret)),
    ):
        with pytest.raises(NotFoundError) as missing:
            call()
        assert missing.value.code == "entity_not_found"


def test_a_generic_code_is_in_the_challenge_and_verifies():
    factor = MFA.enroll_factor(type="generic_otp")
    assert (factor.type, factor.totp, factor.sms) == ("generic_otp", None, None)
    assert MFA.get_factor(factor.id).type == "generic_otp"
    challenge = MFA.challenge_factor(factor.id)
    assert re.fullmatch(r"[0-9]{6}", challenge.code)
    assert MFA.verify_challenge(challenge.id, code=other_code(challenge.code)).valid is False
    verification = MFA.verify_challenge(challenge.id, code=challenge.code)
    assert verification.valid is True
    is_echoed = verification.challenge.code == challenge.code
    assert is_echoed


@pytest.mark.parametrize("given", [UNKNOWN_FACTOR, "auth_factor_invalid", ODD_ID])
def test_an_unknown_factor_is_not_found(given):
    for call in (MFA.get_factor, MFA.challenge_factor, MFA.delete_factor):
        with pytest.raises(NotFoundError) as missing:
            call(given)
        assert missing.value.code == "entity_not_found"
        assert missing.value.message == f"Authentication Factor not found: '{given}'."
        assert missing.value.response_json["entity_id"] == given


def test_a_wrong_api_key_is_not_authenticated():
    stranger = WorkOSClient(api_key="sk_local_wrong", base_url=URL).multi_factor_auth
    with pytest.raises(AuthenticationError) as refused:
        stranger.enroll_factor(type="generic_otp")
    assert refused.value.status_code == 401
    assert refused.value.message == "Unauthorized"
    assert refused.value.code


def test_every_error_carries_a_request_id_of_its_own():
    ids = set()
    for _ in range(2):
        with pytest.raises(NotFoundError) as missing:
            MFA.get_factor(UNKNOWN_FACTOR)
        ids.add(missing.value.request_id)
    assert len(ids) == 2 and all(ids)


def test_a_user_enrolls_with_a_factor_and_a_challenge_that_verifies():
    user = new_user()
    enrolled = MFA.create_user_auth_factor(user, type="totp", totp_issuer="Foo Corp", totp_user="alan@foo-corp.com")
    factor, challenge = enrolled.authentication_factor, enrolled.authentication_challenge
    assert (factor.type, factor.user_id, factor.totp.issuer) == ("totp", user, "Foo Corp")
    assert (challenge.authentication_factor_id, challenge.code) == (factor.id, None)
    assert MFA.verify_challenge(challenge.id, code=totp_code(factor.totp.secret)).valid is True


def test_a_user_keeps_an_imported_secret():
    secret = pyotp.random_base32()
    enrolled = MFA.create_user_auth_factor(new_user(), type="totp", totp_secret=secret)
    # Without an issuer and an account name the server chooses them; an authenticator app needs both.
    factor = enrolled.authentication_factor
    assert factor.totp.issuer and factor.totp.user
    is_kept = factor.totp.secret == secret
    assert is_kept
    assert MFA.verify_challenge(enrolled.authentication_challenge.id, code=totp_code(secret)).valid is True


def test_a_users_totp_factors_are_listed_page_by_page_and_no_others():
    user = new_user()
    ids = [MFA.create_user_auth_factor(user, type="totp").authentication_factor.id for _ in range(3)]
    MFA.enroll_factor(type="sms", phone_number=next(PHONES), user_id=user)
    MFA.create_user_auth_factor(new_user(), type="totp")

    first = MFA.list_user_auth_factors(user, limit=1)
    assert [factor.id for factor in first] == [ids[2]]
    listed = list(first.auto_paging_iter())
    assert [factor.id for factor in listed] == ids[::-1]
    assert {(factor.type, factor.user_id) for factor in listed} == {("totp", user)}
    oldest_first = MFA.list_user_auth_factors(user, limit=2, order="asc")
    assert [factor.id for factor in oldest_first.auto_paging_iter()] == ids


def test_a_user_without_factors_has_an_empty_list():
    page = MFA.list_user_auth_factors(new_user())
    assert (page.data, page.before, page.after) == ([], None, None)
