/** A table that is dropped on the page, and its answers as a download. */

import type { Predictor } from "../src/index.js";
import { listed } from "../src/text.js";
import type { FormSignature } from "./answers.js";
import { decoded } from "./delimited.js";
import { rejectsOf, score, type Scored } from "./scores.js";

/** So many rejected rows are shown; the download has them all. */
const SHOWN = 8;
/** A file is held in memory, as text and in answers. */
const MOST_BYTES = 200e6;

/** Answer the tables that are dropped on the page, or chosen. */
export function takeTables(predictor: Predictor, signature: FormSignature): void {
  byId("table")!.hidden = false;
  const wanted = listed(signature.columns);
  byId("table-about")!.textContent = `Drop a CSV file anywhere on this page, or choose one. It stays on this computer. Its header names ${wanted}.`;
  let number = 0;
  takeFiles(byId("file") as HTMLInputElement, async (file) => {
    // A file that is dropped while another is answered takes its place.
    const own = (number += 1);
    const state = byId("table-state")!;
    byId("table-result")!.replaceChildren();
    state.className = "note";
    state.textContent = `Answering ${file.name} …`;
    try {
      if (file.size > MOST_BYTES) throw new Error(`the file is larger than ${MOST_BYTES / 1e6} MB; use edge-predict --input`);
      const text = decoded(new Uint8Array(await file.arrayBuffer()));
      const found = await score(predictor, signature, text, file.name, async (done) => {
        if (own !== number) throw new Replaced();
        state.textContent = `Answering ${file.name}: ${Math.floor(100 * done)}%`;
        await new Promise((resolve) => { setTimeout(resolve); });
      });
      showResult(file.name, found, signature);
    } catch (error) {
      if (error instanceof Replaced) return;
      state.className = "warning";
      state.textContent = `${file.name} cannot be answered: ${(error as Error).message}`;
      announce(state.textContent);
    }
  });
}

class Replaced extends Error {}

/** Call `take` with files that are dropped on the page, or chosen with `input`. */
export function takeFiles(input: HTMLInputElement, take: (file: File) => unknown): void {
  input.addEventListener("change", () => {
    const [file] = input.files!;
    if (file !== undefined) take(file);
    // The same file may be chosen again.
    input.value = "";
  });
  const over = (is: boolean): void => { document.body.classList.toggle("over", is); };
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    over(true);
  });
  addEventListener("dragleave", (event) => { if (event.relatedTarget === null) over(false); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    const [file] = event.dataTransfer?.files ?? [];
    if (file !== undefined) take(file);
  });
}

function showResult(name: string, found: Scored, { labels }: FormSignature): void {
  const { scored, rejected, unseen } = found;
  const state = byId("table-state")!;
  const rows = (count: number): string => `${digits.format(count)} ${count === 1 ? "row" : "rows"}`;
  state.textContent = `${name}: ${rows(scored + rejected.length)}: ${digits.format(scored)} scored, ${digits.format(rejected.length)} rejected.`;
  if (unseen) state.textContent += ` In ${rows(unseen)} a value is unlike the training data.`;
  if (found.dropped.length) state.textContent += ` Not kept, since the answers have these names: ${listed(found.dropped)}.`;
  announce(state.textContent);
  const stem = name.replace(/\.[^.]*$/, "");
  byId("table-result")!.replaceChildren(
    ...(scored ? [labels ? barsOf(found) : valuesOf(found)] : []),
    element(
      "p",
      { class: "downloads" },
      ...(scored ? [download(`${stem}.scores.csv`, found.content, "Download the answers")] : []),
      ...(rejected.length ? [download(`${stem}.rejects.csv`, rejectsOf(rejected), "Download the rejected rows")] : []),
    ),
    ...(rejected.length ? [rejectsList(found)] : []),
  );
}

/** How many rows got each label. */
function barsOf({ labels, scored }: Scored): HTMLElement {
  const shown = [...labels].sort(([, one], [, other]) => (labels.size <= FEW_LABELS ? 0 : other - one)).slice(0, FEW_LABELS);
  const lines = shown.map(([label, count]) => {
    const fill = element("div", { class: "fill" });
    fill.style.width = `${(100 * count) / scored}%`;
    return element("li", {}, element("span", {}, label), element("span", { class: "share" }, digits.format(count)), element("div", { class: "track", "aria-hidden": "true" }, fill));
  });
  const colours = byId("bars")!.classList.contains("coloured") ? " coloured" : "";
  return element("ol", { class: `bars${colours}`, "aria-label": "How many rows got each label" }, ...lines);
}

function valuesOf({ values }: Scored): HTMLElement {
  const [low, mean, high] = [values.low, values.mean, values.high].map((one) => digits.format(one));
  return element("p", {}, `Values from ${low} to ${high}, ${mean} on average.`);
}

function rejectsList({ rejected }: Scored): HTMLElement {
  const lines = rejected.slice(0, SHOWN).map(({ line, column, reason }) => element("li", {}, element("b", {}, `line ${line}`), `: ${column ? `${column}: ` : ""}${reason}`));
  if (rejected.length > SHOWN) lines.push(element("li", {}, `and ${digits.format(rejected.length - SHOWN)} more`));
  return element("ul", { class: "rejects", "aria-label": "Rejected rows" }, ...lines);
}

function download(name: string, parts: readonly string[], text: string): HTMLElement {
  const address = URL.createObjectURL(new Blob([...parts], { type: "text/csv" }));
  return element("a", { class: "button", href: address, download: name }, text);
}
