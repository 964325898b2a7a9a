"""One repository of the stand-in: its workflow, its runs, and the ledger of all that happened.

The workflow does what config/github/rollback.yml does: one deploying job at a time (a concurrency group with a
queue), nothing in a run whose marker a lower run has, nothing after not_after.
"""

import asyncio
import itertools
import os
import re
import time

import answers
import behaviours

INPUTS = "rollback_id environment service version git_commit deployment_id reason not_after".split()
MARKER = re.compile(r"\[rb:([^\]]*)\]")

# Of a repository; a PUT changes any of them. Times are in milliseconds.
OPTIONS = {
    "behaviour": "behaves",
    "times": 1_000_000,  # how often it misbehaves on each route; then it behaves
    "token": "",  # that is demanded; empty: any
    "workflow": "rollback.yml",
    "refs": ["main"],
    "inputs": INPUTS,  # that the workflow declares
    "queue_ms": 20,
    "run_ms": 60,  # of the deploying job; its effect is in the middle
    "conclusion": "success",
    "stays": "",  # queued, waiting or in_progress: it never gets further, except by a cancel
    "list_delay_ms": 1500,  # with lists_late
    "retry_after_s": 1,
    "hook": "",  # run by a shell as the deploy's effect; the inputs are its environment
    "names_runs": True,  # run-name holds the marker
    "drops_duplicates": True,
    "heeds_not_after": True,
}


class Run:
    _ids = itertools.count(1000)

    def __init__(self, inputs, ref, options):
        self.id = next(Run._ids)
        self.inputs = inputs
        self.ref = ref
        self.workflow = options["workflow"]
        marker = f" [rb:{inputs.get('rollback_id', '')}]" if options["names_runs"] else ""
        self.title = f"Rollback to {inputs.get('version', '')}{marker}"
        self.status = "queued"
        self.conclusion = None
        self.created_at = self.updated_at = time.time()
        self.started_at = None
        self.listed_at = self.created_at
        self.effect = None  # deployed, duplicate, expired, cancelled, failed
        self.effect_at = None
        self.cancel_asked = asyncio.Event()

    def told(self):
        return {
            "id": self.id,
            "rollback_id": self.inputs.get("rollback_id"),
            "inputs": self.inputs,
            "status": self.status,
            "conclusion": self.conclusion,
            "created_at": self.created_at,
            "listed_at": self.listed_at,
            "started_at": self.started_at,
            "updated_at": self.updated_at,
            "effect": self.effect,
            "effect_at": self.effect_at,
        }


class Repository:
    def __init__(self, name):
        self.name = name
        self.options = dict(OPTIONS)
        self.runs = []
        self.posts = []  # every dispatch that was asked for
        self.cancels = []
        self.requests = {"dispatch": 0, "list": 0, "run": 0, "jobs": 0, "cancel": 0}
        self.misbehaved = {}  # route: how often
        self.limited_until = 0
        self.too_soon = 0  # requests while a limit was on
        self.group = asyncio.Lock()
        self.tasks = set()

    def configure(self, options):
        """The name of an option that there is not, or of a value that it cannot have; or nothing."""
        for key, value in options.items():
            if key not in OPTIONS or not isinstance(value, type(OPTIONS[key])):
                return key
        if options.get("behaviour", "behaves") not in behaviours.NAMED:
            return "behaviour"
        self.options.update(options)
        self.misbehaved = {}
        return None

    def how(self, route):
        """How this request of the route is treated; "" is well. Counts it."""
        wrong = behaviours.NAMED[self.options["behaviour"]].get(route, "")
        nth = self.misbehaved[route] = self.misbehaved.get(route, 0) + 1
        if isinstance(wrong, tuple):  # one after the other
            return wrong[nth - 1] if nth <= len(wrong) else ""
        return wrong if self.misbehaved[route] <= self.options["times"] else ""

    def flag(self, name):
        return behaviours.NAMED[self.options["behaviour"]].get(name, False)

    def accept(self, inputs, ref, count=1):
        """Makes the runs of one dispatch and sets them going."""
        made = [Run(inputs, ref, self.options) for _ in range(count)]
        for run in made:
            if self.flag("lists_late"):
                run.listed_at += self.options["list_delay_ms"] / 1000
            self.runs.append(run)
            task = asyncio.get_running_loop().create_task(self.live(run))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        return made

    async def live(self, run):
        """A run from queued to completed."""
        options = dict(self.options)
        if await self.rest(run, options["queue_ms"], options["stays"], ("queued", "waiting")):
            return self.complete(run, "cancelled", "cancelled")
        async with self.group:
            self.become(run, "in_progress")
            run.started_at = time.time()
            if await self.rest(run, options["run_ms"] / 2, options["stays"], ("in_progress",)):
                return self.complete(run, "cancelled", "cancelled")
            effect = await self.deploy(run, options)
            if await self.rest(run, options["run_ms"] / 2):
                return self.complete(run, "cancelled", effect)
        good = effect in ("deployed", "duplicate")
        conclusion = options["conclusion"] if effect == "deployed" else "success"
        self.complete(run, conclusion if good else "failure", effect)

    async def rest(self, run, milliseconds, stays="", here=()):
        """True: it was cancelled meanwhile."""
        if stays in here:
            self.become(run, stays)
        try:
            limit = None if stays in here else milliseconds / 1000
            await asyncio.wait_for(run.cancel_asked.wait(), limit)
            return True
        except asyncio.TimeoutError:
            return False

    async def deploy(self, run, options):
        """The effect of the run, or why it has none."""
        marker = run.inputs.get("rollback_id")
        earlier = [r for r in self.runs if r.id < run.id and r.inputs.get("rollback_id") == marker]
        limit = answers.time_of(run.inputs.get("not_after", ""))
        run.effect_at = time.time()
        if options["drops_duplicates"] and earlier:
            run.effect = "duplicate"
        elif options["heeds_not_after"] and limit is not None and time.time() > limit:
            run.effect = "expired"
        elif options["hook"]:
            given = {name.upper(): str(value) for name, value in run.inputs.items()}
            process = await asyncio.create_subprocess_shell(
                options["hook"], env={**os.environ, **given, "RUN_ID": str(run.id)}
            )
            run.effect = "deployed" if await process.wait() == 0 else "failed"
        else:
            run.effect = "deployed"
        return run.effect

    def become(self, run, status):
        run.status = status
        run.updated_at = time.time()

    def complete(self, run, conclusion, effect):
        run.effect = effect
        run.conclusion = conclusion
        self.become(run, "completed")

    def find(self, run_id):
        return next((run for run in self.runs if str(run.id) == run_id), None)

    def listed(self, query):
        """The runs that a list shows, newest first, before it is cut into pages."""
        since = query.get("created", "")
        limit = answers.time_of(since[2:]) if since.startswith(">=") else None
        shown = [run for run in reversed(self.runs) if run.listed_at <= time.time()]
        if query.get("event", "workflow_dispatch") != "workflow_dispatch":
            return []
        if "branch" in query:
            shown = [run for run in shown if run.ref == query["branch"]]
        if "status" in query:
            shown = [run for run in shown if query["status"] in (run.status, run.conclusion)]
        return [run for run in shown if limit is None or run.created_at >= limit]

    def ledger(self):
        return {
            "repository": self.name,
            "options": self.options,
            "posts": self.posts,
            "cancels": self.cancels,
            "runs": [run.told() for run in self.runs],
            "requests": self.requests,
            "too_soon": self.too_soon,
        }
