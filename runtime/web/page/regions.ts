/** The decision regions of a model on the page: a picture that follows the form, and moves its row. */

import type { Feature, Predictor, Value } from "../src/index.js";
import { readValue } from "../src/values.js";
import type { FormSignature } from "./answers.js";
import { type Axis, axesOf, between, choose, type Grid, sample, ticks } from "./plane.js";

/** The picture waits until values rest for so many milliseconds. */
const REST = 120;
/** Labels beyond these share their colours. */
const COLOURS = 7;
const MOST_SHOWN = 10;
const MARGIN = { left: 68, right: 12, top: 12, bottom: 44 };

type Colour = [number, number, number];

/** The picture, its axes and its legend. */
export class Regions {
  private readonly canvas = byId("plane") as HTMLCanvasElement;
  private grid: Grid | undefined;
  private drawn = "";
  private image: { canvas: OffscreenCanvas; key: string } | undefined;
  private timer = 0;

  private constructor(
    private readonly predictor: Predictor,
    private readonly signature: FormSignature,
    private readonly form: RowForm,
    private readonly axes: readonly Axis[],
    private chosen: [Axis, Axis],
  ) {}

  /** The picture, if there are two features to draw it for. */
  static async of(predictor: Predictor, signature: FormSignature, form: RowForm, row: readonly Value[]): Promise<Regions | undefined> {
    const axes = axesOf(predictor);
    if (axes.length < 2) return undefined;
    const found = new Regions(predictor, signature, form, axes, await choose(predictor, axes, row));
    found.show();
    return found;
  }

