"""Makes an Authorization header as asymmetric_jwt_auth 0.1 to 0.5 did.

usage: sign_0x.py USERNAME FILE [PASSPHRASE]

Those releases need Python versions of their time. What they sent is known:
RS512, no `kid`, a time with a fraction, and a number between 0 and 1 as nonce.
"""

import json
import random
import sys
import time

import jwt
from cryptography.hazmat.primitives import serialization

username, file, *passphrase = sys.argv[1:]
with open(file, "rb") as opened:
    private = serialization.load_pem_private_key(
        opened.read(), password=passphrase[0].encode() if passphrase else None
    )
claims = {"username": username, "time": time.time(), "nonce": random.random()}
print(json.dumps({"authorization": "JWT " + jwt.encode(claims, private, algorithm="RS512")}))
