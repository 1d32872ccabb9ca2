/** The foot of a page: what the replay of the certificate found, here. */

import { NoCertificate, type Predictor, type Verification } from "../src/index.js";

/** Replay the certificate, and say what came of it. */
export async function showVerification(predictor: Predictor): Promise<void> {
  const foot = byId("verified")!;
  foot.textContent = "Replaying the certificate …";
  let found: Verification;
  try {
    found = await predictor.verify();
  } catch (error) {
    const hasNone = error instanceof NoCertificate;
    const why = hasNone ? "The file has no certificate." : `Its certificate cannot be replayed: ${(error as Error).message}.`;
    foot.className = hasNone ? "" : "bad";
    foot.replaceChildren(element("b", {}, "Not verified."), ` ${why}`);
    return;
  }
  const torch = found.versions["torch"] ? `torch ${found.versions["torch"]}` : "torch";
  const rows = digits.format(found.rows);
  foot.className = found.passed ? "good" : "bad";
  if (found.passed) {
    const used = Math.max(...found.checks.map((one) => one.toleranceUsed));
    foot.replaceChildren(
      element("b", {}, "Verified in this browser"),
      ` against ${torch}: ${rows} reference rows were replayed, and the worst element is at ${Math.round(100 * used)}% of its tolerance. ONNX Runtime Web ${found.onnxruntime}, one thread.`,
      detailsOf(found),
    );
  } else {
    const text = `This file does not compute here what torch computed: ${found.problems.join("; ")}.`;
    foot.replaceChildren(element("b", {}, "Not verified."), ` ${text}`, detailsOf(found));
    // Nobody should read answers before this.
    byId("problem")!.textContent = `Do not use these answers. ${text}`;
    byId("problem")!.hidden = false;
  }
}

/** What was compared, a line for each kind of reference rows and output. */
function detailsOf({ checks }: Verification): HTMLElement {
  const number = (one: number): string => (Number.isFinite(one) ? one.toExponential(1) : "not comparable");
  const used = (one: number): string => (Number.isFinite(one) ? `${Math.round(100 * one)}%` : "over 100%");
  const lines = checks.map((one) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, one.kind),
      ...[one.output, digits.format(one.rows), number(one.error), number(one.tolerance), used(one.toleranceUsed)].map((cell) => element("td", {}, cell)),
    ),
  );
  const heads = ["compared with torch", "output", "rows", "largest error", "tolerance", "tolerance used"].map((text) => element("th", { scope: "col" }, text));
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...lines));
  return element("details", {}, element("summary", {}, "What was compared"), element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "What was compared" }, table));
}
