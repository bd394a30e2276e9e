"""Makes a user, if there is none, and registers public keys for it."""

from pathlib import Path

from asymmetric_jwt_auth.models import PublicKey
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("username")
        parser.add_argument("key", type=Path, nargs="*")

    def handle(self, *args, username, key, **options):
        user, _ = get_user_model().objects.get_or_create(username=username)
        for file in key:
            # The admin site saves a key only after the same validation.
            registered = PublicKey(user=user, key=file.read_text(), comment=file.name)
            registered.full_clean()
            registered.save()
