"use strict";

// Up to so many labels keep their order. Of more, only the most probable ones are shown.
const FEW_LABELS = 12, TOP = 10;
// Up to so many categories are in a list to choose from. More are suggested while one types.
const FEW_CATEGORIES = 40;
// More fields are smaller, and stand in more columns.
const MANY_FIELDS = 16;
const MISSING = "\u0000missing", OTHER = "\u0000other";

const byId = (id) => document.getElementById(id);
const percent = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });

let model = null, fields = [], asked = 0, timer = 0, speaking = 0;

/** An element with attributes and children. What is text stays text. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function share(probability) {
  if (probability === null) return "not a number";
  if (probability > 0 && probability < 0.0005) return "under 0.1%";
  if (probability < 1 && probability >= 0.9995) return "over 99.9%";
  return percent.format(probability);
}

const plainNumber = (number) => String(Number(number.toPrecision(6)));
const shortNumber = (number) => (Number.isInteger(number) ? String(number) : String(Number(number.toPrecision(4))));

/** A date in seconds since 1970, as 2025-12-31 or 2025-12-31 14:30:00. */
function dateText(seconds) {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return String(seconds);
  const [day, time] = date.toISOString().slice(0, -5).split("T");
  return time === "00:00:00" ? day : `${day} ${time}`;
}

/** What training saw of a feature, in a line. */
function hint({ kind, minimum, maximum, missing }) {
  const absent = missing ? `${missing < 0.01 ? "under 1" : Math.round(missing * 100)}% missing` : "";
  if (minimum === undefined || maximum === undefined) {
    return missing === undefined ? "" : `${absent || "Never missing"} in training`;
  }
  const shown = kind === "date" ? dateText : shortNumber;
  const range = minimum === maximum ? `Always ${shown(minimum)}` : `${shown(minimum)} to ${shown(maximum)}`;
  return `${range} in training${absent && `, ${absent}`}`;
}

/** The field of a feature. `value()` gives what is sent; `set(value)` shows a value. */
class Field {
  constructor(feature, number) {
    this.feature = feature;
    this.id = `field-${number}`;
    this.hint = element("p", { class: "hint", id: `${this.id}-hint` }, hint(feature));
    this.warning = element("p", { class: "warning", id: `${this.id}-warning`, hidden: true });
    this.described = `${this.id}-hint ${this.id}-warning`;
    const codes = typeof feature.categories?.[0] === "number";
    const decimal = feature.notation && (feature.notation.decimal ?? ".");
    this.asNumber = decimal ? (text) => inNotation(text, decimal) : asNumber;
    this.shown = (number) => (decimal ? plainNumber(number).replace(".", decimal) : plainNumber(number));
    this.isNumber = feature.kind === "numeric" || codes;
    this.parse = this.isNumber ? this.asNumber : (text) => text;
    if (feature.kind === "boolean") this.makeBoolean();
    else if (feature.kind === "categorical" && feature.categories.length <= FEW_CATEGORIES) this.makeList();
    else this.makeText();
    this.element.append(this.hint, this.warning);
  }

  get mayBeMissing() { return this.feature.missing !== undefined; }

  makeText() {
    const { name, minimum, maximum, categories } = this.feature;
    this.text = element("input", { type: "text", id: this.id, "aria-describedby": this.described, spellcheck: "false",
      inputmode: this.isNumber && minimum >= 0 ? "decimal" : undefined, list: categories ? `${this.id}-known` : undefined });
    const head = element("div", { class: "name" }, element("label", { for: this.id }, name));
    this.element = element("div", { class: "field" }, head, this.text);
    if (categories) {
      this.element.append(element("datalist", { id: `${this.id}-known` }, ...categories.map((one) => element("option", { value: one }))));
    }
    if (this.mayBeMissing) {
      this.absent = element("input", { type: "checkbox", id: `${this.id}-missing`, "aria-label": `${name} is missing` });
      head.append(element("label", { class: "missing" }, this.absent, "missing"));
      this.absent.addEventListener("change", () => this.showAbsent());
    }
    if (this.isNumber && minimum < maximum) {
      const step = 10 ** Math.floor(Math.log10((maximum - minimum) / 50));
      // The text field does the same for the keyboard and for screen readers.
      this.slider = element("input", { type: "range", min: minimum, max: maximum, step: "any", tabindex: "-1", "aria-hidden": "true" });
      this.element.append(this.slider);
      this.slider.addEventListener("input", () => {
        this.text.value = this.shown(Math.round(this.slider.value / step) * step);
      });
      this.text.addEventListener("input", () => this.showSlider());
      this.text.addEventListener("keydown", (event) => {
        const up = { ArrowUp: 1, ArrowDown: -1 }[event.key], now = this.asNumber(this.text.value);
        if (!up || typeof now !== "number") return;
        event.preventDefault();
        this.text.value = this.shown(now + up * step * (event.shiftKey ? 10 : 1));
        this.text.dispatchEvent(new Event("input", { bubbles: true }));
      });
    }
    this.value = () => (this.absent?.checked || (this.mayBeMissing && !this.text.value.trim()) ? null : this.parse(this.text.value));
    this.set = (value) => {
      this.text.value = value === null ? "" : typeof value === "number" ? this.shown(value) : value;
      if (this.absent) this.absent.checked = value === null;
      this.showAbsent();
      this.showSlider();
    };
  }

