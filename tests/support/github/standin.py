#!/usr/bin/env python3
"""A stand-in for GitHub's REST API, as far as rollbackd uses it, that does as it is told and keeps a ledger.

    standin.py [--port 0]            prints "listening on PORT" and serves until it, or who started it, ends

One process serves any number of repositories, which know nothing of each other. A repository is made and changed
by its control endpoint, and is then found under /repos/OWNER/NAME/… as at GitHub:

    PUT    /_standin/repos/OWNER/NAME               {"behaviour": "fails_after_accepting", "run_ms": 50, …}
    GET    /_standin/repos/OWNER/NAME               the ledger: every dispatch, cancel and run with its effect
    DELETE /_standin/repos/OWNER/NAME
    PUT    /_standin/repos/OWNER/NAME/runs/ID       {"status": "completed", "conclusion": "stale"}
    GET    /_standin/behaviours                     their names (behaviours.py); options are in repository.py
"""

import argparse
import asyncio
import hashlib
import json
import os
import re
import time

import answers
import behaviours
from repository import OPTIONS, Repository
from wire import Answer, serve

API_ROUTES = (
    ("POST", re.compile(r"/workflows/([^/]+)/dispatches$"), "dispatch"),
    ("GET", re.compile(r"/workflows/([^/]+)/runs$"), "list"),
    ("GET", re.compile(r"/runs/(\d+)$"), "run"),
    ("GET", re.compile(r"/runs/(\d+)/jobs$"), "jobs"),
    ("POST", re.compile(r"/runs/(\d+)/cancel$"), "cancel"),
)
HUGE = b'{"workflow_run_id": 1, "padding": "' + b"x" * 10_000_000 + b'"}'
WRONG_TYPES = {"workflow_run_id": "many", "id": [], "status": 7, "workflow_runs": {}, "message": 1}


def refusal(status, message, **headers):
    return Answer(status, answers.refusal(status, message), {k.replace("_", "-"): v for k, v in headers.items()})


def limited(repository, how):
    """An answer that asks to wait, as GitHub does in three ways."""
    wait = repository.options["retry_after_s"]
    repository.limited_until = time.time() + wait
    if how == "limited":
        return refusal(429, "You have exceeded a secondary rate limit.", Retry_After=str(wait))
    if how == "limited_until":
        reset = str(int(time.time()) + wait)
        repository.limited_until = 0  # to a whole second, which may be earlier
        return refusal(403, "API rate limit exceeded.", X_RateLimit_Remaining="0", X_RateLimit_Reset=reset)
    return refusal(403, "You have exceeded a secondary rate limit. Please wait a few minutes.")


def troubled(repository, how, answer):
    """The answer as the trouble leaves it."""
    if how.startswith("limited"):
        return limited(repository, how)
    path = f"/repositories/1/of/{repository.name}"
    simple = {
        "fails": refusal(502, "Server Error"),
        "unavailable": refusal(503, "No server is currently available to service your request."),
        "broken_json": Answer(200, answer.content()[:-1] or b'{"workflow_run_id": 1'),
        "wrong_types": Answer(200, WRONG_TYPES),
        "not_json": Answer(200, b"<html><body>It works!</body></html>"),
        "empty": Answer(200, b""),
        "huge": Answer(200, HUGE),
        "redirects": Answer(307, None, {"Location": "https://elsewhere.example.com/api", "Content-Length": "0"}),
        "moved": Answer(307, None, {"Location": path, "Content-Length": "0"}),
        "teapot": refusal(418, "I am a teapot"),
    }
    if how in simple:
        return simple[how]
    return Answer(answer.status, answer.body or {"workflow_run_id": 1}, answer.headers, how)


