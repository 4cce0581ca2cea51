import re

import pyotp
import pytest
from workos import UnprocessableEntityError, WorkOSClient


@pytest.fixture
def mfa(latchkey):
    return WorkOSClient(api_key=latchkey.api_key, base_url=latchkey.url).multi_factor_auth


@pytest.fixture
def texted(latchkey, mfa):
    """A challenge of a phone of its own, and the code that the phone got."""
    phone = next(latchkey.phones)
    factor = mfa.enroll_factor(type="sms", phone_number=phone)
    challenge = mfa.challenge_factor(factor.id)
    [message] = latchkey.messages_to(phone)
    return challenge.id, re.search(r"\b\d{6}\b", message).group()


def test_a_texted_code_is_valid_once(mfa, texted):
    challenge_id, code = texted
    assert mfa.verify_challenge(challenge_id, code=code).valid
    with pytest.raises(UnprocessableEntityError) as refused:
        mfa.verify_challenge(challenge_id, code=code)
    assert refused.value.code == "authentication_challenge_previously_verified"


def test_a_challenge_expires_after_ten_minutes(latchkey, mfa, texted):
    challenge_id, code = texted
    latchkey.advance(10 * 60)
    with pytest.raises(UnprocessableEntityError) as refused:
        mfa.verify_challenge(challenge_id, code=code)
    assert refused.value.code == "authentication_challenge_expired"


def test_a_user_logs_in_with_an_authenticator_app(latchkey, mfa):
    factor = mfa.enroll_factor(type="totp", totp_issuer="Foo Corp", totp_user="alice@example.com")
    challenge = mfa.challenge_factor(factor.id)
    # At the server's time, which another test may have turned.
    code = pyotp.TOTP(factor.totp.secret).at(latchkey.now())
    assert mfa.verify_challenge(challenge.id, code=code).valid
