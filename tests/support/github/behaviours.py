"""What the stand-in can do wrong, by name. A behaviour says for each route how it is treated."""

# How an answer goes wrong after what it is about was done, on any route.
TROUBLES = (
    "fails",  # 502
    "unavailable",  # 503
    "hangs",  # no answer until the other side gives up
    "closes",  # the connection is closed instead
    "resets",
    "broken_json",
    "wrong_types",
    "not_json",
    "empty",
    "huge",  # ten megabytes
    "truncated",  # the body ends before its Content-Length
    "not_http",
    "slow",  # a byte a second
    "limited",  # 429 with Retry-After
    "limited_until",  # 403 with x-ratelimit-remaining 0 and x-ratelimit-reset
    "limited_secondary",  # 403 with nothing but its message
    "redirects",  # to another host
    "moved",  # to another name at this host
    "teapot",  # a status that GitHub does not use
)

# A dispatch that is refused, as it was seen in the field: status and message.
REFUSALS = {
    "bad_credentials": (401, "Bad credentials"),
    "no_permission": (403, "Resource not accessible by personal access token"),
    "no_permission_app": (403, "Resource not accessible by integration"),
    "no_admin": (403, "Must have admin rights to Repository."),
    "archived": (403, "Repository was archived so is read-only."),
    "sso": (403, "Resource protected by organization SAML enforcement. You must grant your token access."),
    "not_found": (404, "Not Found"),
    "no_ref": (422, "No ref found for: main"),
    "no_trigger": (422, "Workflow does not have 'workflow_dispatch' trigger"),
    "unexpected_inputs": (422, 'Unexpected inputs provided: ["not_after"]'),
    "required_input": (422, "Required input 'approver' not provided"),
    "disabled_workflow": (422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow"),
    "actions_disabled": (422, "Actions is disabled for this repository."),
    "not_a_choice": (422, "Provided value 'v1' for input 'version' not in the list of allowed values"),
    "too_large": (422, "inputs are too large."),
    "bad_json": (400, "Problems parsing JSON"),
    "echoes_token": (422, "your token is {token}"),
}

# name: {route: how}, or one after the other. `accepts`: a dispatch makes its run before it goes wrong.
NAMED = {
    "behaves": {},
    "old_server": {"dispatch": "old_server"},
    "no_run_id": {"dispatch": "no_run_id"},
    "no_run_id_in_200": {"dispatch": "no_run_id_in_200"},
    "fails_after_accepting": {"dispatch": "fails", "accepts": True},
    "fails_without_accepting": {"dispatch": "fails", "accepts": False},
    "hangs_after_accepting": {"dispatch": "hangs", "accepts": True},
    "hangs_without_accepting": {"dispatch": "hangs", "accepts": False},
    "closes_after_accepting": {"dispatch": "closes", "accepts": True},
    "closes_without_accepting": {"dispatch": "closes", "accepts": False},
    "lists_late": {"dispatch": "no_run_id", "lists_late": True},
    "fails_and_lists_late": {"dispatch": "fails", "accepts": True, "lists_late": True},
    "two_runs": {"dispatch": "two_runs"},  # and the answer names the second
    "two_runs_unnamed": {"dispatch": "two_runs_unnamed"},
    "two_runs_and_fails": {"dispatch": "fails", "accepts": True, "twice": True},
    "rate_limits": {"dispatch": "limited", "accepts": False, "run": "limited"},
    "rate_limits_until": {"dispatch": "limited_until", "accepts": False, "run": "limited_until"},
    "rate_limits_polls": {"run": "limited"},
    "limits_then_closes": {"dispatch": ("limited", "closes"), "accepts": True},
    "nonsense": {"dispatch": "broken_json", "accepts": True, "run": "wrong_types", "list": "broken_json"},
    "redirects": {"dispatch": "redirects", "accepts": False},
    "moved": {"dispatch": "moved", "accepts": False},
    "list_fails": {"dispatch": "no_run_id", "list": "fails"},
    "cancel_fails": {"cancel": "fails"},
}
# Answers that say no for certain: GitHub gives none of them after it made a run.
CERTAIN_NO = ("limited", "limited_until", "limited_secondary", "redirects", "moved")
for _trouble in TROUBLES:
    NAMED[f"dispatch_{_trouble}"] = {"dispatch": _trouble, "accepts": _trouble not in CERTAIN_NO}
    NAMED[f"run_{_trouble}"] = {"run": _trouble}
    NAMED[f"list_{_trouble}"] = {"dispatch": "no_run_id", "list": _trouble}
for _refusal in REFUSALS:
    NAMED[_refusal] = {"dispatch": _refusal, "accepts": False}