  showAbsent() {
    const isAbsent = Boolean(this.absent?.checked);
    this.text.disabled = isAbsent;
    if (this.slider) this.slider.disabled = isAbsent;
  }

  showSlider() {
    const now = this.asNumber(this.text.value);
    if (this.slider && typeof now === "number") this.slider.value = now;
  }

  makeList() {
    const { name, categories } = this.feature;
    // An option's value is its place, so that categories of any spelling differ from each other.
    this.list = element("select", { id: this.id, "aria-describedby": this.described },
      ...categories.map((one, place) => element("option", { value: place }, String(one))),
      ...(this.mayBeMissing ? [element("option", { value: MISSING }, "(missing)")] : []),
      element("option", { value: OTHER }, "(another value)"));
    this.text = element("input", { type: "text", "aria-label": `Another value of ${name}`, hidden: true, spellcheck: "false" });
    this.element = element("div", { class: "field" },
      element("div", { class: "name" }, element("label", { for: this.id }, name)), this.list, this.text);
    const show = () => { this.text.hidden = this.list.value !== OTHER; };
    this.list.addEventListener("change", () => { show(); if (!this.text.hidden) this.text.focus(); });
    this.value = () => {
      if (this.list.value === MISSING) return null;
      return this.list.value === OTHER ? this.parse(this.text.value) : categories[this.list.value];
    };
    this.set = (value) => {
      const place = categories.indexOf(value);
      this.list.value = value === null ? MISSING : place < 0 ? OTHER : place;
      this.text.value = place < 0 && value !== null ? value : "";
      show();
    };
  }

  makeBoolean() {
    const [no, yes] = this.feature.words ?? ["false", "true"];
    const choices = [[yes, true], [no, false], ...(this.mayBeMissing ? [["missing", null]] : [])];
    const inputs = choices.map(([, value]) => element("input", { type: "radio", name: this.id, value: String(value) }));
    this.element = element("fieldset", { class: "field", "aria-describedby": this.described },
      element("legend", {}, this.feature.name),
      element("div", { class: "choices" }, ...choices.map(([word], place) => element("label", {}, inputs[place], word))));
    this.value = () => choices[inputs.findIndex((one) => one.checked)][1];
    this.set = (value) => { for (const one of inputs) one.checked = one.value === String(value); };
  }

  /** Show what is said of the value: that training never saw it, or that it is refused. */
  say(message, isError) {
    this.warning.textContent = message ?? "";
    this.warning.hidden = !message;
    this.text?.setAttribute("aria-invalid", String(Boolean(isError)));
  }
}

/** The number in a text, with a decimal point or comma; the text itself if it is none, for the server to refuse. */
function asNumber(text) {
  // Nobody can say whether 1,250 has a decimal comma.
  const plain = /^\s*[+-]?[1-9]\d{0,2},\d{3}\s*$/.test(text) ? text : text.trim().replace(/^([^.,]*),([^.,]*)$/, "$1.$2");
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) && Number.isFinite(Number(plain)) ? Number(plain) : text;
}

/** A number with the decimal mark of its column. What else is in its notation, such as a unit, is for the server to read. */
function inNotation(text, decimal) {
  const [whole, rest, more] = text.trim().split(decimal);
  const isPlain = more === undefined && /^[+-]?\d+$/.test(whole) && /^\d*$/.test(rest ?? "");
  return isPlain ? Number(`${whole}.${rest ?? ""}`) : text;
}

/** JSON in one line, with spaces as people write it. */
function spaced(value) {
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${spaced(one)}`).join(", ")}}`;
}

