// What this package makes of an artifact: for programs that compare it with Python's command.
import { Predictor } from "../../runtime/web/dist/index.js";

/** Whether an artifact opens and passes, how much of a tolerance it uses at most, and why it does not pass. */
export async function verdict(content) {
  try {
    const predictor = await Predictor.load(content);
    try {
      const { passed, checks, problems } = await predictor.verify();
      const used = Math.max(0, ...checks.map((check) => check.toleranceUsed));
      // JSON does not have infinity.
      return { passed, tolerance_used: Number.isFinite(used) ? used : null, problem: problems[0] ?? null };
    } finally {
      await predictor.close();
    }
  } catch (error) {
    // After an error of WebAssembly itself, nothing that this program computes can be relied on.
    const crashed = error.cause instanceof WebAssembly.RuntimeError || error.name === "RuntimeError";
    return { passed: false, tolerance_used: null, problem: `${error.name}: ${error.message}`, ...(crashed && { crashed }) };
  }
}
