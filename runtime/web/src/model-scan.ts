/** How many nodes a model would have once it is opened, counted before ONNX Runtime sees it. */

import { InvalidModel } from "./errors.js";
import { fields } from "./protobuf.js";

// As `edge_runtime.Limits` has it; and how many fields are looked at, names and weights among them.
const MOST_NODES = 200_000;
const MOST_FIELDS = 25 * MOST_NODES;
// How deep functions may call each other, as in ONNX Runtime.
const MOST_CALLS = 100;

// Numbers of fields in onnx.proto: of ModelProto, of GraphProto, of FunctionProto,
const [GRAPH, FUNCTIONS] = [7, 25];
const NODES_OF_GRAPH = 1;
const [NODES_OF_FUNCTION, DEFAULTS] = [7, 11];
// NodeProto and AttributeProto; and of what names a function: the domain, the name, and the overload.
const ATTRIBUTES = 5;
const [NAME_OF_FUNCTION, NAME_OF_OPERATOR] = [[10, 1, 13], [7, 4, 8]];
const [SUBGRAPH, SUBGRAPHS] = [6, 11];

/** A graph, or the body of a function: how many nodes it has, and which functions they call how often. */
interface Body {
  nodes: number;
  readonly calls: Map<string, number>;
}

/**
 * Refuse a model of more than 200,000 nodes, with those of subgraphs, and of a function in each place that calls it.
 *
 * @param model an ONNX file.
 * @throws InvalidModel, NotAMessage
 */
export function checkNodes(model: Uint8Array): void {
  new Scan().check(model);
}

class Scan {
  private fieldsLeft = MOST_FIELDS;
  private readonly functions = new Map<string, Body>();

  check(model: Uint8Array): void {
    const [graphs, functions]: [Uint8Array[], Uint8Array[]] = [[], []];
    for (const { number, content } of this.fields(model)) {
      if (number === GRAPH) graphs.push(content);
      else if (number === FUNCTIONS) functions.push(content);
    }
    const named = functions.map((one) => [this.name(one, ...NAME_OF_FUNCTION), one] as const);
    for (const [name] of named) this.functions.set(name, empty());
    for (const [name, one] of named) this.read([[one, NODES_OF_FUNCTION]], this.functions.get(name)!);
    const main = empty();
    this.read(graphs.map((one) => [one, NODES_OF_GRAPH]), main);
    const counts = this.expanded();
    let total = main.nodes;
    for (const [name, times] of main.calls) total += times * counts.get(name)!;
    const where = "with those of its functions in each place that calls them";
    if (total > MOST_NODES) throw beyond(`${shownCount(total)} nodes, ${where}`);
  }

  /** The fields of a message that have a length. */
  private *fields(message: Uint8Array): Generator<{ number: number; content: Uint8Array }> {
    for (const { number, content } of fields(message)) {
      this.fieldsLeft -= 1;
      if (this.fieldsLeft < 0) throw beyond(`more than ${shownCount(MOST_FIELDS)} names and other parts`);
      if (content !== undefined) yield { number, content };
    }
  }

  private name(message: Uint8Array, ...parts: readonly number[]): string {
    const found = new Map<number, string>();
    for (const { number, content } of this.fields(message)) {
      if (parts.includes(number)) found.set(number, String.fromCharCode(...content.subarray(0, 1000)));
    }
    const [domain, ...others] = parts.map((number) => found.get(number) ?? "");
    // ONNX's own domain has two names.
    return JSON.stringify([domain === "ai.onnx" ? "" : domain, ...others]);
  }

  /** Count the nodes of graphs or of a function, with those of all subgraphs. */
  private read(parts: readonly [Uint8Array, number][], body: Body): void {
    const left = [...parts];
    while (left.length > 0) {
      const [part, nodeField] = left.pop()!;
      for (const { number, content } of this.fields(part)) {
        if (number === DEFAULTS && nodeField === NODES_OF_FUNCTION) left.push(...this.subgraphs(content));
        if (number !== nodeField) continue;
        body.nodes += 1;
        if (body.nodes + left.length > MOST_NODES) throw beyond(`more than ${shownCount(MOST_NODES)} nodes`);
        const called = this.name(content, ...NAME_OF_OPERATOR);
        if (this.functions.has(called)) body.calls.set(called, (body.calls.get(called) ?? 0) + 1);
        for (const one of this.fields(content)) {
          if (one.number === ATTRIBUTES) left.push(...this.subgraphs(one.content));
        }
      }
    }
  }

  private subgraphs(attribute: Uint8Array): [Uint8Array, number][] {
    const found: [Uint8Array, number][] = [];
    for (const { number, content } of this.fields(attribute)) {
      if (number === SUBGRAPH || number === SUBGRAPHS) found.push([content, NODES_OF_GRAPH]);
    }
    return found;
  }

  /** How many nodes a call of each function is, itself and those of the functions that it calls. */
  private expanded(): Map<string, number> {
    const counts = new Map<string, number>();
    const path = new Set<string>();
    const count = (name: string): number => {
      const known = counts.get(name);
      if (known !== undefined) return known;
      if (path.has(name)) throw new InvalidModel("the model cannot be run: a function of it calls itself");
      if (path.size >= MOST_CALLS) {
        throw new InvalidModel(`the model cannot be run: its functions call each other more than ${MOST_CALLS} deep`);
      }
      path.add(name);
      let { nodes } = this.functions.get(name)!;
      for (const [called, times] of this.functions.get(name)!.calls) nodes += times * count(called);
      path.delete(name);
      counts.set(name, nodes);
      return nodes;
    };
    for (const name of this.functions.keys()) count(name);
    return counts;
  }
}

const shownCount = (count: number): string => count.toLocaleString("en-US");

const empty = (): Body => ({ nodes: 0, calls: new Map() });

const beyond = (found: string): InvalidModel =>
  new InvalidModel(`the model has ${found}; the limit is ${shownCount(MOST_NODES)}`);
