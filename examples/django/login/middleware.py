"""The gate in front of the views: who may see what, and what a refusal looks like."""

import logging

from django.contrib.auth import logout
from django.core.exceptions import ValidationError
from django.shortcuts import redirect
from workos import WorkOSError

from login.models import User
from login.views import ERRORS, page


class SecondFactorMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        # Not `request.user`, which Django fills only after both factors: its own checks hold, too.
        request.pending = User.objects.filter(pk=request.session.get("pending")).first()
        response = self.get_response(request)
        response["Cache-Control"] = "no-store"
        return response

    def process_view(self, request, view, *args):
        """Runs before each view. What it returns is the answer, and the view does not run."""
        user, app = request.user, request.session.get("app")
        if user.is_authenticated and user.factors.get("totp") != app:
            logout(request)  # Another session set up or replaced the second factor.
        allowed = {"/login/": request.pending, "/account": request.user.is_authenticated}
        if not all(allowed[start] for start in allowed if request.path.startswith(start)):
            return redirect("/login")
        # Only a POST changes anything, and Django protects it from other sites (CSRF).
        if request.method != "POST" and request.path not in ("/account", "/logout"):
            return page(request)
        if request.path in ("/account/app", "/account/phone", "/account/codes"):
            # A stolen session is not enough for a change, and a password not for a way around the app.
            if not user.check_password(request.POST.get("password", "")):
                return page(request, 400, alert="Wrong password.")
            if not app and request.path != "/account/app":
                return page(request, 400, alert="Set up an authenticator app first.")

    def process_exception(self, request, error):
        """Shows what was refused, on the page that the user is on. No error logs anyone in."""
        if isinstance(error, ValidationError):
            return page(request, 400, alert=error.message)
        if not isinstance(error, WorkOSError):
            return None
        code = getattr(error, "code", None)
        if code not in ERRORS:
            logging.error("Latchkey: %r %s", code, getattr(error, "request_id", error))
            return page(request, 503, alert="Something went wrong. Try again in a minute.")
        if code != "sms_send_limit_exceeded":  # No code can be right for this challenge any more.
            request.session.pop("challenge", None)
            request.session.pop("new_factor", None)
        return page(request, 400, alert=ERRORS[code])
