"""A login with a second factor: FastAPI, the official WorkOS SDK, and Latchkey."""

import logging
import os
import re
import secrets
import sys
from dataclasses import dataclass, field
from typing import Annotated

import phonenumbers
import uvicorn
from fastapi import Depends, FastAPI, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from pwdlib import PasswordHash
from workos import BadRequestError, NotFoundError, UnprocessableEntityError, WorkOSClient, WorkOSError

KEY = os.environ.get("LATCHKEY_API_KEY") or sys.exit("Set LATCHKEY_API_KEY: `cargo run` prints it.")
URL = os.environ.get("LATCHKEY_URL", "http://127.0.0.1:8787")
SSO_DOMAINS = os.environ.get("SSO_DOMAINS", "sso.example").lower().replace(" ", "").split(",")
MOBILE = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)
BAD_PHONE = "Enter a mobile number with its country code, like +1 202 555 0100."
TEXT = "Foo Corp: {{code}} is your code."
ERRORS = {  # The errors of Latchkey that a user can do something about.
    "one_time_code_too_many_attempts": "Too many wrong codes. Try again later, or use a recovery code.",
    "authentication_challenge_expired": "That took too long. Enter the newest code.",
    "authentication_challenge_previously_verified": "That took too long. Enter the newest code.",
    "entity_not_found": "That took too long. Enter the newest code.",
    "sms_send_limit_exceeded": "A message was sent a moment ago. Wait before you ask for another one.",
}
Text = Annotated[str, Form()]


@dataclass
class User:
    id: str
    email: str
    password_hash: str
    factors: dict[str, str] = field(default_factory=dict)  # The IDs of the factors "totp" and "sms".