  private show(): void {
    ["across", "up"].forEach((id, place) => {
      const list = byId(id) as HTMLSelectElement;
      list.append(...this.axes.map(({ feature }, at) => element("option", { value: at }, feature.name)));
      list.value = String(this.axes.indexOf(this.chosen[place]!));
      list.addEventListener("change", () => this.take(place, Number(list.value)));
    });
    byId("axes")!.hidden = this.axes.length === 2;
    byId("regions")!.hidden = false;
    byId("regions-title")!.textContent = this.signature.labels ? "Decision regions" : "The value over two columns";
    const others = this.form.fields.length > 2 ? "The other columns have the values of the form. " : "";
    byId("regions-about")!.textContent = `${others}Drag in the picture to change these two.`;
    // The bars have the colours of the picture.
    byId("bars")!.classList.toggle("coloured", (this.signature.labels?.length ?? Infinity) <= COLOURS);
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.image = undefined;
      this.draw();
    });
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.point(event);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (this.canvas.hasPointerCapture(event.pointerId)) this.point(event);
    });
  }

  /** Draw the plane of a row that the model takes, once values rest. */
  follow(row: readonly Value[]): void {
    clearTimeout(this.timer);
    this.draw();
    this.timer = setTimeout(() => void this.update(row), this.grid === undefined ? 0 : REST);
  }

  /** Take another feature for one of the axes; the two change places if it is on the other. */
  private take(place: number, at: number): void {
    const [before, other] = [this.chosen[place]!, this.chosen[1 - place]!];
    const axis = this.axes[at]!;
    const pair = axis === other ? [axis, before] : [axis, other];
    this.chosen = (place === 0 ? pair : [...pair].reverse()) as [Axis, Axis];
    ["across", "up"].forEach((id, one) => {
      (byId(id) as HTMLSelectElement).value = String(this.axes.indexOf(this.chosen[one]!));
    });
    void this.form.ask();
  }

  private async update(row: readonly Value[]): Promise<void> {
    const [across, up] = this.chosen;
    const { features } = this.predictor.signature!;
    const others = row.filter((_, place) => features[place] !== across.feature && features[place] !== up.feature);
    const key = JSON.stringify([across.feature.name, up.feature.name, others]);
    if (key !== this.drawn) {
      const grid = await sample(this.predictor, across, up, row);
      // Another one may have been begun meanwhile.
      if (this.chosen[0] !== across || this.chosen[1] !== up) return;
      [this.grid, this.drawn, this.image] = [grid, key, undefined];
    }
    this.draw();
  }

  /** Move the row to where the pointer is. */
  private point(event: PointerEvent): void {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const x = (event.clientX - left - MARGIN.left) / (width - MARGIN.left - MARGIN.right);
    const y = 1 - (event.clientY - top - MARGIN.top) / (height - MARGIN.top - MARGIN.bottom);
    const values = this.chosen.map(({ feature, low, high }, place) => {
      const number = low + (high - low) * Math.min(1, Math.max(0, [x, y][place]!));
      const step = 10 ** Math.floor(Math.log10((high - low) / 200));
      return [feature.name, feature.kind === "date" ? dateText(Math.round(number / 86400) * 86400) : Number((Math.round(number / step) * step).toPrecision(6))];
    });
    this.form.set(Object.fromEntries(values));
    void this.form.ask();
  }

  private draw(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (this.grid === undefined || !width) return;
    const ratio = devicePixelRatio || 1;
    Object.assign(this.canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    const context = this.canvas.getContext("2d")!;
    context.scale(ratio, ratio);
    const style = getComputedStyle(this.canvas);
    const box = { x: MARGIN.left, y: MARGIN.top, width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
    // A window may be too narrow for a picture.
    if (Math.min(box.width, box.height) < 2) return;
    const key = `${box.width} ${box.height} ${ratio}`;
    if (this.image?.key !== key) this.image = { canvas: this.picture(style, Math.round(box.width * ratio), Math.round(box.height * ratio), Math.round(ratio)), key };
    context.drawImage(this.image.canvas, box.x, box.y, box.width, box.height);
    this.drawAxes(context, style, box);
    this.mark(context, style, box);
  }

  /** The colour of each point, and a line where the label changes. */
  private picture(style: CSSStyleDeclaration, width: number, height: number, stroke: number): OffscreenCanvas {
    const { signature, grid } = this;
    const paint = signature.labels ? this.labelPaint(style) : this.valuePaint(style);
    const image = new ImageData(width, height);
    const places = new Int32Array(width * height);
    const numbers = new Float32Array(grid!.width);
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const at = y * width + x;
        between(grid!, x / (width - 1), 1 - y / (height - 1), numbers);
        places[at] = signature.labels ? predicted(signature, numbers) : 0;
        image.data.set([...paint(numbers, places[at]!), 255], 4 * at);
      }
    }
    this.showLegend(style, new Set(places));
    const line = colourOf(style, "--text");
    for (let at = 0; at < places.length - stroke * width; at += 1) {
      const isInside = at % width < width - stroke;
      if (!isInside || (places[at] === places[at + stroke] && places[at] === places[at + stroke * width])) continue;
      image.data.set(mixed(line, [...image.data.subarray(4 * at, 4 * at + 3)] as Colour, 0.35), 4 * at);
    }
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d")!.putImageData(image, 0, 0);
    return canvas;
  }

  /** The label's colour, the stronger the more probable it is. */
  private labelPaint(style: CSSStyleDeclaration): (numbers: Float32Array, place: number) => Colour {
    const ground = colourOf(style, "--card");
    const count = this.signature.labels!.length;
    const colours = this.signature.labels!.map((_, place) => colourOf(style, `--label-${place % COLOURS}`));
    return (numbers, place) => {
      const certain = Math.max(0, (numbers[place]! - 1 / count) / (1 - 1 / count)) || 0;
      return mixed(ground, colours[place]!, 0.22 + 0.6 * certain);
    };
  }

  private valuePaint(style: CSSStyleDeclaration): (numbers: Float32Array) => Colour {
    const [ground, colour] = [colourOf(style, "--card"), colourOf(style, "--label-0")];
    const [low, high] = this.extent();
    return (numbers) => mixed(ground, colour, 0.08 + 0.87 * (high > low ? (numbers[0]! - low) / (high - low) : 0.5));
  }

  private extent(): [number, number] {
    const finite = this.grid!.numbers.filter(Number.isFinite);
    return finite.length ? [finite.reduce((a, b) => Math.min(a, b)), finite.reduce((a, b) => Math.max(a, b))] : [0, 0];
  }

  private showLegend(style: CSSStyleDeclaration, present: ReadonlySet<number>): void {
    const { labels } = this.signature;
    if (labels === undefined) {
      const [low, high] = this.extent();
      const bar = element("span", { class: "ramp", "aria-hidden": true });
      byId("legend")!.replaceChildren(element("li", {}, digits.format(low), bar, digits.format(high)));
      return;
    }
    const shown = labels.length <= MOST_SHOWN ? labels.map((_, place) => place) : [...present].sort((a, b) => a - b).slice(0, MOST_SHOWN);
    byId("legend")!.replaceChildren(
      ...shown.map((place) => {
        const swatch = element("span", { class: "swatch", "aria-hidden": true });
        swatch.style.background = style.getPropertyValue(`--label-${place % COLOURS}`);
        return element("li", {}, swatch, String(labels[place]));
      }),
    );
  }

  private drawAxes(context: CanvasRenderingContext2D, style: CSSStyleDeclaration, box: Box): void {
    const [across, up] = this.chosen;
    context.strokeStyle = style.getPropertyValue("--edge");
    context.strokeRect(box.x + 0.5, box.y + 0.5, box.width - 1, box.height - 1);
    context.fillStyle = style.getPropertyValue("--quiet");
    context.font = `12px ${style.fontFamily}`;
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const [tick, text] of ticks(across, box.width / 80)) {
      context.fillText(text, box.x + (box.width * (tick - across.low)) / (across.high - across.low), box.y + box.height + 6);
    }
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const [tick, text] of ticks(up, box.height / 60)) {
      // Beside the name of the axis.
      context.fillText(text, box.x - 6, box.y + box.height - (box.height * (tick - up.low)) / (up.high - up.low), box.x - 26);
    }
    context.fillStyle = style.getPropertyValue("--text");
    context.font = `550 13px ${style.fontFamily}`;
    context.textAlign = "center";
    context.textBaseline = "alphabetic";
    context.fillText(across.feature.name, box.x + box.width / 2, box.y + box.height + 38, box.width);
    context.save();
    context.translate(13, box.y + box.height / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(up.feature.name, 0, 0, box.height);
    context.restore();
  }

  /** Where the row of the form is. */
  private mark(context: CanvasRenderingContext2D, style: CSSStyleDeclaration, box: Box): void {
    const [x, y] = this.chosen.map(({ feature, low, high }) => {
      return (numberOf(this.form.row[feature.name], feature) - low) / (high - low);
    }) as [number, number];
    const label = byId("label")!.textContent;
    const [across, up] = this.chosen.map(({ feature }) => feature.name);
    this.canvas.setAttribute("aria-label", `The answers for ${across} from left to right, and ${up} from below to above. The row of the form: ${label}.`);
    if (!(x >= 0 && x <= 1 && y >= 0 && y <= 1)) return;
    context.beginPath();
    context.arc(box.x + x * box.width, box.y + (1 - y) * box.height, 7, 0, 2 * Math.PI);
    context.fillStyle = style.getPropertyValue("--text");
    context.strokeStyle = style.getPropertyValue("--card");
    context.lineWidth = 3;
    context.fill();
    context.stroke();
  }
}

/** What the model reads in a field; NaN if it reads nothing. */
function numberOf(value: Value, feature: Feature): number {
  try {
    return Number(readValue(value, feature));
  } catch {
    return NaN;
  }
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A colour of the style, such as #5aa9dc or #fff. */
function colourOf(style: CSSStyleDeclaration, name: string): Colour {
  const text = style.getPropertyValue(name).trim().slice(1);
  const pairs = text.length === 3 ? [...text].map((one) => one + one) : text.match(/../g)!;
  return pairs.map((one) => parseInt(one, 16)) as Colour;
}

/** The place of the label that these probabilities give. */
function predicted({ task, threshold }: FormSignature, numbers: Float32Array): number {
  if (task === "binary_classification") return Number(numbers[1]! > threshold);
  return numbers.some(Number.isNaN) ? 0 : numbers.indexOf(numbers.reduce((one, other) => Math.max(one, other)));
}

const mixed = (one: Colour, other: Colour, part: number): Colour => one.map((channel, at) => channel + (other[at]! - channel) * part) as Colour;
