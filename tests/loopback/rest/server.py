"""The HTTP side: one path for every request, from faults on demand to the check of the answer."""

from typing import Any

from aiohttp import web

from tests import sentences
from tests.loopback.errors import Refusal
from tests.loopback.gateway.socket import Socket
from tests.loopback.rest import cdn, rules
from tests.loopback.rest.bodies import Form, read
from tests.loopback.rest.faults import Fault, Faults, Request, Requests
from tests.loopback.rest.ratelimits import VIA, RateLimits
from tests.loopback.rest.routes import table
from tests.loopback.rest.routes.table import Call, Reply
from tests.loopback.world.world import World

API = "/api/v10"
MEGABYTES_READ = 200 * 1024 * 1024  # above any limit, so that Discord refuses and not aiohttp
BY_TOKEN = ("/webhooks/{webhook_id}/{webhook_token}", "/interactions/")
MESSAGES = (
    "/messages",
    "/messages/{message_id}",
    "/messages/@original",
    "/webhooks/{webhook_id}/{webhook_token}",
)
CALLBACK, MODAL = "/callback", 9
TOO_LARGE, EMPTY, TOO_MANY = 40005, 50006, 429


class Server:
    """Answers on 127.0.0.1, at a port that the system picks."""

    def __init__(self, world: World) -> None:
        self.requests = Requests(world.watch)
        self.faults = Faults(world.watch)
        self._world = world
        self._rates = RateLimits(world.clock, world.limits)
        self._runner: web.AppRunner | None = None
        self.address = ""

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=MEGABYTES_READ)
        # aiohttp takes the first route that matches, so those with a fixed last part come first.
        for method, template in sorted(table.ROUTES, key=lambda key: key[1].replace("{", "~")):
            app.router.add_route(method, API + template, self._answering(method, template))
        app.router.add_get(cdn.PATH, self._world.cdn.serve)
        app.router.add_get("/gateway/", self._gateway)
        app.router.add_route("*", "/{rest:.*}", self._unknown)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.address = "http://%s:%d" % self._runner.addresses[0][:2]  # noqa: UP031 a tuple of two
        self._world.cdn.address = self.address
        self._world.gateway.url = self.address.replace("http", "ws", 1) + "/gateway/"

    async def stop(self) -> None:
        """Close all connections and stop listening."""
        self.faults.release_all()
        self._world.gateway.drop(resumable=False)
        if self._runner is not None:
            await self._runner.cleanup()

    async def _gateway(self, request: web.Request) -> web.StreamResponse:
        return await Socket(self._world).serve(request)

    async def _unknown(self, request: web.Request) -> web.Response:
        self._world.violations.append(f"the loopback Discord has no {request.method} {request.path}")
        return web.json_response({"message": "404: Not Found", "code": 0}, status=404)

    def _answering(self, method: str, template: str) -> Any:
        async def answer(request: web.Request) -> web.StreamResponse:
            path = request.rel_url.raw_path.removeprefix(API)
            entry = Request(self._world.clock.now(), method, path, template)
            self.requests.all.append(entry)
            try:
                return await self._through(request, entry)
            except Exception as error:  # a fault of ours fails the test, whatever the bot makes of the 500
                self._world.violations.append(f"the loopback fails at {method} {path}: {error!r}")
                raise
            finally:
                if entry.status is None:
                    entry.status = 0
                self._world.watch.changed()

        return answer

    async def _through(self, request: web.Request, entry: Request) -> web.StreamResponse:
        form: Form | Refusal
        try:
            form = await read(request, self._world.limits)
            entry.body, entry.files = form.body, form.files
            sentences.read(f"Discord, {entry.method} {entry.route}", (form.body, list(form.files.values())))
        except Refusal as refusal:
            form = refusal
        fault = self.faults.find(entry.method, entry.path)
        if fault is not None:
            await fault.strike()
            if not fault.handled:
                return self._struck(request, entry, fault)
        taken = self._rates.take(entry.method, entry.route, dict(request.match_info))
        if taken.wait:
            return self._respond(entry, Reply(taken.body(), 429), taken.headers)
        reply = await self._reply(request, entry, form)
        if fault is not None and (fault.dropped or fault.answer):
            return self._struck(request, entry, fault)
        return self._respond(entry, reply, taken.headers)

    def _struck(self, request: web.Request, entry: Request, fault: Fault) -> web.StreamResponse:
        if fault.dropped or fault.answer is None:
            entry.status = 0
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        entry.status, body, headers = fault.answer
        entry.answer = body
        if isinstance(body, str):
            return web.Response(
                status=entry.status, text=body, headers=headers | {"Content-Type": "text/html"}
            )
        entry.code = body["code"]
        return self._json(entry.status, body, headers)

    async def _reply(self, request: web.Request, entry: Request, form: Form | Refusal) -> Reply:
        try:
            if isinstance(form, Refusal):
                if form.code != TOO_LARGE:
                    self._world.violations.append(f"{entry.method} {entry.path}: {form.message}")
                raise form
            wanted = f"Bot {self._world.token}"
            if not entry.route.startswith(BY_TOKEN) and request.headers.get("Authorization") != wanted:
                raise Refusal(0, status=401, message="401: Unauthorized")
            if wrong := self._world.schema.request(entry.method, entry.route, form.body) or _broken(entry):
                self._world.violations += [f"{entry.method} {entry.path}: {each}" for each in wrong]
                raise Refusal(50035, errors={"_errors": [{"code": "INVALID", "message": w} for w in wrong]})
            self._world.violations += [
                f"{entry.method} {entry.path}: {each}"
                for each in self._world.schema.unknown(entry.method, entry.route, form.body)
            ]
            call = Call(self._world, dict(request.match_info), dict(request.query), form.body, form.files)
            return await table.ROUTES[entry.method, entry.route](call)
        except Refusal as refusal:
            if refusal.code == EMPTY:
                self._world.violations.append(f"{entry.method} {entry.path}: an empty message")
            entry.code = refusal.code
            return Reply(refusal.body(), refusal.status)

    def _respond(self, entry: Request, reply: Reply, headers: dict[str, str]) -> web.Response:
        entry.status = 204 if reply.body is None else reply.status
        entry.answer = reply.body
        wrong = self._world.schema.response(entry.method, entry.route, entry.status, reply.body)
        self._world.violations += [
            f"the loopback's own answer to {entry.method} {entry.path}: {each}" for each in wrong
        ]
        if entry.status == TOO_MANY:
            headers = headers | VIA
        return self._json(entry.status, reply.body, headers)

    @staticmethod
    def _json(status: int, body: Any, headers: dict[str, str]) -> web.Response:
        if body is None:
            return web.Response(status=status, headers=headers)
        response = web.json_response(body, status=status, headers=headers)
        response.charset = None  # nextcord wants "application/json" and nothing after it
        return response


def _broken(entry: Request) -> list[str]:
    """Which rules beyond the document a request breaks."""
    body = entry.body
    if body is None or entry.method == "GET":
        return []
    if "/commands" in entry.route:
        bodies = body if isinstance(body, list) else [body]
        return [wrong for each in bodies for wrong in rules.command(each, changed=entry.method == "PATCH")]
    if entry.route.endswith(CALLBACK):
        data = body.get("data") or {}
        return rules.modal(data) if body["type"] == MODAL else rules.message(data, len(entry.files))
    return rules.message(body, len(entry.files)) if entry.route.endswith(MESSAGES) else []
