"""Serves a resource behind jwthenticator's decorator, on a free port, and says which.

usage: jwthenticator_service.py SERVER_URL
"""

import asyncio
import sys

from aiohttp import web
from jwthenticator.server_utils import authenticate


@authenticate(sys.argv[1])
async def secure(request: web.Request) -> web.Response:
    return web.json_response({"method": request.method, "body": await request.text()})


async def main():
    app = web.Application()
    app.add_routes([web.get("/secure", secure), web.post("/secure", secure)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    print(f"listening on http://{host}:{port}", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
