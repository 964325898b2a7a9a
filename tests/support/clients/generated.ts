// What a pipeline does, written against nothing but the types generated from the API's document: a wrong path, field,
// or answer is an error of the compiler. Run against the daemon at argv[2] with the token argv[3]; the service argv[4]
// has a good deployment to go back to.

import createClient from "openapi-fetch";

import type { components, paths } from "./api.js";

const [url, token, service] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${token}` } });

let wrong = 0;

function claim(what: string, holds: boolean, got: unknown): void {
  if (!holds) {
    wrong += 1;
    console.log(`generated: ${what}: got ${JSON.stringify(got)}`);
  }
}

const recorded = await client.POST("/auto-rollback/deployments", {
  body: { environment: "production", service, version: "v2", git_commit: "c0ffee1", git_branch: "main" },
});
claim("a deployment is recorded", recorded.data?.status === "in_progress", recorded.error);
const deployment = recorded.data?.deployment_id ?? "";

// The daemon hears of the row as of anybody's.
let state: components["schemas"]["State"] | undefined;
for (let i = 0; i < 500 && state === undefined; ++i) {
  const checked = await client.POST("/auto-rollback/check", { body: { deployment_id: deployment } });
  state = checked.data?.state;
}
claim("it is healthy", state === "healthy", state);

const listed = await client.GET("/auto-rollback/deployments", { params: { query: { service, current: "true" } } });
claim("it is current", listed.data?.deployments[0]?.current === true, listed.error ?? listed.data);

const refused = await client.POST("/auto-rollback", {
  body: { deployment_id: "00000000-0000-4000-8000-000000000000", trigger_reason: "a mistake" },
});
claim("an unknown one is 404", refused.response.status === 404 && refused.error?.error === "Deployment not found",
  refused.error);

const done = await client.POST("/auto-rollback", {
  params: { header: { Prefer: "wait=60" } },
  body: { deployment_id: deployment, trigger_reason: "wrong prices" },
});
claim("it is rolled back", done.data !== undefined && "status" in done.data && done.data.status === "success",
  done.error ?? done.data);

const history = await client.GET("/auto-rollback/history", { params: { query: { service, limit: 1 } } });
const row = history.data?.rollbacks[0];
claim("the history has it", row?.deployment_id === deployment && row.status === "success", row ?? history.error);

if (row !== undefined) {
  const event = await client.GET("/auto-rollback/events/{event_id}", { params: { path: { event_id: row.event_id } } });
  claim("with its snapshots", (event.data?.snapshots.length ?? 0) > 0, event.error ?? event.data);
}
console.log(`generated: ${wrong} wrong`);
process.exit(wrong === 0 ? 0 : 1);
