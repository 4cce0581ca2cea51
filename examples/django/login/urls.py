from django.contrib.auth.views import LogoutView
from django.urls import path

from login import views

urlpatterns = [
    path("", views.page),
    path("signup", views.sign_up),
    path("login", views.log_in),
    path("login/code", views.check_code),
    path("login/sms", views.send_code),
    path("login/recovery", views.check_recovery_code),
    path("account", views.account),
    path("account/app", views.set_up_app),
    path("account/phone", views.add_phone),
    path("account/codes", views.create_recovery_codes),
    path("account/verify", views.confirm_factor),
    path("logout", LogoutView.as_view(next_page="/")),
]
