"""The JSON of the stand-in's answers, shaped as GitHub's own OpenAPI description demands it."""

import datetime
import hashlib

REPOSITORY_LINKS = """archive assignees blobs branches collaborators comments commits compare contents
contributors deployments downloads events forks git_commits git_refs git_tags hooks issue_comment issue_events
issues keys labels languages merges milestones notifications pulls releases stargazers statuses subscribers
subscription tags teams trees""".split()
USER_LINKS = """avatar events followers following gists organizations received_events repos starred
subscriptions""".split()


def time_text(moment):
    """A moment in seconds since 1970 as GitHub writes it: whole seconds, UTC."""
    when = datetime.datetime.fromtimestamp(moment, datetime.timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def time_of(text):
    """Seconds since 1970 of an RFC 3339 text in UTC; None: it is none."""
    try:
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def user(login, api):
    links = {f"{name}_url": f"{api}/users/{login}/{name}" for name in USER_LINKS}
    own = {"login": login, "id": 1, "node_id": "U_1", "gravatar_id": "", "type": "User", "site_admin": False}
    return {**own, **links, "url": f"{api}/users/{login}", "html_url": f"{api}/{login}"}


def repository(name, api):
    owner, _, short = name.partition("/")
    url = f"{api}/repos/{name}"
    links = {f"{link}_url": f"{url}/{link}" for link in REPOSITORY_LINKS}
    own = {"id": 1, "node_id": "R_1", "name": short, "full_name": name, "private": True, "fork": False}
    about = {"description": None, "owner": user(owner, api), "url": url, "html_url": f"{api}/{name}"}
    return {**own, **links, **about}


def commit(sha, moment):
    person = {"name": "somebody", "email": "somebody@example.com"}
    told = {"id": sha, "tree_id": sha, "message": "a commit", "timestamp": time_text(moment)}
    return {**told, "author": person, "committer": person}


def run(state, name, api):
    """One run of the repository `name` as the API tells it."""
    sha = hashlib.sha1(name.encode()).hexdigest()
    url = f"{api}/repos/{name}/actions/runs/{state.id}"
    links = {f"{link}_url": f"{url}/{link}" for link in ("jobs", "logs", "artifacts", "cancel", "rerun")}
    return {
        "id": state.id,
        "node_id": f"WFR_{state.id}",
        "name": "Rollback",
        "display_title": state.title,
        "head_branch": state.ref,
        "head_sha": sha,
        "path": f".github/workflows/{state.workflow}",
        "run_number": state.id,
        "run_attempt": 1,
        "event": "workflow_dispatch",
        "status": state.status,
        "conclusion": state.conclusion,
        "workflow_id": 1,
        "check_suite_id": 1,
        "check_suite_node_id": "CS_1",
        "check_suite_url": f"{api}/repos/{name}/check-suites/1",
        "workflow_url": f"{api}/repos/{name}/actions/workflows/1",
        "url": url,
        "html_url": f"{api}/{name}/actions/runs/{state.id}",
        "pull_requests": [],
        "created_at": time_text(state.created_at),
        "updated_at": time_text(state.updated_at),
        "run_started_at": time_text(state.created_at),
        "head_commit": commit(sha, state.created_at),
        "repository": repository(name, api),
        "head_repository": repository(name, api),
        **links,
    }


def job(state, name, api):
    """The one job of a run."""
    started = time_text(state.started_at or state.created_at)
    url = f"{api}/repos/{name}/actions/jobs/{state.id}"
    return {
        "id": state.id,
        "node_id": f"J_{state.id}",
        "run_id": state.id,
        "run_url": f"{api}/repos/{name}/actions/runs/{state.id}",
        "head_sha": hashlib.sha1(name.encode()).hexdigest(),
        "head_branch": state.ref,
        "workflow_name": "Rollback",
        "name": "deploy",
        "url": url,
        "html_url": f"{api}/{name}/actions/runs/{state.id}/job/{state.id}",
        "check_run_url": f"{api}/repos/{name}/check-runs/{state.id}",
        "status": state.status if state.status in ("queued", "in_progress", "completed") else "queued",
        "conclusion": state.conclusion,
        "created_at": time_text(state.created_at),
        "started_at": started,
        "completed_at": time_text(state.updated_at) if state.status == "completed" else None,
        "steps": [],
        "labels": ["ubuntu-latest"],
        "runner_id": 1,
        "runner_name": "runner",
        "runner_group_id": 1,
        "runner_group_name": "Default",
    }


def refusal(status, message):
    """The body of an error."""
    return {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}


def rate_limit(remaining, reset):
    limit = {"limit": 5000, "used": 5000 - remaining, "remaining": remaining, "reset": reset}
    return {"resources": {"core": limit, "search": limit}, "rate": limit}
