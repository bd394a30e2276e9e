"""Makes tokens with pyramid_jwtauth's policy, as a service that issues its own does.

usage: pyramid_issuer.py < TOKENS

TOKENS is JSON: `settings`, the application's; `claims`, a list of what each token says.
It prints a list of tokens.
"""

import json
import sys

from pyramid.request import Request
from pyramid_jwtauth import JWTAuthenticationPolicy


def tokens(settings, claims):
    # Groups are looked up where tokens are judged, not where they are made.
    policy = JWTAuthenticationPolicy.from_settings(settings, find_groups=None)
    request = Request.blank("/")
    return [policy.encode_jwt(request, one).decode() for one in claims]


print(json.dumps(tokens(**json.load(sys.stdin))))
