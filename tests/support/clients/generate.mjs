// node generate.mjs URL TOKEN SERVICE: makes the types of a client out of the document that the daemon at URL serves,
// compiles generated.ts against them, strictly, and runs it.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const packages = join(here, "../../../build/tools/clients/node_modules");
const [url, token, service] = process.argv.slice(2);

const folder = mkdtempSync(join(tmpdir(), "rollbackd-generated-"));
const run = (program, ...rest) =>
  execFileSync(process.execPath, [program, ...rest], { cwd: folder, stdio: ["ignore", "inherit", "inherit"] });
let status = 0;
try {
  symlinkSync(packages, join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  writeFileSync(join(folder, "node.d.ts"),
    "declare const process: { argv: string[]; exit(status: number): never };\ndeclare const console: { log(text: string): void };\n");
  writeFileSync(join(folder, "openapi.json"), await (await fetch(`${url}/openapi.json`)).text());
  copyFileSync(join(here, "generated.ts"), join(folder, "generated.ts"));
  run(join(packages, "openapi-typescript/bin/cli.js"), "openapi.json", "--output", "api.d.ts");
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({
    compilerOptions: { strict: true, target: "es2022", module: "nodenext", skipLibCheck: true, types: [],
      lib: ["es2022", "dom", "dom.iterable"] },
    files: ["node.d.ts", "generated.ts"],
  }));
  run(join(packages, "typescript/bin/tsc"));
  run("generated.js", url, token, service);
} catch (error) {
  status = error.status ?? 1;
  if (error.status === undefined) console.log(String(error.stack));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(status);
