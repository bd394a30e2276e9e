"""Serves jwthenticator on a port of the loopback interface, with 0 on a free one, and says which.

usage: jwthenticator_server.py PORT

Its settings are the environment variables of its `consts.py`. This is its own
application; only listening is ours, because it would listen on all interfaces.
"""

import sys

from aiohttp import web
from jwthenticator.loop_management import main_event_loop
from jwthenticator.server import Server


async def listen(app):
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1])).start()
    host, port = runner.addresses[0]
    print(f"listening on http://{host}:{port}", flush=True)


server = Server(start_server=False)
main_event_loop.run_until_complete(listen(server.app))
main_event_loop.run_forever()
