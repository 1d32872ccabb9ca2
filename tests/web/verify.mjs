// node tests/web/verify.mjs FILE...: a line of JSON for each artifact, up to one with which ONNX Runtime crashes.
import { readFile } from "node:fs/promises";

import { verdict } from "./verdicts.mjs";

for (const path of process.argv.slice(2)) {
  const found = await verdict(new Uint8Array(await readFile(path)));
  console.log(JSON.stringify(found));
  if (found.crashed) break;
}
