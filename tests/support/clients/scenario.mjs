// What a person does with supabase-js, and what has to come back. Runs in Node and in a page of a browser, with
// whichever version of the client is passed in, unmodified.

// One call; what the client makes of its answer.
async function ask(client, name, options) {
  const { data, error } = await client.functions.invoke(name, options);
  const answer = error?.context instanceof Response ? error.context : null;
  return {
    data,
    error: error?.name ?? null,
    status: answer?.status ?? null,
    requestId: answer?.headers.get("x-request-id") ?? null,
    retryAfter: answer?.headers.get("retry-after") ?? null,
    body: answer ? await answer.json() : null,
  };
}

// Keeps claims; what is not as it should be is kept with what came instead.
class Claims {
  all = [];

  that(claim, answer, holds) {
    let good = false;
    try {
      good = Boolean(holds(answer));
    } catch {
      // Something that was looked at is not there.
    }
    this.all.push({ claim, good, got: good ? "" : JSON.stringify(answer) });
  }
  // The client's error for an answer of this status, with the text that the original function used.
  refused(claim, answer, status, error, more = () => true) {
    this.that(claim, answer, (a) =>
      a.error === "FunctionsHttpError" && a.data === null && a.status === status && a.body.error === error &&
      a.requestId !== null && more(a));
  }
}

const healthKeys = ["healthy", "error_rate_per_minute", "recent_errors", "database_connections", "active_queries",
  "timestamp"];

function execute(client, deployment, reason = "Critical bug in payment flow") {
  return ask(client, "auto-rollback", { body: { deployment_id: deployment, trigger_reason: reason } });
}

function check(client, deployment, more = {}) {
  return ask(client, "auto-rollback/check", { body: { deployment_id: deployment }, ...more });
}

function history(client) {
  return ask(client, "auto-rollback/history?limit=5", { method: "GET" });
}

async function reads(claims, client, place) {
  claims.that("check of a good deployment", await check(client, place.bad), ({ data, error }) =>
    error === null && data.should_rollback === false && data.reason === "System healthy" &&
    healthKeys.every((key) => key in data.health));
  claims.that("check with a region chosen", await check(client, place.bad, { region: "us-east-1" }),
    ({ error }) => error === null);
  claims.refused("check of an unknown one", await check(client, place.unknown), 404, "Deployment not found");
  claims.refused("check of nothing", await ask(client, "auto-rollback/check", { body: {} }), 400,
    "Missing deployment_id");
  claims.that("history", await history(client), ({ data }) =>
    Array.isArray(data.rollbacks) && data.rollbacks.length <= 5);
  claims.refused("a route that is none", await ask(client, "auto-rollback/nonsense", { body: {} }), 404,
    "Unknown endpoint");
}

async function refusals(claims, connect, client, place) {
  claims.refused("execute of nothing", await ask(client, "auto-rollback", { body: {} }), 400,
    "Missing required fields: deployment_id, trigger_reason");
  claims.refused("execute of an unknown one", await execute(client, place.unknown), 404, "Deployment not found");
  claims.refused("execute of what does not serve yet", await execute(client, place.pending), 403,
    "Constitutional validation failed", ({ body }) => body.success === false && !body.validation.compliant);
  claims.refused("execute with nowhere to go back to", await execute(client, place.lonely), 404,
    "No valid rollback target found");
  const stranger = connect("a-key-that-nobody-has");
  claims.refused("execute with a wrong key", await execute(stranger, place.bad), 401, "Unknown token");
  claims.refused("check with a wrong key", await check(stranger, place.bad), 401, "Unknown token");
  claims.refused("history with a wrong key", await history(stranger), 401, "Unknown token");
  const reader = connect(place.readerKey);
  claims.that("check with a key that may only read", await check(reader, place.bad), ({ error }) => error === null);
  claims.refused("execute with it", await execute(reader, place.bad), 403, "Missing scope rollback");
}

async function acts(claims, client, place) {
  await ask(client, "auto-rollback/pause", { body: { reason: "maintenance" } });
  claims.refused("execute during a pause", await execute(client, place.bad), 409, "Paused",
    ({ body }) => body.reason === "maintenance" && body.since !== null);
  claims.that("resume", await ask(client, "auto-rollback/resume", { body: { reason: "done" } }),
    ({ data }) => data.paused === false);
  const done = await execute(client, place.bad);
  claims.that("execute", done, ({ data }) =>
    data.success === true && data.target_deployment.version === "v1" && data.validation.compliant === true &&
    data.snapshot_id !== null && data.status === "in_progress");
  claims.refused("execute once more", await execute(client, place.bad), 409,
    "A rollback of this service is under way", ({ body }) => body.event_id === done.data.event_id);
  claims.that("it is in the history", await history(client), ({ data }) =>
    data.rollbacks.some((row) => row.event_id === done.data.event_id && row.deployment_id === place.bad));
}

async function withoutDatabase(claims, client, place) {
  const soon = (error) => (answer) => answer.error === "FunctionsHttpError" && answer.status === 503 &&
    answer.retryAfter === "1" && (error === "" || answer.body.error === error);
  claims.that("execute without the database", await execute(client, place.late), soon(""));
  claims.that("history without the database", await history(client), soon("The database cannot be read"));
}

async function withoutDaemon(claims, client, place) {
  claims.that("execute without the daemon", await execute(client, place.lonely), ({ error }) =>
    error === "FunctionsFetchError");
}

// Gives [{claim, good, got}].
export async function drive(createClient, place, phase) {
  const options = { auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false } };
  const connect = (key) => createClient(place.url, key, options);
  const client = connect(place.key);
  const claims = new Claims();
  if (phase === "database stopped") {
    await withoutDatabase(claims, client, place);
  } else if (phase === "daemon gone") {
    await withoutDaemon(claims, client, place);
  } else {
    await reads(claims, client, place);
    await refusals(claims, connect, client, place);
    await acts(claims, client, place);
  }
  return claims.all;
}
