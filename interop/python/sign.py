"""Makes an Authorization header with the installed asymmetric_jwt_auth.

usage: sign.py USERNAME file FILE [PASSPHRASE]
       sign.py USERNAME text FILE [PASSPHRASE]
       sign.py USERNAME generate RSA|Ed25519

`file` and `text` are the two ways in which its documentation loads a key;
`generate` makes a new one. Prints JSON: the header, and the public key.
"""

import json
import sys

from django.conf import settings

settings.configure()

from asymmetric_jwt_auth import keys  # noqa: E402 (wants the settings)
from asymmetric_jwt_auth.tokens import Token  # noqa: E402


def private_key(how, what, passphrase=None):
    password = passphrase.encode() if passphrase else None
    if how == "file":
        return keys.PrivateKey.load_pem_from_file(what, password=password)
    if how == "text":
        with open(what, "rb") as file:
            return keys.PrivateKey.load_pem(file.read(), password=password)
    if how == "generate":
        return {"RSA": keys.RSAPrivateKey, "Ed25519": keys.Ed25519PrivateKey}[what].generate()
    sys.exit(__doc__)


username, *key = sys.argv[1:]
private = private_key(*key)
print(
    json.dumps(
        {
            "authorization": Token(username).create_auth_header(private),
            "public_key": private.public_key.as_pem.decode(),
            "fingerprint": private.public_key.fingerprint,
        }
    )
)
