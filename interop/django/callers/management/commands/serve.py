"""Serves the project on a port of the loopback interface, with 0 on a free one, and says which."""

from wsgiref.simple_server import make_server

from django.core.management.base import BaseCommand
from django.core.wsgi import get_wsgi_application


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("port", type=int)

    def handle(self, *args, port, **options):
        server = make_server("127.0.0.1", port, get_wsgi_application())
        self.stdout.write(f"listening on http://127.0.0.1:{server.server_port}")
        self.stdout.flush()
        server.serve_forever()
