"""Takes steps with jwthenticator's two clients and prints what became of each.

usage: jwthenticator_client.py < SESSION

SESSION is JSON: `public` and `internal`, the URLs of the server; `identifier`;
`key`, `jwt`, `refresh_token`, what the client is made with; and `steps`, each a
list of a name and its arguments. Both clients live through all steps.
"""

import asyncio
import json
import sys
from uuid import UUID

from aiohttp import ClientError
from jwthenticator.client import Client, InternalClient
from jwthenticator.server_utils import verify_jwt


class Session:
    def __init__(self, public, internal, identifier, key, jwt, refresh_token):
        self.public = public
        self.internal = InternalClient(internal, UUID(identifier))
        self.client = Client(
            public, UUID(identifier), jwt=jwt, refresh_token=refresh_token, key=key
        )

    async def register_key(self, key):
        await self.internal.register_key(key)

    async def is_key_registered(self, key):
        return await self.internal.is_key_registered(key)

    async def authenticate(self):
        await self.client.authenticate()

    async def refresh(self, auth_on_fail):
        await self.client.refresh(auth_on_fail)

    async def validate(self):
        """As the decorator does it."""
        return await verify_jwt(self.public, self.client.jwt)

    async def await_expiry(self):
        while not self.client.is_jwt_expired:
            await asyncio.sleep(0.02)

    async def set_jwt(self, jwt):
        self.client.jwt = jwt

    async def get_with_auth(self, url):
        return await answer(await self.client.get_with_auth(url))

    async def post_with_auth(self, url, body):
        return await answer(await self.client.post_with_auth(url, data=body))

    async def take(self, name, *arguments):
        outcome = {"result": None, "error": None, "message": ""}
        try:
            outcome["result"] = await getattr(self, name)(*arguments)
        except Exception as error:
            outcome |= {"error": type(error).__name__, "message": str(error)}
        return outcome | {
            "jwt": self.client.jwt,
            "refresh_token": self.client.refresh_token,
            "has_key": self.client._key is not None,
            "jwt_expired": self.client.is_jwt_expired,
        }


async def answer(response):
    # The client has closed the connection: what had not arrived by then is lost.
    try:
        body = await response.text()
    except ClientError:
        body = None
    return {"status": response.status, "body": body}


async def main(steps, **session):
    session = Session(**session)
    return [await session.take(*step) for step in steps]


print(json.dumps(asyncio.run(main(**json.load(sys.stdin)))))
