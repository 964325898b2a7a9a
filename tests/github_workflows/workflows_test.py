#!/usr/bin/env python3
"""The workflows of config/github, their steps run for real with stubs for gh, curl and rollbackctl."""

import copy
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from actions import HERE, ROOT, Groups, Run, load, steps_of

SECONDS_MAX = 60
ROLLBACK_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
INPUTS = {
    "rollback_id": ROLLBACK_ID, "environment": "production", "service": "api", "version": "v1.4.2",
    "git_commit": "9fceb02", "deployment_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "reason": "High error rate: 12 errors/minute; $(touch owned) `touch owned` \"'", "not_after": "2999-01-01T00:00:00Z",
}
CURRENT = {"code": 200, "body": json.dumps({"status": "in_progress", "ended_by": None})}


class Stage(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="workflows.")
        self.addCleanup(shutil.rmtree, self.folder)
        programs = os.path.join(self.folder, "bin")
        os.mkdir(programs)
        for name in ("gh", "curl", "rollbackctl", "sleep", "deploy"):
            os.symlink(os.path.join(HERE, "stub.py"), os.path.join(programs, name))
        self.env = {
            "PATH": programs + ":/usr/bin:/bin", "WORLD": self.folder, "HOME": self.folder, "GITHUB_REPOSITORY": "o/r",
            "GITHUB_WORKFLOW_REF": "o/r/.github/workflows/rollback.yml@refs/heads/main",
            "GITHUB_SHA": "deadbeef", "GITHUB_REF_NAME": "main",
        }
        self.groups = Groups()
        self.number = 0
        self.started = []
        self.world = {"runs": [], "daemon": CURRENT, "rollbackctl": {"gate": 0}}
        self.tell()

    def tell(self, **changes):
        self.world.update(changes)
        path = os.path.join(self.folder, "world.json")
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(self.world, file)
        os.rename(path + ".new", path)

    def calls(self, *beginnings):
        try:
            with open(os.path.join(self.folder, "calls.txt"), encoding="utf-8") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return []
        return [line for line in lines if line.startswith(beginnings or "")]

    def until(self, condition):
        end = time.monotonic() + SECONDS_MAX
        while not condition():
            self.assertLess(time.monotonic(), end, "\n".join(self.calls() + [r.log for r in self.started]))
            time.sleep(0.01)

    def dispatch(self, name, inputs, listed=True, server="https://rollbackd.test/", workflow=None):
        workflow = copy.deepcopy(workflow or load(name))
        for _, step in steps_of(workflow):
            if step["name"] == "Deploy":
                step["run"] = 'deploy "$DEPLOY_VERSION"'
        self.number += 1
        context = {"inputs": inputs, "vars": {"ROLLBACKD_SERVER": server}, "secrets": {"ROLLBACKD_TOKEN": "tok"}}
        run = Run(workflow, self.number, context, self.env, self.groups)
        entry = {"id": run.number, "display_title": run.name, "status": "queued", "conclusion": None, "listed": listed}
        self.world["runs"].insert(0, entry)
        self.tell()
        self.started.append(run)
        return run

    def rollback(self, **options):
        return self.dispatch("rollback.yml", {**INPUTS, **options.pop("inputs", {})}, **options)

    def deployment(self, version="v1.4.4", **options):
        return self.dispatch("deploy.yml", {"environment": "production", "service": "api", "version": version}, **options)

    def finish(self, run):
        """Waits for it, and lets its end be seen."""
        self.until(lambda: run.conclusion)
        entry = next(r for r in self.world["runs"] if r["id"] == run.number)
        entry.update(status="completed", conclusion=run.conclusion)
        self.tell()
        return run.conclusion


