"""Serves the project on a free port of the loopback interface and says which."""

from wsgiref.simple_server import make_server

from django.core.management.base import BaseCommand
from django.core.wsgi import get_wsgi_application


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args, **options):
        server = make_server("127.0.0.1", 0, get_wsgi_application())
        self.stdout.write(f"listening on http://127.0.0.1:{server.server_port}")
        self.stdout.flush()
        server.serve_forever()
