"""Hooks of schemathesis: signs each call for exactly what is sent.

ACCOUNT and KEY_FILE are the caller's; with AUDIENCE the token is bound to the request,
as calls of the administration are, and is good for nothing else. ACCESS_TOKEN is shown to
the one route that takes no other.
"""

import base64
import hashlib
import os
import secrets
import time

import jwt
import requests
import schemathesis
from cryptography.hazmat.primitives import serialization

with open(os.environ["KEY_FILE"], "rb") as opened:
    private = serialization.load_pem_private_key(opened.read(), password=None)
audience = os.environ.get("AUDIENCE")
access_token = os.environ.get("ACCESS_TOKEN")


def binding(request):
    body = request.body or b""
    if isinstance(body, str):
        body = body.encode()
    digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=")
    scheme, host = request.url.split("/")[0], request.url.split("/")[2]
    return {
        "aud": audience,
        "htm": request.method,
        "htu": f"{scheme}//{host}{request.path_url}",
        "body_sha256": digest.decode(),
    }


class Signed(requests.auth.AuthBase):
    def __call__(self, request):
        if access_token and request.path_url.split("?")[0].endswith("/validate_request"):
            request.headers["Authorization"] = f"Bearer {access_token}"
            return request
        claims = {
            "username": os.environ["ACCOUNT"],
            "time": time.time(),
            "nonce": secrets.token_hex(16),
        }
        if audience:
            claims |= binding(request)
        request.headers["Authorization"] = "JWT " + jwt.encode(claims, private, algorithm="EdDSA")
        return request


schemathesis.auth.set_from_requests(Signed())
