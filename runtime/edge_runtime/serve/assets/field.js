"use strict";

// The fields of a form for a row, one for each column. The page of edge-serve has it, and so have those of edge-export.

// Up to so many categories are in a list to choose from. More are suggested while one types.
const FEW_CATEGORIES = 40;
const MISSING = "\u0000missing", OTHER = "\u0000other";

const byId = (id) => document.getElementById(id);

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
      inputmode: this.isNumber && minimum >= 0 ? "decimal" : undefined, list: categories?.length ? `${this.id}-known` : undefined });
    const head = element("div", { class: "name" }, element("label", { for: this.id }, name));
    this.element = element("div", { class: "field" }, head, this.text);
    if (categories?.length) {
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

/** The number in a text, with a decimal point or comma; the text itself if it is none, for the model to refuse. */
function asNumber(text) {
  // Nobody can say whether 1,250 has a decimal comma.
  const plain = /^\s*[+-]?[1-9]\d{0,2},\d{3}\s*$/.test(text) ? text : text.trim().replace(/^([^.,]*),([^.,]*)$/, "$1.$2");
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) && Number.isFinite(Number(plain)) ? Number(plain) : text;
}

/** A number with the decimal mark of its column. What else is in its notation, such as a unit, is for the model to read. */
function inNotation(text, decimal) {
  const [whole, rest, more] = text.trim().split(decimal);
  const isPlain = more === undefined && /^[+-]?\d+$/.test(whole) && /^\d*$/.test(rest ?? "");
  return isPlain ? Number(`${whole}.${rest ?? ""}`) : text;
}
