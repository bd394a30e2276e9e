"""Makes tokens as a Python service with PyJWT does.

usage: token_maker.py < TOKENS

TOKENS is a JSON list of {"claims", "key", "algorithm"}, where `key` is a secret, or a
private key as PKCS#8 PEM. It prints a list of tokens.
"""

import json
import sys

import jwt


def token(claims, key, algorithm):
    return jwt.encode(claims, key, algorithm)


print(json.dumps([token(**one) for one in json.load(sys.stdin)]))
