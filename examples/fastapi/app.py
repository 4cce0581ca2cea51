"""A login with a second factor: FastAPI, the official WorkOS SDK, and Latchkey."""

import logging
import os
import re
import secrets
import sys
from dataclasses import dataclass
from typing import Annotated

import phonenumbers
import uvicorn
from fastapi import Depends, FastAPI, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType
from pwdlib import PasswordHash
from workos import (
    BadRequestError,
    NotFoundError,
    UnprocessableEntityError,
    WorkOSClient,
    WorkOSError,
)

KEY = os.environ.get("LATCHKEY_API_KEY") or sys.exit("Set LATCHKEY_API_KEY: `cargo run` prints it.")
URL = os.environ.get("LATCHKEY_URL", "http://127.0.0.1:8787")
SSO_DOMAINS = os.environ.get("SSO_DOMAINS", "sso.example").split(",")
MOBILE = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
SMS_TEMPLATE = "Foo Corp: {{code}} is your code."
SENT = "We sent a code to your phone."
BAD_PHONE = "Enter a mobile number with its country code, like +1 202 555 0100."
TOO_LATE = "That took too long. Enter the newest code."
ERRORS = {  # The errors of Latchkey that a user can do something about.
    "one_time_code_too_many_attempts": "Too many wrong codes. Try again later, or use a recovery code.",
    "authentication_challenge_expired": TOO_LATE,
    "authentication_challenge_previously_verified": TOO_LATE,
    "sms_send_limit_exceeded": "A message was sent a moment ago. Wait before you ask for another one.",
}
Text = Annotated[str, Form()]


@dataclass
class User:
    id: str
    email: str
    password_hash: str
    totp_factor: str | None = None
    phone_factor: str | None = None


@dataclass
class Session:
    user: User
    verified: bool = False  # Whether it has passed the second factor.
    challenge: str | None = None
    new_factor: tuple | None = (
        None  # It and its challenge, until the user has entered a code of it.
    )
    notice: str | None = None

    @property
    def pending(self) -> bool:
        # So a session from before the user had a second factor has to pass it, too.
        return self.user.totp_factor is not None and not self.verified


class Alert(Exception):
    """Refuses a request, with a text for the user."""


# Handlers are `def`: FastAPI runs them in threads, where the SDK does not block other requests.
# They share this: single operations of a dict are atomic, and the client is thread-safe.
users: dict[str, User] = {}
sessions: dict[str, Session] = {}  # Starlette's own sessions are cookies that a user can read.
workos = WorkOSClient(api_key=KEY, base_url=URL, request_timeout=10)
mfa = workos.multi_factor_auth
passwords = PasswordHash.recommended()
NO_ONES_HASH = passwords.hash(secrets.token_hex())
templates = Jinja2Templates(".")
app = FastAPI(openapi_url=None)


def find_session(request: Request) -> Session | None:
    return sessions.get(request.cookies.get("session"))


def page(request: Request, status: int = 200, path: str = "", **values) -> Response:
    values |= {"path": path or request.url.path, "session": find_session(request)}
    headers = {"Cache-Control": "no-store", "X-Frame-Options": "DENY"}
    return templates.TemplateResponse(request, "pages.html", values, status, headers)


@app.exception_handler(Alert)
def show_alert(request: Request, alert: Alert) -> Response:
    return page(request, 400, alert=alert)


@app.exception_handler(WorkOSError)
def show_error(request: Request, error: WorkOSError) -> Response:
    code, session = getattr(error, "code", None), current_session(request)
    if code not in ERRORS:
        logging.error("Latchkey: %r %s", code, getattr(error, "request_id", error))
        return page(request, 503, alert="Something went wrong. Try again in a minute.")
    if code != "sms_send_limit_exceeded":  # No code can be right for this challenge any more.
        session.challenge = session.new_factor = None
    return page(request, 400, alert=ERRORS[code])


def current_session(request: Request) -> Session:
    """Paths under /login are for pending sessions only, and all others for those that are not."""
    session = find_session(request)
    if session is None or session.pending != request.url.path.startswith("/login"):
        raise HTTPException(303, headers={"Location": "/login"})
    return session


Current = Annotated[Session, Depends(current_session)]


def confirmed_session(session: Current, password: Text = "") -> Session:
    """Changes need the password again, so that a stolen session is not enough."""
    if not passwords.verify(password, session.user.password_hash):
        raise Alert("Wrong password.")
    return session


Confirmed = Annotated[Session, Depends(confirmed_session)]


def start_session(request: Request, session: Session, path: str) -> Response:
    """A new ID at every step of the login: one that was planted or seen before is worth nothing."""
    sessions.pop(request.cookies.get("session"), None)
    sessions[session_id := secrets.token_urlsafe(32)] = session
    response = RedirectResponse(path, 303)
    # SameSite=Lax, and only POST changes anything: no other site can act for the user (CSRF).
    https = os.environ.get("HTTPS") == "1"
    response.set_cookie("session", session_id, httponly=True, samesite="lax", secure=https)
    return response


@app.get("/")
@app.get("/signup")
@app.get("/login")
def welcome(request: Request):
    return page(request)


