// Times one row in the npm package: under Node as a program that reads counts of calls, in a page as a module.
import { Predictor } from "../runtime/web/dist/index.js";

/** Opens a model; the function that is returned makes calls and gives the seconds that one takes. */
export async function opened(source, row) {
  const predictor = await Predictor.load(source);
  return async (count) => {
    const start = performance.now();
    for (let made = 0; made < count; made++) await predictor.predictOne(row);
    return (performance.now() - start) / 1000 / count;
  };
}

if (globalThis.process?.argv[2]) {
  const { readFile } = await import("node:fs/promises");
  const { createInterface } = await import("node:readline");
  const [, , path, row] = process.argv;
  const timed = await opened(new Uint8Array(await readFile(path)), JSON.parse(row));
  for await (const line of createInterface({ input: process.stdin })) console.log(await timed(Number(line)));
}