class Structure(unittest.TestCase):
    def test_only_the_deploying_job_is_in_the_group_and_both_workflows_share_it(self):
        groups = []
        for name in ("rollback.yml", "deploy.yml"):
            workflow = load(name)
            self.assertNotIn("concurrency", workflow)
            with_group = [j for j, job in workflow["jobs"].items() if "concurrency" in job]
            self.assertEqual(with_group, ["deploy"])
            groups.append(workflow["jobs"]["deploy"]["concurrency"])
            waits = [s["run"] for s in workflow["jobs"]["deploy"]["steps"] if "run" in s]
            self.assertFalse([w for w in waits if re.search(r"rollbackctl (gate|watch)|actions/runs/", w)])
        self.assertEqual(groups[0], groups[1])
        self.assertEqual(
            groups[0],
            {"group": "deploy-${{ inputs.environment }}-${{ inputs.service }}", "cancel-in-progress": False, "queue": "max"},
        )

    def test_the_inputs_are_those_that_the_daemon_sends_all_strings_all_required(self):
        inputs = load("rollback.yml")["on"]["workflow_dispatch"]["inputs"]
        self.assertEqual(list(inputs), list(INPUTS))
        self.assertTrue(all(i["type"] == "string" and i["required"] for i in inputs.values()))
        source = ""
        for name in ("github_requests.cpp", "deploy_values.cpp"):
            with open(os.path.join(ROOT, "engine", "actions", name), encoding="utf-8") as file:
                source += file.read()
        for name in inputs:
            self.assertIn(f'"{name}"', source, "engine/actions sends no such input")

    def test_the_name_of_a_run_has_the_marker(self):
        self.assertIn("[rb:${{ inputs.rollback_id }}]", load("rollback.yml")["run-name"])

    def test_rights_are_the_least_and_every_job_ends_by_itself(self):
        allowed = ({}, {"actions": "read"}, {"contents": "read"})
        for name in ("rollback.yml", "deploy.yml"):
            workflow = load(name)
            self.assertEqual(workflow["permissions"], {})
            for job in workflow["jobs"].values():
                self.assertIn(job.get("permissions"), allowed)
                self.assertLessEqual(job["timeout-minutes"], 60)

    def test_no_value_is_pasted_into_a_script(self):
        for name in ("rollback.yml", "deploy.yml"):
            for _, step in steps_of(load(name)):
                self.assertNotIn("${{", step["run"], step["name"])
                self.assertEqual(step["shell"], "bash", step["name"])

    def test_shellcheck_finds_nothing(self):
        for name in ("rollback.yml", "deploy.yml"):
            for _, step in steps_of(load(name)):
                script = "#!/bin/bash\nset -eo pipefail\n" + step["run"]
                done = subprocess.run(["shellcheck", "-"], input=script, text=True, capture_output=True, check=False)
                self.assertEqual(done.returncode, 0, f"{name}, {step['name']}:\n{done.stdout}")

    def test_without_commands_of_ones_own_nothing_looks_deployed(self):
        for name in ("rollback.yml", "deploy.yml"):
            step = next(s for _, s in steps_of(load(name)) if s["name"] == "Deploy")
            done = subprocess.run(["bash", "-eo", "pipefail", "-c", step["run"]], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("has no commands yet", done.stdout)


class Rollback(Stage):
    def ends(self, expected, deployed, **options):
        self.world["runs"] = [r for r in self.world["runs"] if r["status"] != "completed"]
        run = self.rollback(**options).start()
        self.assertEqual(self.finish(run), expected, run.log)
        self.assertEqual(len(self.calls("begin")), deployed, run.log)
        return run.log

    def test_it_deploys_the_target_and_nothing_is_run_that_a_value_says(self):
        self.ends("success", 1)
        self.assertEqual(self.calls("begin"), ["begin v1.4.2"])
        self.assertEqual(self.calls("asked", "curl"), [f"asked https://rollbackd.test/auto-rollback/events/{ROLLBACK_ID}"])
        self.assertFalse(os.path.exists("owned") or os.path.exists(os.path.join(self.folder, "owned")))

    def test_a_deploy_that_fails_fails_the_run(self):
        self.tell(deploy=1)
        self.ends("failure", 1)

    def test_after_its_time_it_does_nothing_and_fails(self):
        for time_limit in ("2020-01-01T00:00:00Z", "soon", ""):
            self.assertIn("too late", self.ends("failure", 0, inputs={"not_after": time_limit}))

    def test_a_rollback_that_is_not_wanted_any_more_does_nothing_and_fails(self):
        for status, ended_by in (("failed", "outcome_unknown"), ("aborted", "aborted"), ("in_progress", "superseded"), ("success", None)):
            self.tell(daemon={"code": 200, "body": json.dumps({"status": status, "ended_by": ended_by})})
            self.assertIn("not wanted any more", self.ends("failure", 0))

    def test_a_rollback_that_the_daemon_does_not_know_does_nothing(self):
        self.tell(daemon={"code": 404, "body": "{}"})
        self.assertIn("knows no rollback", self.ends("failure", 0))

    def test_without_a_daemon_that_answers_the_time_alone_decides(self):
        nonsense = {"code": 200, "body": "<html>"}
        for daemon in (None, {"code": 503, "body": "{}"}, {"code": 401, "body": "{}"}, nonsense):
            self.tell(daemon=daemon)
            before = len(self.calls("begin"))
            self.assertIn("could not be asked", self.ends("success", before + 1))

    def test_no_server_is_no_trouble(self):
        self.ends("success", 1, server="")

    def test_of_two_runs_only_the_first_deploys_and_the_other_ends_as_it_does(self):
        for deploy, expected in ((0, "success"), (1, "failure")):
            for first_to_start in (0, 1):
                self.tell(deploy=deploy, runs=[])
                before = len(self.calls("begin"))
                runs = [self.rollback(), self.rollback()]
                runs[first_to_start].start()
                runs[1 - first_to_start].start()
                self.assertEqual(self.finish(runs[0]), expected, runs[0].log)
                self.assertEqual(self.finish(runs[1]), expected, runs[1].log)
                self.assertEqual(len(self.calls("begin")), before + 1)
                self.assertEqual(runs[1].results["deploy"], "skipped")

    def test_a_run_that_is_not_listed_yet_waits_until_it_is(self):
        first, second = self.rollback(listed=False), self.rollback(listed=False)
        second.start()
        time.sleep(0.3)
        self.assertIsNone(second.conclusion)
        for entry in self.world["runs"]:
            entry["listed"] = True
        self.tell()
        self.finish(first.start())
        self.finish(second)
        self.assertEqual(len(self.calls("begin")), 1)

    def test_a_run_that_is_never_listed_does_not_deploy(self):
        self.assertIn("does not list this run", self.ends("failure", 0, listed=False))

    def test_a_run_of_another_rollback_is_none_of_its_business(self):
        self.rollback(inputs={"rollback_id": ROLLBACK_ID.replace("0", "1")})
        self.ends("success", 1)

    def test_an_id_that_is_none_is_refused(self):
        self.assertIn("is no id", self.ends("failure", 0, inputs={"rollback_id": "x] || true"}))


class Deploy(Stage):
    def test_it_is_pending_then_in_progress_before_it_deploys_and_then_the_gate_is_asked(self):
        run = self.deployment().start()
        self.assertEqual(self.finish(run), "success", run.log)
        deployment = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
        self.assertEqual(self.calls(), [
            "rollbackctl record --environment production --service api --version v1.4.4 --commit deadbeef --branch main"
            " --status pending",
            f"rollbackctl record --deployment {deployment} --status in_progress",
            "begin v1.4.4", "end v1.4.4",
            f"rollbackctl gate {deployment} --timeout 6m",
        ])

    def test_what_cannot_be_recorded_is_not_deployed(self):
        self.tell(rollbackctl={"record": 6})
        run = self.deployment().start()
        self.assertEqual(self.finish(run), "failure")
        self.assertEqual(self.calls("begin"), [])

    def test_a_deploy_that_fails_is_recorded_and_meets_no_gate(self):
        self.tell(deploy=1)
        run = self.deployment().start()
        self.assertEqual(self.finish(run), "failure")
        self.assertTrue(self.calls()[-1].endswith("--status failed"))
        self.assertEqual(run.results["gate"], "skipped")

    def test_every_end_of_the_gate_but_a_good_one_fails_the_run_and_is_told(self):
        for code, said in ((3, "being rolled back"), (4, "within 6 minutes"), (6, "could not be asked"), (1, "ended with 1")):
            self.tell(rollbackctl={"gate": code})
            run = self.deployment().start()
            self.assertEqual(self.finish(run), "failure")
            self.assertIn(said, run.log)


class Meeting(Stage):
    """Deploys and rollbacks of one service, begun in every order while the first one deploys."""

    def meet(self, workflow=None):
        """Of every order of three: nobody waits for ever, and never do two deploy at a time."""
        makers = {
            "rollback": self.rollback,
            "v1.4.4": lambda: self.deployment("v1.4.4", workflow=workflow),
            "v1.4.5": lambda: self.deployment("v1.4.5", workflow=workflow),
        }
        for order in itertools.permutations(makers):
            before = len(self.calls("begin", "end"))
            self.tell(runs=[], slow=["v1.4.2", "v1.4.4", "v1.4.5"], rollbackctl={"gate": None})
            runs = []
            for name in order:
                runs.append(makers[name]().start())
                queue = len(runs)
                self.until(lambda: len(next(iter(self.groups.queues.values()), [])) == queue)  # pylint: disable=W0640
            self.tell(slow=[])
            self.until(lambda: len(self.calls("begin", "end")) == before + 6)  # all three, with both gates still open
            self.tell(rollbackctl={"gate": 0})
            self.assertEqual([self.finish(r) for r in runs], ["success"] * 3)
            steps = self.calls("begin", "end")[before:]
            expected = ["v1.4.2" if name == "rollback" else name for name in order]
            self.assertEqual(steps, [f"{word} {version}" for version in expected for word in ("begin", "end")])

    def test_they_deploy_one_after_the_other_and_no_gate_holds_the_next_up(self):
        self.meet()

    def test_a_gate_inside_the_group_would(self):
        workflow = load("deploy.yml")
        jobs = workflow["jobs"]
        jobs["deploy"]["env"].update(jobs["gate"]["env"])
        jobs["deploy"]["steps"] += jobs.pop("gate")["steps"]
        global SECONDS_MAX  # pylint: disable=global-statement
        usual, SECONDS_MAX = SECONDS_MAX, 3
        try:
            with self.assertRaises(AssertionError):
                self.meet(workflow)
        finally:
            SECONDS_MAX = usual
            self.tell(rollbackctl={"gate": 0})
            for run in self.started:
                run.wait(SECONDS_MAX)


if __name__ == "__main__":
    missing = [p for p in ("jq", "shellcheck") if not shutil.which(p)]
    if missing:
        print(f"skipped: {', '.join(missing)} is not installed. ./dev setup test")
        sys.exit(77)
    unittest.main()