function curl(path, body) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const url = new URL(path, document.baseURI).href;
  return `curl ${/^[\w:/.%~-]+$/.test(url) ? url : quoted(url)} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quoted(spaced(body))}`;
}

const row = () => Object.fromEntries(fields.map((field) => [field.feature.name, field.value()]));

async function get(path, options) {
  // What browsers say of it differs, and helps nobody.
  const response = await fetch(path, options).catch(() => { throw new Error("the server cannot be reached"); });
  const content = await response.json();
  if (!response.ok) throw new Error(content.error ?? `the server answered ${response.status}`);
  return content;
}

/** Answer what the form holds now; older answers that come later are dropped. */
async function ask() {
  const number = ++asked, body = row(), of = model;
  byId("command").textContent = curl(of.predict.slice(1), body);
  byId("answer").classList.add("old");
  try {
    const few = of.signature.labels && of.signature.labels.length > FEW_LABELS ? `?top=${TOP}` : "";
    const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    const { answers } = await get(of.predict.slice(1) + few, options);
    if (number === asked) showAnswer(answers[0]);
  } catch (error) {
    if (number === asked) showError(error.message);
  }
  if (number === asked) byId("answer").classList.remove("old");
}

function showAnswer(answer) {
  const labels = model.signature.labels, names = Object.keys(answer.unseen);
  // A column may be called "constructor", which every object has.
  const said = new Map(Object.entries(answer.unseen));
  for (const field of fields) field.say(said.get(field.feature.name));
  const shown = labels ? String(answer.label) : answer.value === null ? "not a number" : digits.format(answer.value);
  const many = names.length === 1 ? `${names[0]} is` : `${names.length} values are`;
  showHead(shown, labels ? `with a probability of ${share(answer.probability)}` : "in the unit of the training target", "");
  byId("unseen").textContent = names.length ? `${many} unlike the training data, so this may be a guess.` : "";
  byId("unseen").hidden = !names.length;
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

const place = (labels, name) => labels.findIndex((label) => String(label) === name);

function showHead(text, note, kind) {
  byId("label").textContent = text;
  byId("label").className = `label ${kind}`;
  byId("note").textContent = note;
}

function showError(message) {
  const about = fields.filter((one) => message.startsWith(`${one.feature.name}: `))
    .sort((a, b) => b.feature.name.length - a.feature.name.length)[0];
  for (const field of fields) {
    field.say(field === about ? message.slice(field.feature.name.length + 2) : null, field === about);
  }
  showHead("No answer", message, "none");
  byId("bars").replaceChildren();
  byId("unseen").hidden = byId("glance").hidden = true;
  announce(`No answer: ${message}`);
}

/** Say it to a screen reader once values rest, and not at each of many changes. */
function announce(text) {
  clearTimeout(speaking);
  speaking = setTimeout(() => { byId("announcement").textContent = text; }, 500);
}

function about(signature) {
  if (!signature) return "An ONNX file without a signature: it takes and returns tensors by name.";
  const { labels, task } = signature;
  const of = fields.length ? `from ${fields.length} column${fields.length === 1 ? "" : "s"}` : "from tensors";
  if (task === "regression") return `Predicts a number ${of}.`;
  const names = `${labels.slice(0, -1).join(", ")} or ${labels.at(-1)}`;
  return `Predicts ${names.length <= 80 ? names : `one of ${labels.length} labels`} ${of}.`;
}

function rule(signature) {
  const { labels, task, threshold } = signature;
  if (task === "binary_classification") return `${labels[1]} if its probability is above ${threshold}, else ${labels[0]}.`;
  return labels && labels.length > FEW_LABELS ? `The ${TOP} most probable of ${labels.length} labels.` : "";
}

/** The footer: how the file was verified. */
function showVerified({ certificate, certificate_problem: problem, verified, provider }) {
  const foot = byId("verified");
  foot.className = certificate && verified ? "good" : "";
  if (!certificate) {
    const why = problem ? `Its certificate cannot be read: ${problem}.` : "The file has no certificate.";
    foot.replaceChildren(element("b", {}, "Not verified."), ` ${why} It runs on ${provider}.`);
    return;
  }
  const rows = digits.format(certificate.reference.reduce((sum, batch) => sum + batch.rows, 0));
  const torch = certificate.versions.torch ? `torch ${certificate.versions.torch}` : "torch";
  const here = verified ? `, and ${rows} reference rows were replayed on this machine` : ". It was not replayed here";
  foot.replaceChildren(element("b", {}, verified ? "Verified" : "Verified at export"),
    ` against ${torch}${here}. ${certificate.precision}, ${provider}, SHA-256 ${certificate.content_sha256.slice(0, 12)}…`);
}

const elementOf = (type) => type.replace(/^tensor\((.*)\)$/, "$1");
const DATATYPES = { float: "FP32", double: "FP64", float16: "FP16", bool: "BOOL", string: "BYTES", bfloat16: "BF16" };

/** A model of tensors: its inputs and outputs, and a request to fill in. */
function showTensors() {
  const line = (kind) => (spec) => element("tr", {}, element("th", { scope: "row" }, kind), element("td", {}, spec.name),
    element("td", {}, elementOf(spec.type)), element("td", {}, `[${spec.shape.map((size) => size ?? "?").join(", ")}]`));
  byId("specs").replaceChildren(...model.inputs.map(line("input")), ...model.outputs.map(line("output")));
  const inputs = model.inputs.map(({ name, type, shape }) => {
    const kind = elementOf(type), sizes = shape.map((size) => (typeof size === "number" ? size : 1));
    const count = sizes.reduce((a, b) => a * b, 1), zero = { bool: false, string: "" }[kind] ?? 0;
    const data = count <= 64 ? Array(count).fill(zero) : ["..."];
    return { name, shape: sizes, datatype: DATATYPES[kind] ?? kind.toUpperCase(), data };
  });
  byId("command").textContent = curl(`v2/models/${encodeURIComponent(model.name)}/infer`, { inputs });
}

async function show(name) {
  const found = await get(`models/${encodeURIComponent(name)}`);
  model = found;
  byId("problem").hidden = true;
  const { signature } = found;
  const features = Object.fromEntries((signature?.inputs ?? []).flatMap((one) => one.features ?? []).map((one) => [one.name, one]));
  fields = (signature?.columns ?? Object.keys(features)).map((one, number) => new Field(features[one], number));
  byId("title").textContent = found.name;
  document.title = `${found.name} · edge-serve`;
  byId("about").textContent = about(signature);
  byId("fields").replaceChildren(...fields.map((field) => field.element));
  byId("fields").classList.toggle("many", fields.length > MANY_FIELDS);
  byId("rows").hidden = !fields.length;
  byId("tensors").hidden = fields.length > 0;
  byId("call").hidden = byId("call-title").hidden = false;
  byId("call-title").textContent = fields.length ? "The same at the shell" : "A request at the shell";
  byId("glance").hidden = true;
  showVerified(found);
  asked += 1;
  if (!fields.length) return showTensors();
  byId("rule").textContent = rule(signature);
  for (const field of fields) field.set(found.example[field.feature.name]);
  return ask();
}

function fail(error) {
  byId("problem").textContent = `This model cannot be shown: ${error.message}.`;
  byId("problem").hidden = false;
}

function chosen() {
  const options = [...byId("model").options];
  let name = "";
  try {
    name = decodeURIComponent(location.hash.slice(1));
  } catch {
    // Not the name of a model.
  }
  return options.some((one) => one.value === name) ? name : options[0]?.value;
}

async function start() {
  const { models } = await get("models");
  byId("model").append(...models.map(({ name }) => element("option", { value: name }, name)));
  byId("choice").hidden = models.length < 2;
  byId("model").addEventListener("change", () => { location.hash = encodeURIComponent(byId("model").value); });
  const turn = () => { byId("model").value = chosen(); show(chosen()).catch(fail); };
  addEventListener("hashchange", () => { if (location.hash !== "#answer") turn(); });
  const changed = () => { clearTimeout(timer); timer = setTimeout(ask, 60); };
  byId("row").addEventListener("input", changed);
  byId("row").addEventListener("change", changed);
  byId("row").addEventListener("submit", (event) => { event.preventDefault(); ask(); });
  byId("reset").addEventListener("click", () => {
    for (const field of fields) field.set(model.example[field.feature.name]);
    ask();
  });
  byId("glance").addEventListener("click", (event) => {
    event.preventDefault();
    byId("answer").scrollIntoView();
    byId("answer").focus({ preventScroll: true });
  });
  byId("copy").addEventListener("click", copy);
  turn();
}

async function copy() {
  try {
    await navigator.clipboard.writeText(byId("command").textContent);
  } catch {
    // The clipboard is for pages of https and of this machine.
    getSelection().selectAllChildren(byId("command"));
    document.execCommand("copy");
  }
  byId("copy").textContent = "Copied";
  announce("Copied");
  setTimeout(() => { byId("copy").textContent = "Copy"; }, 1500);
}

start().catch(fail);
