"use strict";

// The form for a row, and the answer to it. The page of edge-serve has it, and so have those of edge-export.

// Up to so many labels keep their order. Of more, only the most probable ones are shown.
const FEW_LABELS = 12, TOP = 10;
// More fields are smaller, and stand in more columns.
const MANY_FIELDS = 16;

const percent = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });

let speaking = 0;

function share(probability) {
  if (probability === null) return "not a number";
  if (probability > 0 && probability < 0.0005) return "under 0.1%";
  if (probability < 1 && probability >= 0.9995) return "over 99.9%";
  return percent.format(probability);
}

/** The form for a row, and what is answered to it. */
class RowForm {
  /**
   * `answer(row)` promises the answer to a row, as edge-serve sends it; of many labels, the most probable ones do.
   *
   * @param {(row: Record<string, any>) => Promise<any>} answer
   */
  constructor(answer) {
    this.answer = answer;
    this.fields = [];
    this.asked = 0;
    let timer = 0;
    const changed = () => { clearTimeout(timer); timer = setTimeout(() => this.ask(), 60); };
    byId("row").addEventListener("input", changed);
    byId("row").addEventListener("change", changed);
    byId("row").addEventListener("submit", (event) => { event.preventDefault(); this.ask(); });
    byId("reset").addEventListener("click", () => { this.set(this.example); this.ask(); });
    byId("glance").addEventListener("click", (event) => {
      event.preventDefault();
      byId("answer").scrollIntoView();
      byId("answer").focus({ preventScroll: true });
    });
  }

  /** Show the fields of a model, which has none if it takes tensors; with typical values, and the answer to them. */
  show(signature, example) {
    const features = Object.fromEntries((signature?.inputs ?? []).flatMap((one) => one.features ?? []).map((one) => [one.name, one]));
    this.signature = signature;
    this.example = example;
    this.fields = (signature?.columns ?? Object.keys(features)).map((one, number) => new Field(features[one], number));
    this.asked += 1;
    byId("about").textContent = about(signature, this.fields.length);
    byId("fields").replaceChildren(...this.fields.map((field) => field.element));
    byId("fields").classList.toggle("many", this.fields.length > MANY_FIELDS);
    byId("rows").hidden = !this.fields.length;
    byId("glance").hidden = true;
    if (!this.fields.length) return;
    byId("rule").textContent = rule(signature);
    this.set(example);
    this.ask();
  }

  /** The values that the fields have now, by the names of the columns. */
  get row() { return Object.fromEntries(this.fields.map((field) => [field.feature.name, field.value()])); }

  /** Show these values, of some of the columns or of all. */
  set(values) {
    for (const field of this.fields) if (Object.hasOwn(values, field.feature.name)) field.set(values[field.feature.name]);
  }

  /** Answer what the form holds now; older answers that come later are dropped. */
  async ask() {
    const number = ++this.asked;
    byId("answer").classList.add("old");
    try {
      const answer = await this.answer(this.row);
      if (number === this.asked) this.showAnswer(answer);
    } catch (error) {
      if (number === this.asked) this.showError(error.message);
    }
    if (number === this.asked) byId("answer").classList.remove("old");
  }

  showAnswer(answer) {
    const names = Object.keys(answer.unseen);
    // A column may be called "constructor", which every object has.
    const said = new Map(Object.entries(answer.unseen));
    for (const field of this.fields) field.say(said.get(field.feature.name));
    const many = names.length === 1 ? `${names[0]} is` : `${names.length} values are`;
    byId("unseen").textContent = names.length ? `${many} unlike the training data, so this may be a guess.` : "";
    byId("unseen").hidden = !names.length;
    showAnswer(answer, this.signature);
  }

  showError(message) {
    const about = this.fields.filter((one) => message.startsWith(`${one.feature.name}: `))
      .sort((a, b) => b.feature.name.length - a.feature.name.length)[0];
    for (const field of this.fields) {
      field.say(field === about ? message.slice(field.feature.name.length + 2) : null, field === about);
    }
    showNoAnswer("No answer", message);
    announce(`No answer: ${message}`);
  }
}

/**
 * The answer in large letters, its bars, and at a glance.
 *
 * @param {any} answer
 * @param {{ labels?: readonly any[] | undefined }} signature
 */
function showAnswer(answer, { labels }) {
  const shown = labels ? String(answer.label) : answer.value === null ? "not a number" : digits.format(answer.value);
  showHead(shown, labels ? `with a probability of ${share(answer.probability)}` : "in the unit of the training target", "");
  const probabilities = labels ? Object.entries(answer.probabilities) : [];
  // Few labels stay where they are while values change. JSON objects put names that are integers first.
  if (labels && labels.length <= FEW_LABELS) probabilities.sort(([a], [b]) => place(labels, a) - place(labels, b));
  else probabilities.sort(([, a], [, b]) => b - a);
  byId("bars").replaceChildren(...probabilities.map(([name, probability]) => {
    const fill = element("div", { class: "fill" });
    fill.style.width = `${100 * (probability ?? 0)}%`;
    return element("li", { class: name === String(answer.label) ? "predicted" : "" }, element("span", {}, name),
      element("span", { class: "share" }, share(probability)), element("div", { class: "track", "aria-hidden": "true" }, fill));
  }));
  byId("glance").replaceChildren(element("span", {}, shown), element("span", { class: "share" }, labels ? share(answer.probability) : ""));
  byId("glance").hidden = false;
  announce(`${shown}${labels ? `, ${share(answer.probability)}` : ""}. ${byId("unseen").textContent}`);
}

/** What stands in the place of an answer. */
function showNoAnswer(text, note) {
  showHead(text, note, "none");
  byId("bars").replaceChildren();
  byId("unseen").hidden = byId("glance").hidden = true;
}

const place = (labels, name) => labels.findIndex((label) => String(label) === name);

function showHead(text, note, kind) {
  byId("label").textContent = text;
  byId("label").className = `label ${kind}`;
  byId("note").textContent = note;
}

/** Say it to a screen reader once values rest, and not at each of many changes. */
function announce(text) {
  clearTimeout(speaking);
  speaking = setTimeout(() => { byId("announcement").textContent = text; }, 500);
}

/** What a model does, in a line; `columns` is how many it takes, none if it takes tensors. */
function about(signature, columns) {
  if (!signature) return "An ONNX file without a signature: it takes and returns tensors by name.";
  const { labels, task } = signature;
  const of = columns ? `from ${columns} column${columns === 1 ? "" : "s"}` : "from tensors";
  if (task === "regression") return `Predicts a number ${of}.`;
  const names = `${labels.slice(0, -1).join(", ")} or ${labels.at(-1)}`;
  return `Predicts ${names.length <= 80 ? names : `one of ${labels.length} labels`} ${of}.`;
}

function rule(signature) {
  const { labels, task, threshold } = signature;
  if (task === "binary_classification") return `${labels[1]} if its probability is above ${threshold}, else ${labels[0]}.`;
  return labels && labels.length > FEW_LABELS ? `The ${TOP} most probable of ${labels.length} labels.` : "";
}

const elementOf = (type) => type.replace(/^tensor\((.*)\)$/, "$1");

/** A model of tensors: the names, types and shapes of its inputs and outputs. */
function showTensors(inputs, outputs) {
  const line = (kind) => (spec) => element("tr", {}, element("th", { scope: "row" }, kind), element("td", {}, spec.name),
    element("td", {}, elementOf(spec.type)), element("td", {}, `[${spec.shape.map((size) => size ?? "?").join(", ")}]`));
  byId("specs").replaceChildren(...inputs.map(line("input")), ...outputs.map(line("output")));
}
