"""A Pyramid application behind pyramid_jwtauth; prints what it answers to requests.

usage: pyramid_service.py < CASES

CASES is JSON: `now`, the second at which its clock stands; `requests`, a list of
{"settings", "path", "authorization"}, where `settings` are the application's and
`authorization` may be null. It prints a list of {"status", "challenge", "userid",
"principals", "claims", "error"}; a status of 500 is an exception that leaves the
application, which is then the error.

At `/` everyone who is authenticated may read, at `/close` only the group `ops`.
"""

import json
import sys
from datetime import datetime
from functools import cache

import jwt.api_jwt
from pyramid.config import Configurator
from pyramid.interfaces import IAuthenticationPolicy
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import Allow, Authenticated

GROUPS = {"worker": ["ops"], "blocked": None}


def find_groups(userid, request):
    return GROUPS.get(userid, [])


class Root:
    __acl__ = [(Allow, Authenticated, "read"), (Allow, "ops", "close")]

    def __init__(self, request):
        pass


def who(request):
    claims = request.registry.getUtility(IAuthenticationPolicy).get_claims(request)
    return Response(
        json_body={
            "userid": request.authenticated_userid,
            "principals": request.effective_principals,
            "claims": claims,
        }
    )


@cache
def application(settings):
    config = Configurator(settings=json.loads(settings), root_factory=Root)
    config.include("pyramid_jwtauth")
    config.commit()
    policy = config.registry.getUtility(IAuthenticationPolicy)
    config.add_forbidden_view(policy.challenge)
    for name, path, permission in [("who", "/", "read"), ("close", "/close", "close")]:
        config.add_route(name, path)
        config.add_view(who, route_name=name, permission=permission)
    return config.make_wsgi_app()


def answer(settings, path, authorization):
    request = Request.blank(path)
    if authorization is not None:
        request.headers["Authorization"] = authorization
    try:
        response = request.get_response(application(json.dumps(settings)))
    except Exception as error:
        return {"status": 500, "error": type(error).__name__}
    said = response.json if response.status_code == 200 else {}
    challenge = response.headers.get("WWW-Authenticate")
    return {"status": response.status_code, "challenge": challenge} | said


cases = json.load(sys.stdin)


class Stopped(datetime):
    @classmethod
    def utcnow(cls):
        return cls.utcfromtimestamp(cases["now"])


jwt.api_jwt.datetime = Stopped
print(json.dumps([answer(**one) for one in cases["requests"]]))