class StandIn:
    def __init__(self):
        self.repositories = {}
        self.api = ""  # as the other side names it

    async def handle(self, request):
        host = request.headers.get("host", "127.0.0.1")
        self.api = f"http://{host}"
        if request.path.startswith("/_standin/"):
            return self.control(request)
        if request.path == "/rate_limit":
            return Answer(200, answers.rate_limit(4999, int(time.time()) + 3600))
        parts = request.path.split("/", 4)
        if len(parts) < 5 or parts[1] != "repos" or not parts[4].startswith("actions/"):
            return refusal(404, "Not Found")
        repository = self.repositories.get(f"{parts[2]}/{parts[3]}")
        if repository is None:
            return refusal(404, "Not Found")
        return self.api_route(request, repository, "/" + parts[4].removeprefix("actions/"))

    def api_route(self, request, repository, path):
        route, found = next(
            ((name, match) for method, shape, name in API_ROUTES
             if method == request.method and (match := shape.match(path))),
            ("", None),
        )
        if not route:
            return refusal(404, "Not Found")
        repository.requests[route] += 1
        if time.time() < repository.limited_until:
            repository.too_soon += 1
        if (wrong := self.look_at_request(request, repository)) is not None:
            if route == "dispatch":
                repository.posts.append(self.post_entry(request, wrong.status, []))
            return wrong
        how = repository.how(route)
        if route == "dispatch":
            return self.dispatch(request, repository, found[1], how)
        answer = getattr(self, f"answer_{route}")(request, repository, found[1])
        return troubled(repository, how, answer) if how else answer

    def look_at_request(self, request, repository):
        """What GitHub refuses on every route."""
        token = repository.options["token"]
        if token and request.headers.get("authorization") != f"Bearer {token}":
            return refusal(401, "Bad credentials")
        if not request.headers.get("user-agent"):
            return refusal(403, "Request forbidden by administrative rules. Please make sure your request has a "
                                "User-Agent header")
        return None

    # --- The dispatch -----------------------------------------------------------------------------------

    def post_entry(self, request, status, runs):
        return {"at": time.time(), "path": request.path, "body": request.json(), "status": status,
                "token": request.headers.get("authorization", "").removeprefix("Bearer "),
                "runs": [run.id for run in runs]}

    def dispatch(self, request, repository, workflow, how):
        body = request.json()
        if how in behaviours.REFUSALS:
            status, message = behaviours.REFUSALS[how]
            answer, made = refusal(status, message.format(token=request.headers.get("authorization", ""))), []
        elif (wrong := self.look_at_dispatch(body, repository, workflow, how)) is not None:
            answer, made = wrong, []
        else:
            answer, made = self.accepted(body, repository, how)
        repository.posts.append(self.post_entry(request, answer.how or answer.status, made))
        return answer

    def look_at_dispatch(self, body, repository, workflow, how):
        """What a server that behaves refuses."""
        options = repository.options
        if not isinstance(body, dict) or not isinstance(body.get("ref"), str):
            return refusal(400, "Problems parsing JSON")
        if how == "old_server" and "return_run_details" in body:
            return refusal(400, 'Invalid request.\n\n"return_run_details" is not a permitted key.')
        if workflow != options["workflow"]:
            return refusal(404, "Not Found")
        if body["ref"] not in options["refs"]:
            return refusal(422, f"No ref found for: {body['ref']}")
        inputs = body.get("inputs", {})
        if strange := [name for name in inputs if name not in options["inputs"]]:
            return refusal(422, f"Unexpected inputs provided: {json.dumps(strange)}")
        if any(not isinstance(value, str) for value in inputs.values()) or len(inputs) > 25:
            return refusal(422, "Invalid inputs")
        if sum(len(value) for value in inputs.values()) > 65535:
            return refusal(422, "inputs are too large.")
        return None

    def accepted(self, body, repository, how):
        """The answer to a dispatch that is well, and the runs that it makes."""
        inputs, ref = body.get("inputs", {}), body["ref"]
        trouble = how if how in behaviours.TROUBLES else ""
        if trouble and (trouble in behaviours.CERTAIN_NO or not repository.flag("accepts")):
            return troubled(repository, trouble, Answer(200, {})), []
        twice = how.startswith("two_runs") or (repository.flag("twice") and trouble)
        made = repository.accept(inputs, ref, 2 if twice else 1)
        run = made[-1]
        details = {
            "workflow_run_id": run.id,
            "run_url": f"{self.api}/repos/{repository.name}/actions/runs/{run.id}",
            "html_url": f"{self.api}/{repository.name}/actions/runs/{run.id}",
        }
        unnamed = how in ("old_server", "no_run_id", "two_runs_unnamed") or not body.get("return_run_details")
        answer = Answer(204) if unnamed else Answer(200, {} if how == "no_run_id_in_200" else details)
        return (troubled(repository, trouble, Answer(200, details)) if trouble else answer), made

    # --- The other routes ---------------------------------------------------------------------------------

    def answer_list(self, request, repository, workflow):
        if workflow != repository.options["workflow"]:
            return refusal(404, "Not Found")
        shown = repository.listed(request.query)
        size = min(int(request.query.get("per_page", 30)), 100)
        first = (int(request.query.get("page", 1)) - 1) * size
        page = [answers.run(run, repository.name, self.api) for run in shown[first : first + size]]
        return Answer(200, {"total_count": len(shown), "workflow_runs": page})

    def answer_run(self, request, repository, run_id):
        run = repository.find(run_id)
        if run is None:
            return refusal(404, "Not Found")
        answer = Answer(200, answers.run(run, repository.name, self.api))
        etag = f'W/"{hashlib.sha256(answer.content()).hexdigest()}"'
        if request.headers.get("if-none-match") == etag:
            return Answer(304, None, {"ETag": etag})
        answer.headers = {"ETag": etag, "X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "4999"}
        return answer

    def answer_jobs(self, request, repository, run_id):
        run = repository.find(run_id)
        if run is None:
            return refusal(404, "Not Found")
        return Answer(200, {"total_count": 1, "jobs": [answers.job(run, repository.name, self.api)]})

    def answer_cancel(self, request, repository, run_id):
        run = repository.find(run_id)
        if run is None:
            return refusal(404, "Not Found")
        done = run.status == "completed"
        repository.cancels.append({"at": time.time(), "run": run.id, "status": 409 if done else 202})
        if done:
            return refusal(409, "Cannot cancel a workflow run that is completed.")
        run.cancel_asked.set()
        return Answer(202, {})

    # --- Control ------------------------------------------------------------------------------------------

    def control(self, request):
        if request.path == "/_standin/behaviours":
            return Answer(200, {"behaviours": list(behaviours.NAMED), "options": OPTIONS})
        parts = request.path.split("/")
        if len(parts) not in (5, 7) or parts[2] != "repos":
            return refusal(404, "there is no such control")
        name = f"{parts[3]}/{parts[4]}"
        if request.method == "DELETE":
            self.repositories.pop(name, None)
            return Answer(200, {})
        options = request.json() if request.method == "PUT" else {}
        if request.method == "PUT" and not isinstance(options, dict):
            return refusal(400, "the body is no JSON object")
        if len(parts) == 7:
            return self.control_run(name, parts[6], options)
        repository = self.repositories.get(name)
        if request.method == "PUT":
            repository = self.repositories.setdefault(name, repository or Repository(name))
            if (wrong := repository.configure(options)) is not None:
                return refusal(400, f"there is no option or value of this kind: {wrong}")
        return Answer(200, repository.ledger()) if repository else refusal(404, "no such repository")

    def control_run(self, name, run_id, options):
        repository = self.repositories.get(name)
        run = repository.find(run_id) if repository else None
        if run is None:
            return refusal(404, "no such run")
        run.conclusion = options.get("conclusion", run.conclusion)
        repository.become(run, options.get("status", run.status))
        return Answer(200, run.told())


async def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    port = parser.parse_args().port
    server = await asyncio.start_server(serve(StandIn().handle), "127.0.0.1", port, backlog=1024)
    print(f"listening on {server.sockets[0].getsockname()[1]}", flush=True)
    parent = os.getppid()
    while os.getppid() == parent:  # it ends with whoever started it, however they end
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    asyncio.run(main())
