"""Makes `Authorization` headers with pyramid_jwtauth, as its callers do.

usage: pyramid_caller.py < CLAIMS

CLAIMS is a JSON list of {"claims", "key", "algorithm"}. It prints a list of headers.
"""

import json
import sys

from pyramid.request import Request
from pyramid_jwtauth import authenticate_request


def authorization(claims, key, algorithm):
    return authenticate_request(Request.blank("/"), claims, key, algorithm)


print(json.dumps([authorization(**one) for one in json.load(sys.stdin)]))
