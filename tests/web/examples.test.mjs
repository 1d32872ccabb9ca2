// The examples of docs/web.md say what the page says.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../../", import.meta.url));

test("answer.mjs prints what the page says", async () => {
  const folder = await mkdtemp(join(tmpdir(), "edge-predict-"));
  try {
    await cp(join(root, "examples/web/answer.mjs"), join(folder, "answer.mjs"));
    await cp(join(root, "tests/runtime/models/four_blobs.onnx"), join(folder, "model.onnx"));
    await mkdir(join(folder, "node_modules"));
    await symlink(join(root, "runtime/web"), join(folder, "node_modules/edge-predict"), "dir");
    const { stdout } = await promisify(execFile)(process.execPath, ["answer.mjs"], { cwd: folder });
    const page = await readFile(join(root, "docs/web.md"), "utf8");
    assert.equal(stdout, /```text\n([^`]*)```/.exec(page)[1]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
