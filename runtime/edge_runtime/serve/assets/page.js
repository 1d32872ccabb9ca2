"use strict";

let model = null;

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

async function get(path, options) {
  // What browsers say of it differs, and helps nobody.
  const response = await fetch(path, options).catch(() => { throw new Error("the server cannot be reached"); });
  const content = await response.json();
  if (!response.ok) throw new Error(content.error ?? `the server answered ${response.status}`);
  return content;
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

const DATATYPES = { float: "FP32", double: "FP64", float16: "FP16", bool: "BOOL", string: "BYTES", bfloat16: "BF16" };

/** A request for tensors, to fill in. */
function tensorCall() {
  const inputs = model.inputs.map(({ name, type, shape }) => {
    const kind = elementOf(type), sizes = shape.map((size) => (typeof size === "number" ? size : 1));
    const count = sizes.reduce((a, b) => a * b, 1), zero = { bool: false, string: "" }[kind] ?? 0;
    const data = count <= 64 ? Array(count).fill(zero) : ["..."];
    return { name, shape: sizes, datatype: DATATYPES[kind] ?? kind.toUpperCase(), data };
  });
  return curl(`v2/models/${encodeURIComponent(model.name)}/infer`, { inputs });
}

const form = new RowForm(async (row) => {
  const { predict, signature } = model;
  byId("command").textContent = curl(predict.slice(1), row);
  const few = signature.labels && signature.labels.length > FEW_LABELS ? `?top=${TOP}` : "";
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(row) };
  return (await get(predict.slice(1) + few, options)).answers[0];
});

async function show(name) {
  model = await get(`models/${encodeURIComponent(name)}`);
  byId("problem").hidden = true;
  byId("title").textContent = model.name;
  document.title = `${model.name} · edge-serve`;
  form.show(model.signature, model.example);
  const hasRows = form.fields.length > 0;
  byId("tensors").hidden = hasRows;
  byId("call").hidden = byId("call-title").hidden = false;
  byId("call-title").textContent = hasRows ? "The same at the shell" : "A request at the shell";
  showVerified(model);
  if (hasRows) return;
  showTensors(model.inputs, model.outputs);
  byId("command").textContent = tensorCall();
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
