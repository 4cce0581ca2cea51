import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    factors = models.JSONField(default=dict)  # The IDs of the factors "totp" and "sms".
