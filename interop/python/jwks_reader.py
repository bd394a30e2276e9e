"""Judges tokens as a Python service with PyJWT does, and prints what it found.

usage: jwks_reader.py < CASES

CASES is a JSON list of {"jwks": URL, "token", "algorithm", "issuer", "audience"}.
It prints a list of {"claims": ..} or {"error": ..}.
"""

import json
import sys

import jwt


def judge(jwks, token, algorithm, issuer, audience):
    try:
        key = jwt.PyJWKClient(jwks).get_signing_key_from_jwt(token)
        claims = jwt.decode(
            token, key, algorithms=[algorithm], issuer=issuer, audience=audience
        )
    except jwt.PyJWTError as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"claims": claims}


print(json.dumps([judge(**one) for one in json.load(sys.stdin)]))
