"""As much of GitHub Actions as the workflows of config/github need: jobs in the order of `needs`, steps run for real
by bash, `if`, outputs, and concurrency groups with their queue."""

import os
import re
import subprocess
import threading

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FOLDER = os.path.join(ROOT, "config", "github")
STEP_SECONDS_MAX = 60


def load(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        workflow = yaml.safe_load(file)
    workflow["on"] = workflow.pop(True)  # YAML 1.1 takes `on` for a boolean
    return workflow


def steps_of(workflow):
    """(job, step) of every step with a script."""
    return [(job, step) for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


class Values:
    """What an expression can name; what is not there is empty, as in Actions."""

    def __init__(self, values):
        self.values = values

    def get(self, path):
        found = self.values
        for part in path.split("."):
            found = found.get(part, "") if isinstance(found, dict) else ""
        return found

    def evaluate(self, text):
        code = re.sub(r"always\(\)", "True", text).replace("&&", " and ").replace("||", " or ")
        names = re.sub(r"'[^']*'", "''", code)
        for name in sorted(set(re.findall(r"\b[a-z]+(?:\.[A-Za-z_-]+)+", names)), key=len, reverse=True):
            code = code.replace(name, repr(self.get(name)))
        return eval(code, {"__builtins__": {}})  # pylint: disable=eval-used # our own files

    def fill(self, text):
        return re.sub(r"\$\{\{ *(.*?) *\}\}", lambda m: str(self.evaluate(m.group(1))), str(text))

    def holds(self, condition):
        return bool(self.evaluate(re.sub(r"^\$\{\{ *(.*?) *\}\}$", r"\1", condition)))


class Groups:
    """Concurrency groups with `queue: max`: one job at a time, in the order of asking."""

    def __init__(self):
        self.changed = threading.Condition()
        self.queues = {}

    def enter(self, name, who):
        with self.changed:
            self.queues.setdefault(name, []).append(who)
            self.changed.wait_for(lambda: self.queues[name][0] == who)

    def leave(self, name):
        with self.changed:
            self.queues[name].pop(0)
            self.changed.notify_all()


class Run:
    """One run of a workflow. `world`: the environment of its steps; `groups`: shared by all runs."""

    def __init__(self, workflow, number, context, world, groups):
        self.workflow, self.number, self.groups, self.world = workflow, number, groups, world
        self.context = {"github": {"run_id": str(number), "token": "ghs_token"}, **context}
        self.results, self.outputs, self.logs = {}, {}, []
        self.name = Values(self.context).fill(workflow["run-name"])
        self.conclusion = None
        self.begun = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def wait(self, seconds):
        self.thread.join(seconds)
        return self.conclusion

    @property
    def log(self):
        return "\n".join(self.logs)

    def _values(self, **more):
        needs = {j: {"result": self.results.get(j, ""), "outputs": self.outputs.get(j, {})} for j in self.workflow["jobs"]}
        return Values({**self.context, "needs": needs, **more})

    def _run(self):
        waiting = dict(self.workflow["jobs"])
        running = []
        done = threading.Condition()

        def ended(name, result):
            with done:
                self.results[name] = result
                done.notify_all()

        def job_thread(name, job):
            group = self._values().fill(job["concurrency"]["group"]) if "concurrency" in job else ""
            if group:
                self.groups.enter(group, (self.number, name))
            try:
                ended(name, self._job(name, job))
            finally:
                if group:
                    self.groups.leave(group)

        with done:
            while waiting or len(self.results) < len(self.workflow["jobs"]):
                for name, job in list(waiting.items()):
                    needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
                    if any(n not in self.results for n in needs):
                        continue
                    del waiting[name]
                    condition = job.get("if", "")
                    fine = all(self.results[n] == "success" for n in needs) or "always()" in condition
                    if not fine or (condition and not self._values().holds(condition)):
                        self.results[name] = "skipped"
                        continue
                    running.append(threading.Thread(target=job_thread, args=(name, job), daemon=True))
                    running[-1].start()
                if len(self.results) < len(self.workflow["jobs"]):
                    done.wait(0.05)
        for thread in running:
            thread.join()
        self.conclusion = "failure" if "failure" in self.results.values() else "success"

    def _job(self, name, job):
        outputs = {}
        for step in job["steps"]:
            values = self._values(steps=outputs)
            if "run" not in step or ("if" in step and not values.holds(step["if"])):
                continue
            env = {k: values.fill(v) for k, v in {**job.get("env", {}), **step.get("env", {})}.items()}
            code, given, said = run_step(step, {**self.world, **env, "GITHUB_RUN_ID": str(self.number)})
            self.logs.append(f"{name} / {step['name']}: {code}\n{said}")
            if code != 0:
                return "failure"
            outputs[step.get("id", step["name"])] = {"outputs": given}
        self.outputs[name] = {k: self._values(steps=outputs).fill(v) for k, v in job.get("outputs", {}).items()}
        return "success"


def run_step(step, env):
    """Its exit status, its outputs and what it printed."""
    output = subprocess.run(["mktemp"], capture_output=True, text=True, check=True).stdout.strip()
    try:
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            env={**env, "GITHUB_OUTPUT": output}, text=True, check=False, timeout=STEP_SECONDS_MAX,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        with open(output, encoding="utf-8") as file:
            given = dict(line.rstrip("\n").split("=", 1) for line in file)
    finally:
        os.unlink(output)
    return done.returncode, given, done.stdout
