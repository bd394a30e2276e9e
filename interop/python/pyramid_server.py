"""Serves a Pyramid application behind pyramid_jwtauth, with the settings of its file.

usage: pyramid_server.py SETTINGS.ini PORT

At `/` everyone who is authenticated may read. It says when it listens.
"""

import sys
from configparser import RawConfigParser
from wsgiref.simple_server import make_server

from pyramid.config import Configurator
from pyramid.interfaces import IAuthenticationPolicy
from pyramid.response import Response
from pyramid.security import Allow, Authenticated


def find_groups(userid, request):
    return []


class Root:
    __acl__ = [(Allow, Authenticated, "read")]

    def __init__(self, request):
        pass


def hello(request):
    return Response(f"Pyramid greets {request.authenticated_userid}.\n")


file, port = sys.argv[1:]
settings = RawConfigParser()
settings.read(file)
config = Configurator(settings=dict(settings["app:main"]), root_factory=Root)
config.include("pyramid_jwtauth")
config.commit()
config.add_forbidden_view(config.registry.getUtility(IAuthenticationPolicy).challenge)
config.add_route("hello", "/")
config.add_view(hello, route_name="hello", permission="read")
server = make_server("127.0.0.1", int(port), config.make_wsgi_app())
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
