// node drive.mjs CLIENT PHASE PLACE: runs scenario.mjs with one client against the daemon at PLACE (JSON) and prints
// what did not hold. CLIENT: 2.109, newest, or chromium, which is the newest in a page of a real browser that comes
// from another origin than the daemon. Exit 1: a claim did not hold.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { drive } from "./scenario.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const packages = join(here, "../../../build/tools/clients/node_modules");
const pageSeconds = 180;

function listen(handler) {
  return new Promise((resolve) => {
    const server = createServer(handler);
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}

async function bodyOf(request) {
  let body = "";
  for await (const piece of request) body += piece;
  return body;
}

// Which credential this client sends for this key, asked of a server that only looks.
async function credentialOf(createClient, key) {
  let seen = null;
  const server = await listen((request, response) => {
    seen = request.headers;
    response.setHeader("Content-Type", "application/json");
    response.end("{}");
  });
  await createClient(`http://127.0.0.1:${server.address().port}`, key).functions.invoke("x", { body: {} });
  server.close();
  return { bearer: seen.authorization === `Bearer ${key}`, none: !("authorization" in seen), apikey: seen.apikey === key };
}

async function inNode(version, phase, place) {
  globalThis.WebSocket ??= class {}; // Node 20 has none; nothing here uses it
  const { createClient } = await import(join(packages, `supabase-js-${version}`, "dist/index.mjs"));
  const claims = await drive(createClient, place, phase);
  const credential = await credentialOf(createClient, place.key);
  const good = credential.apikey && (version === "newest" ? credential.none : credential.bearer);
  claims.push({ claim: "the credential comes in the header that is to be tested", good, got: JSON.stringify(credential) });
  return claims;
}

const page = `<!doctype html><meta charset="utf-8"><script src="/supabase.js"></script><script type="module">
import { drive } from "/scenario.mjs";
const { place, phase } = await (await fetch("/task")).json();
let claims;
try {
  claims = await drive(supabase.createClient, place, phase);
} catch (error) {
  claims = [{ claim: "the page runs", good: false, got: String(error?.stack ?? error) }];
}
await fetch("/claims", { method: "POST", body: JSON.stringify(claims) });
</script>`;

async function inBrowser(phase, place) {
  const files = {
    "/": ["text/html", page],
    "/task": ["application/json", JSON.stringify({ place, phase })],
    "/scenario.mjs": ["text/javascript", readFileSync(join(here, "scenario.mjs"))],
    "/supabase.js": ["text/javascript", readFileSync(join(packages, "supabase-js-newest/dist/umd/supabase.js"))],
  };
  let done;
  const claims = new Promise((resolve) => (done = resolve));
  const server = await listen(async (request, response) => {
    if (request.url === "/claims") done(JSON.parse(await bodyOf(request)));
    const [type, text] = files[request.url] ?? ["text/plain", ""];
    response.setHeader("Content-Type", type);
    response.end(text);
  });
  const profile = mkdtempSync(join(tmpdir(), "rollbackd-chromium-"));
  const browser = spawn("setpriv", ["--pdeathsig", "KILL", "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--no-first-run", "--disable-background-networking", "--disable-component-update", `--user-data-dir=${profile}`,
    `http://127.0.0.1:${server.address().port}/`], { stdio: "ignore", detached: true });
  const late = setTimeout(() => done([{ claim: "the page answers in time", good: false, got: "nothing" }]),
    pageSeconds * 1000);
  const all = await claims;
  clearTimeout(late);
  const ended = new Promise((resolve) => browser.once("exit", resolve));
  process.kill(-browser.pid, "SIGKILL");
  await ended;
  server.closeAllConnections();
  server.close();
  rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  return all;
}

const [client, phase, placeText] = process.argv.slice(2);
const place = JSON.parse(placeText);
const claims = client === "chromium" ? await inBrowser(phase, place) : await inNode(client, phase, place);
const wrong = claims.filter(({ good }) => !good);
for (const { claim, got } of wrong) {
  console.log(`${client}, ${phase}: ${claim}: got ${got}`);
}
console.log(`${client}, ${phase}: ${claims.length} claims, ${wrong.length} wrong`);
process.exit(wrong.length === 0 && claims.length > 0 ? 0 : 1);
