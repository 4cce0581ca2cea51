"""What each POST does, and GET /account. The middleware shows all other pages, errors and refusals."""

import re

import phonenumbers
from django.conf import settings
from django.contrib.auth import authenticate, login
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.shortcuts import redirect, render
from workos import BadRequestError, NotFoundError, UnprocessableEntityError, WorkOSClient

from login.models import User

MOBILE = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)
BAD_PHONE = "Enter a mobile number with its country code, like +1 202 555 0100."
SMS_TEMPLATE = "Foo Corp: {{code}} is your code."
ERRORS = {  # The errors of Latchkey that a user can do something about.
    "one_time_code_too_many_attempts": "Too many wrong codes. Try again later, or use a recovery code.",
    "authentication_challenge_expired": "That took too long. Enter the newest code.",
    "authentication_challenge_previously_verified": "That took too long. Enter the newest code.",
    "entity_not_found": "That took too long. Enter the newest code.",
    "phone_number_opted_out": "This phone has opted out of text messages.",
    "sms_send_limit_exceeded": "A message was sent a moment ago. Wait before you ask for another one.",
}
workos = WorkOSClient(api_key=settings.LATCHKEY_API_KEY, base_url=settings.LATCHKEY_URL, request_timeout=10)
mfa = workos.multi_factor_auth


def page(request, status=200, **values):
    factor = request.path == "/account/verify" and request.session.get("new_factor")
    if "codes" in values:
        title = "Recovery codes"
    elif factor:
        title = "Scan this QR code" if factor["type"] == "totp" else "Confirm your phone"
    else:
        titles = {"/": "Foo Corp", "/signup": "Sign up", "/login": "Log in"}
        title = titles.get(request.path, "Enter your code" if request.pending else "Two-factor login")
    values |= {"title": title, "factor": factor, "user": request.user, "pending": request.pending}
    return render(request, "page.html", values, status=status)


def email_address(request):
    email = request.POST.get("email", "").strip().lower()
    if not re.fullmatch(r"(?=.{3,254}$)[\w.+-]+@[\w-]+(\.[\w-]+)+", email, re.ASCII):
        raise ValidationError("Enter an email address.")
    if email.rpartition("@")[2] in settings.SSO_DOMAINS:  # The identity provider asks for the second factor.
        raise ValidationError("Your company logs you in. Use its login page.")
    return email


def start_session(request, user, path, **state):
    request.session.flush()  # A new ID: one that was planted or seen before is worth nothing.
    if "pending" not in state:
        login(request, user)
    request.session.update(state)
    return redirect(path)


def sign_up(request):
    email, password = email_address(request), request.POST.get("password", "")
    if len(password) < 8:
        raise ValidationError("A password has at least 8 characters.")
    try:
        user = User.objects.create_user(email, email, password)
    except IntegrityError:
        raise ValidationError("This email is taken.")
    return start_session(request, user, "/account")


def log_in(request):
    email, password = email_address(request), request.POST.get("password", "")
    # This also hashes for an unknown user, so that the time does not tell who has an account.
    user = authenticate(request, username=email, password=password)
    if user is None:
        raise ValidationError("Wrong email or password.")
    if user.factors:
        return start_session(request, user, "/login/code", pending=str(user.pk))
    return start_session(request, user, "/")


def verify(owner, code, factor=None):
    """Checks a code for the challenge of a session or a new factor. A session gets one if it has none."""
    code = "".join(code.split())
    if re.fullmatch("[0-9]{6}", code):
        if not owner.get("challenge"):
            owner["challenge"] = mfa.challenge_factor(factor).id
        # A wrong code is not an error of the SDK: only `valid` tells.
        if mfa.verify_challenge(owner["challenge"], code=code).valid:
            return
    raise ValidationError("That code is wrong or was used before.")


def check_code(request):
    verify(request.session, request.POST.get("code", ""), request.pending.factors["totp"])
    return start_session(request, request.pending, "/", app=request.pending.factors["totp"])


def send_code(request):
    phone = request.pending.factors.get("sms", "none")
    request.session["challenge"] = mfa.challenge_factor(phone, sms_template=SMS_TEMPLATE).id
    return page(request, notice="We sent a code to your phone.")


def recovery_codes(method, user, *path, **body):
    path = ("user_management", "users", f"user_{user.pk}", "recovery_codes", *path)
    try:
        return workos.request_raw(method, path, body=body or None)
    except (NotFoundError, UnprocessableEntityError):  # There are none, or this cannot be one.
        return {"remaining": 0, "valid": False}


def check_recovery_code(request):
    try:
        answer = recovery_codes("post", request.pending, "verify", code=request.POST.get("code", ""))
    except BadRequestError:
        raise ValidationError("Too many wrong codes. Try again later.")
    if not answer["valid"]:
        raise ValidationError("That recovery code is wrong or was used before.")
    notice = f"You used a recovery code. {answer['remaining']} left."
    app = request.pending.factors["totp"]
    return start_session(request, request.pending, "/account", app=app, notice=notice)


def account(request):
    left = recovery_codes("get", request.user)["remaining"]
    return page(request, left=left, notice=request.session.pop("notice", None))


def set_up_app(request):
    user = request.user
    new = mfa.create_user_auth_factor(
        f"user_{user.pk}", type="totp", totp_issuer="Foo Corp", totp_user=user.email
    )
    factor, challenge = new.authentication_factor, new.authentication_challenge
    totp = {"qr_code": factor.totp.qr_code, "secret": factor.totp.secret}
    request.session["new_factor"] = {
        "type": "totp",
        "id": factor.id,
        "challenge": challenge.id,
        **totp,
    }
    return redirect("/account/verify")


def add_phone(request):
    try:
        number = phonenumbers.parse(request.POST.get("phone", ""))
        if phonenumbers.number_type(number) not in MOBILE:  # Also if there is no such number.
            raise ValidationError(BAD_PHONE)
        number = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        factor = mfa.enroll_factor(type="sms", phone_number=number, user_id=f"user_{request.user.pk}")
        challenge = mfa.challenge_factor(factor.id, sms_template=SMS_TEMPLATE)
    except (phonenumbers.NumberParseException, UnprocessableEntityError) as error:
        if getattr(error, "code", None) in ERRORS:
            raise
        raise ValidationError(BAD_PHONE)
    request.session["new_factor"] = {"type": "sms", "id": factor.id, "challenge": challenge.id}
    return redirect("/account/verify")


def confirm_factor(request):
    factor, user = request.session.get("new_factor"), request.user
    if not factor:
        return redirect("/account")
    verify(factor, request.POST.get("code", ""))
    user.refresh_from_db()
    if user.factors.get("totp") != request.session.get("app"):
        return redirect("/login")  # Another session was faster.
    old, user.factors[factor["type"]] = user.factors.get(factor["type"]), factor["id"]
    user.save()
    request.session.cycle_key()
    request.session.update({"app": user.factors["totp"], "new_factor": None})
    if old:
        mfa.delete_factor(old)
    if "secret" in factor and recovery_codes("get", user)["remaining"] == 0:
        return create_recovery_codes(request)
    return redirect("/account")


def create_recovery_codes(request):
    return page(request, codes=recovery_codes("post", request.user)["codes"])
