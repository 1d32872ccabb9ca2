// Builds what edge-export --page puts into its pages: the script, and ONNX Runtime for WebAssembly, packed.
// node page/build.mjs FOLDER, after npm ci.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const [folder] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
await build({
  entryPoints: ["page/main.ts"],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  // onnxruntime-web takes it for an address beside which files lie, and fails on one of Firefox for pages from the disk.
  define: { "import.meta.url": '"page://page/"' },
  // The notices of what is in it.
  legalComments: "inline",
  outfile: join(folder, "page.js"),
});
const wasm = createRequire(import.meta.url).resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm");
await writeFile(join(folder, "ort.wasm.gz"), gzipSync(await readFile(wasm), { level: 9 }));