def create_app() -> FastAPI:
    app = FastAPI(openapi_url=None)
    templates = Jinja2Templates(".")
    passwords = PasswordHash.recommended()
    no_ones_hash = passwords.hash(secrets.token_hex())
    workos = WorkOSClient(api_key=KEY, base_url=URL, request_timeout=10)
    mfa = workos.multi_factor_auth
    # FastAPI runs `def` handlers in threads, so the SDK may block. Single operations of a dict are atomic.
    users: dict[str, User] = {}
    sessions: dict[str, dict] = {}  # Starlette's own sessions are cookies that a user can read.

    def find_session(request: Request) -> dict | None:
        return sessions.get(request.cookies.get("session"))

    def is_pending(session: dict) -> bool:
        # Also a session from before this app was set up in another one: it has to pass it, too.
        return session["user"].factors.get("totp") != session.get("app")

    def page(request: Request, status: int = 200, **values) -> Response:
        session = find_session(request)
        values |= {"path": request.url.path, "session": session, "pending": session and is_pending(session)}
        return templates.TemplateResponse(request, "page.html", values, status, {"Cache-Control": "no-store"})

    @app.exception_handler(400)
    def show_alert(request: Request, error: HTTPException) -> Response:
        return page(request, 400, alert=error.detail)

    @app.exception_handler(WorkOSError)
    def show_error(request: Request, error: WorkOSError) -> Response:
        code, session = getattr(error, "code", None), find_session(request) or {}  # It may have ended.
        if code not in ERRORS:
            logging.error("Latchkey: %r %s", code, getattr(error, "request_id", error))
            return page(request, 503, alert="Something went wrong. Try again in a minute.")
        if code != "sms_send_limit_exceeded":  # No code can be right for this challenge any more.
            session["challenge"] = session["new"] = None
        return page(request, 400, alert=ERRORS[code])

    def current_session(request: Request) -> dict:
        """Paths under /login are for pending sessions only, and all others for those that are not."""
        session = find_session(request)
        if session is None or is_pending(session) != request.url.path.startswith("/login"):
            raise HTTPException(303, headers={"Location": "/login"})
        return session

    Current = Annotated[dict, Depends(current_session)]

    def confirmed_session(request: Request, session: Current, password: Text = "") -> dict:
        """A stolen session is not enough for a change, and a password not for a way around the app."""
        if not passwords.verify(password, session["user"].password_hash):
            raise HTTPException(400, "Wrong password.")
        if not session.get("app") and request.url.path != "/account/app":
            raise HTTPException(400, "Set up an authenticator app first.")
        return session

    Confirmed = Annotated[dict, Depends(confirmed_session)]

    def start_session(request: Request, user: User, response: str | Response, verified=False, **state):
        """A new ID at every step of the login: one that was planted or seen before is worth nothing."""
        # CSRF: no other site can log anyone in, and SameSite=Lax keeps the cookie from its POSTs.
        if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            raise HTTPException(400, "This form belongs to another site.")
        sessions.pop(request.cookies.get("session"), None)
        app_id = user.factors["totp"] if verified else None
        sessions[session_id := secrets.token_urlsafe(32)] = {"user": user, "app": app_id, **state}
        if isinstance(response, str):
            response = RedirectResponse(response, 303)
        response.set_cookie("session", session_id, httponly=True, samesite="lax", secure=os.environ.get("HTTPS") == "1")
        return response

    @app.get("/")
    @app.get("/signup")
    @app.get("/login")
    def welcome(request: Request):
        return page(request)

    def email_address(email: Text = "") -> str:
        email = email.strip().lower()
        if not re.fullmatch(r"(?=.{3,254}$)[\w.+-]+@[\w-]+(\.[\w-]+)+", email, re.ASCII):
            raise HTTPException(400, "Enter an email address.")
        if email.split("@")[1] in SSO_DOMAINS:  # The identity provider asks for the second factor.
            raise HTTPException(400, "Your company logs you in. Use its login page.")
        return email

    @app.post("/signup")
    def sign_up(request: Request, email: Annotated[str, Depends(email_address)], password: Text = ""):
        if len(password) < 8:
            raise HTTPException(400, "A password has at least 8 characters.")
        user = User(f"user_{secrets.token_hex(16)}", email, passwords.hash(password))
        if users.setdefault(email, user) is not user:
            raise HTTPException(400, "This email is taken.")
        return start_session(request, user, "/account")

    @app.post("/login")
    def log_in(request: Request, email: Annotated[str, Depends(email_address)], password: Text = ""):
        user = users.get(email)
        # Also hashes for an unknown user, so that the time does not tell who has an account.
        if not passwords.verify(password, user.password_hash if user else no_ones_hash):
            raise HTTPException(400, "Wrong email or password.")
        return start_session(request, user, "/login/code" if "totp" in user.factors else "/")

    @app.get("/login/code")
    @app.get("/account/verify")
    def enter_code(request: Request, session: Current):
        return page(request)

    def verify(owner: dict, code: str) -> None:
        """Checks a code for the challenge of a session or a new factor. A session gets one if it has none."""
        code = "".join(code.split())
        if re.fullmatch("[0-9]{6}", code):
            if not owner.get("challenge"):
                owner["challenge"] = mfa.challenge_factor(owner["user"].factors["totp"]).id
            if mfa.verify_challenge(owner["challenge"], code=code).valid:  # A wrong code is no exception.
                return
        raise HTTPException(400, "That code is wrong or was used before.")

    @app.post("/login/code")
    def check_code(request: Request, session: Current, code: Text = ""):
        verify(session, code)
        return start_session(request, session["user"], "/", verified=True)

    @app.post("/login/sms")
    def send_code(request: Request, session: Current):
        session["challenge"] = mfa.challenge_factor(session["user"].factors.get("sms", "-"), sms_template=TEXT).id
        return page(request, notice="We sent a code to your phone.")

    def recovery_codes(method: str, user: User, *path: str, **body: str) -> dict:
        path = ("user_management", "users", user.id, "recovery_codes", *path)
        try:
            return workos.request_raw(method, path, body=body or None)
        except (NotFoundError, UnprocessableEntityError):  # There are none, or this cannot be one.
            return {"remaining": 0, "valid": False}

    @app.post("/login/recovery")
    def check_recovery_code(request: Request, session: Current, code: Text = ""):
        try:
            answer = recovery_codes("post", session["user"], "verify", code=code)
        except BadRequestError:
            raise HTTPException(400, "Too many wrong codes. Try again later.")
        if not answer["valid"]:
            raise HTTPException(400, "That recovery code is wrong or was used before.")
        notice = f"You used a recovery code. {answer['remaining']} left."
        return start_session(request, session["user"], "/account", verified=True, notice=notice)

    @app.get("/account")
    def account(request: Request, session: Current):
        left = recovery_codes("get", session["user"])["remaining"]
        return page(request, left=left, notice=session.pop("notice", None))

    @app.post("/account/app")
    def set_up_app(request: Request, session: Confirmed):
        user = session["user"]
        new = mfa.create_user_auth_factor(user.id, type="totp", totp_issuer="Foo Corp", totp_user=user.email)
        session["new"] = {"factor": new.authentication_factor, "challenge": new.authentication_challenge.id}
        return RedirectResponse("/account/verify", 303)

    @app.post("/account/phone")
    def add_phone(request: Request, session: Confirmed, phone: Text = ""):
        try:
            number = phonenumbers.parse(phone)
            if phonenumbers.number_type(number) not in MOBILE:  # Also if there is no such number.
                raise HTTPException(400, BAD_PHONE)
            number = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            factor = mfa.enroll_factor(type="sms", phone_number=number, user_id=session["user"].id)
            challenge = mfa.challenge_factor(factor.id, sms_template=TEXT).id
            session["new"] = {"factor": factor, "challenge": challenge}
        except (phonenumbers.NumberParseException, UnprocessableEntityError) as error:
            if getattr(error, "code", None) in ERRORS:
                raise
            raise HTTPException(400, BAD_PHONE)
        return RedirectResponse("/account/verify", 303)

    @app.post("/account/verify")
    def confirm_factor(request: Request, session: Current, code: Text = ""):
        if not (new := session.get("new")):
            return RedirectResponse("/account", 303)
        verify(new, code)
        user, factor, response = session["user"], new["factor"], "/account"
        current_session(request)  # Again: another session may have been faster.
        old, user.factors[factor.type] = user.factors.get(factor.type), factor.id
        session |= {"app": user.factors["totp"], "new": None}
        if old:
            mfa.delete_factor(old)
        if factor.totp and recovery_codes("get", user)["remaining"] == 0:
            response = create_recovery_codes(request, session)
        return start_session(request, user, response, verified=True)

    @app.post("/account/codes")
    def create_recovery_codes(request: Request, session: Confirmed):
        return page(request, codes=recovery_codes("post", session["user"])["codes"])

    @app.post("/logout")
    def log_out(request: Request):
        sessions.pop(request.cookies.get("session"), None)
        return RedirectResponse("/", 303)

    return app


uvicorn.run(create_app(), host="127.0.0.1", port=int(os.environ.get("PORT", "3000")))