def email_address(email: Text = "") -> str:
    email = email.strip().lower()
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        raise Alert("Enter an email address.")
    if email.split("@")[1] in SSO_DOMAINS:  # The identity provider asks for the second factor.
        raise Alert("Your company logs you in. Use its login page.")
    return email


Email = Annotated[str, Depends(email_address)]


@app.post("/signup")
def sign_up(request: Request, email: Email, password: Text = ""):
    if len(password) < 8:
        raise Alert("A password has at least 8 characters.")
    user = User(f"user_{secrets.token_hex(16)}", email, passwords.hash(password))
    if users.setdefault(email, user) is not user:
        raise Alert("This email is taken.")
    return start_session(request, Session(user), "/account")


@app.post("/login")
def log_in(request: Request, email: Email, password: Text = ""):
    user = users.get(email)
    # Also hashes for an unknown user, so that the time does not tell who has an account.
    right = passwords.verify(password, user.password_hash if user else NO_ONES_HASH)
    if not user or not right:
        raise Alert("Wrong email or password.")
    session = Session(user)
    return start_session(request, session, "/login/code" if session.pending else "/")


@app.get("/login/code")
def enter_code(request: Request, session: Current):
    return page(request)


def verify(challenge: str, code: str) -> None:
    code = "".join(code.split())
    # A wrong code is not an error of the SDK: only `valid` tells.
    if not re.fullmatch("[0-9]{6}", code) or not mfa.verify_challenge(challenge, code=code).valid:
        raise Alert("That code is wrong or was used before.")


@app.post("/login/code")
def check_code(request: Request, session: Current, code: Text = ""):
    if not session.challenge:
        session.challenge = mfa.challenge_factor(session.user.totp_factor).id
    verify(session.challenge, code)
    return start_session(request, Session(session.user, verified=True), "/")


@app.post("/login/sms")
def send_code(request: Request, session: Current):
    phone = session.user.phone_factor
    session.challenge = mfa.challenge_factor(phone, sms_template=SMS_TEMPLATE).id
    return page(request, notice=SENT)


def recovery_codes(method: str, user: User, *path: str, **body: str) -> dict:
    path = ("user_management", "users", user.id, "recovery_codes", *path)
    return workos.request_raw(method, path, body=body or None)


@app.post("/login/recovery")
def check_recovery_code(request: Request, session: Current, code: Text = ""):
    try:
        answer = recovery_codes("post", session.user, "verify", code=code)
    except BadRequestError:
        raise Alert("Too many wrong codes. Try again later.")
    except (NotFoundError, UnprocessableEntityError):  # Has none; or it does not look like one.
        answer = {"valid": False}
    if not answer["valid"]:
        raise Alert("That recovery code is wrong or was used before.")
    notice = f"You used a recovery code. {answer['remaining']} left."
    return start_session(request, Session(session.user, verified=True, notice=notice), "/account")


def recovery_codes_left(user: User) -> int:
    try:
        return recovery_codes("get", user)["remaining"]
    except NotFoundError:
        return 0


@app.get("/account")
def account(request: Request, session: Current):
    notice, session.notice = session.notice, None
    return page(request, left=recovery_codes_left(session.user), notice=notice)


@app.post("/account/app")
def set_up_app(request: Request, session: Confirmed):
    enrolled = mfa.create_user_auth_factor(
        session.user.id, type="totp", totp_issuer="Foo Corp", totp_user=session.user.email
    )
    session.new_factor = (enrolled.authentication_factor, enrolled.authentication_challenge.id)
    return page(request, path="/account/verify")


@app.post("/account/phone")
def add_phone(request: Request, session: Confirmed, phone: Text = ""):
    try:
        number = phonenumbers.parse(phone)
        if phonenumbers.number_type(number) not in MOBILE:
            raise Alert(BAD_PHONE)
        number = phonenumbers.format_number(number, PhoneNumberFormat.E164)
        factor = mfa.enroll_factor(type="sms", phone_number=number, user_id=session.user.id)
        challenge = mfa.challenge_factor(factor.id, sms_template=SMS_TEMPLATE)
    except (NumberParseException, UnprocessableEntityError) as error:
        if getattr(error, "code", None) in ERRORS:
            raise
        raise Alert(BAD_PHONE)
    session.new_factor = (factor, challenge.id)
    return page(request, path="/account/verify", notice=SENT)


@app.post("/account/codes")
def create_recovery_codes(request: Request, session: Confirmed):
    return page(request, codes=recovery_codes("post", session.user)["codes"])


@app.post("/account/verify")
def confirm_factor(request: Request, session: Current, code: Text = ""):
    if not session.new_factor:
        return RedirectResponse("/account", 303)
    user, (factor, challenge) = session.user, session.new_factor
    verify(challenge, code)
    session.verified, session.new_factor = True, None
    kind = "totp_factor" if factor.totp else "phone_factor"
    old = getattr(user, kind)
    setattr(user, kind, factor.id)
    if old:
        mfa.delete_factor(old)
    if recovery_codes_left(user) == 0:
        return create_recovery_codes(request, session)
    return RedirectResponse("/account", 303)


@app.post("/logout")
def log_out(request: Request):
    sessions.pop(request.cookies.get("session"), None)
    return RedirectResponse("/", 303)


uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "3000")))
