"use strict";
// Everything that comes from the server is put in as text: no markup is ever made of it.

const prefix = "/predict/";
const token = document.getElementById("token");
const main = document.getElementById("main");
const menu = document.getElementById("menu");
let spec = null;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") made.addEventListener("click", value);
    else if (value !== false) made.setAttribute(key, value);
  }
  made.append(...children.flat());
  return made;
}

function headers(more = {}) {
  return token.value ? { ...more, authorization: `Bearer ${token.value}` } : more;
}

function resolved(part) {
  if (!part || !part.$ref) return part;
  return part.$ref.slice(2).split("/").reduce((found, key) => found[key], spec);
}

async function read() {
  let answer;
  try {
    answer = await fetch("openapi.json", { headers: headers() });
  } catch (error) {
    return tell(`The server does not answer: ${error.message}`);
  }
  if (answer.status === 401 || answer.status === 403) {
    token.placeholder = "reconciler_…";
    return tell("This server asks for a token: put one in above, with the scope predict.");
  }
  if (!answer.ok) return tell(`The server answers with status ${answer.status}.`);
  spec = await answer.json();
  document.getElementById("server").textContent = `version ${spec.info.version}`;
  show();
}

function tell(text) {
  main.replaceChildren(element("p", { class: "notice bad" }, text));
}

function models() {
  return Object.keys(spec.paths)
    .filter((path) => path.startsWith(prefix) && !path.includes("{"))
    .map((path) => path.slice(prefix.length));
}

function show() {
  const names = models();
  const wanted = decodeURIComponent(location.hash.slice(1));
  const others = wanted === "/" || !names.length;
  const chosen = others ? "/" : names.includes(wanted) ? wanted : names[0];
  const entry = (key, label, apart) => element("li", { class: apart ? "apart" : "" },
    element("a", { href: `#${encodeURIComponent(key)}`, ...(key === chosen ? { "aria-current": "page" } : {}) }, label));
  menu.replaceChildren(...names.map((name) => entry(name, name)), entry("/", "All paths", true));
  const notice = names.length ? [] : [element("p", { class: "notice" }, "No model is served yet.")];
  main.replaceChildren(...notice, chosen === "/" ? paths() : model(chosen));
}

function model(name) {
  const post = spec.paths[prefix + name].post;
  const media = post.requestBody.content["application/json"];
  const row = spec.components.schemas[`row.${name}`];
  const one = spec.paths[`${prefix}${name}/versions/{version}`];
  const versions = resolved(one.post.parameters[0]).schema.enum;
  const badges = versions.map((version, place) =>
    element("span", { class: "badge" }, `version ${version}${place ? ", challenger" : ""}`));
  return element("section", {},
    element("h2", {}, name, " ", ...badges.flatMap((badge) => [badge, " "])),
    element("p", { class: "quiet" }, "POST ", element("code", {}, prefix + name),
      ` · up to ${post["x-max-rows"].toLocaleString("en")} rows and ${size(post["x-max-body"])} a request`),
    element("h3", {}, "Try it"),
    trial(name, media.example),
    element("h3", {}, `Fields (${Object.keys(row.properties).length})`),
    fields(row),
    element("h3", {}, "Answers"),
    answers(name));
}

function size(bytes) {
  return bytes >= 1 << 20 ? `${+(bytes / (1 << 20)).toFixed(1)} MiB` : `${Math.ceil(bytes / 1024)} KiB`;
}

function trial(name, example) {
  const text = JSON.stringify(example, null, 2);
  const given = element("textarea", { spellcheck: "false", "aria-label": "The row as JSON" });
  given.value = text;
  given.rows = Math.min(text.split("\n").length, 14);
  const out = element("div", { class: "answer", role: "status" });
  const send = element("button", { class: "main", type: "button" }, "Send");
  send.addEventListener("click", () => ask(name, given.value, send, out));
  const again = element("button", { type: "button", onclick: () => { given.value = text; } }, "Example again");
  const copy = element("button", { type: "button" }, "Copy as curl");
  copy.addEventListener("click", async () => {
    const done = await copied(curl(name, given.value));
    copy.textContent = done ? "Copied" : "Not allowed here";
    setTimeout(() => { copy.textContent = "Copy as curl"; }, 1500);
  });
  return element("div", {}, given, element("div", { class: "acts" }, send, again, copy), out);
}

function curl(name, body) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const allowed = token.value ? " -H \"Authorization: Bearer $TOKEN\"" : "";
  const url = new URL(`predict/${name}`, document.baseURI).href;
  let row = body;
  try { row = JSON.stringify(JSON.parse(body)); } catch { /* as it stands */ }
  return `curl${allowed} --json ${quoted(row)} ${quoted(url)}`;
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

async function ask(name, body, send, out) {
  send.disabled = true;
  const began = performance.now();
  try {
    const answer = await fetch(`predict/${name}`, {
      method: "POST", body, headers: headers({ "content-type": "application/json" }),
    });
    const text = await answer.text();
    const took = `status ${answer.status} · ${(performance.now() - began).toFixed(1)} ms in the browser`;
    out.replaceChildren(...shown(answer.ok, text), element("span", { class: "quiet" }, took));
  } catch (error) {
    out.replaceChildren(element("p", { class: "notice bad" }, `No answer: ${error.message}`));
  } finally {
    send.disabled = false;
  }
}

function shown(good, text) {
  let value;
  try { value = JSON.parse(text); } catch { return [element("pre", {}, text)]; }
  const raw = element("pre", {}, JSON.stringify(value, null, 2));
  if (good && value.predictions.length === 1) return [...prediction(value.predictions[0]), raw];
  if (good || !value.problems) return [raw];
  return [problems(value.problems), raw];
}

function prediction(found) {
  const said = element("div", { class: "said" }, String(found.prediction));
  if (!found.probabilities) return [said];
  const shares = Object.entries(found.probabilities).sort((one, two) => two[1] - one[1]).slice(0, 10);
  const cells = shares.flatMap(([name, share]) => [
    element("span", {}, name),
    element("progress", { max: 1, value: share ?? 0, "aria-label": name }),
    element("span", { class: "number" }, share === null ? "none" : share.toFixed(4)),
  ]);
  return [said, element("div", { class: "shares" }, cells)];
}

function problems(listed) {
  return table(["row", "field", "found", "wanted"], listed.map((problem) => [
    String(problem.row), element("code", {}, problem.field), element("code", {}, problem.found), problem.wanted,
  ]));
}

function fields(row) {
  return table(["field", "takes", "may be missing"], Object.entries(row.properties).map(([name, schema]) => [
    element("code", {}, name), takes(schema), row.required.includes(name) ? "no" : "yes, or null",
  ]));
}

function takes(schema) {
  const options = schema.anyOf ? schema.anyOf.filter((option) => option.type !== "null") : [schema];
  if (options.length === 1 && options[0].anyOf) return takes(options[0]);
  const listed = options.find((option) => option.enum);
  if (listed && options.length > 1) return `a category, such as ${listed.enum.slice(0, 12).map((one) => JSON.stringify(one)).join(", ")}`;
  if (options.length > 1) return "a category: any text";
  const [only] = options;
  if (only.enum) return "true or false";
  if (only.format === "date-time") return "a time in ISO 8601";
  return { number: "a number", integer: "a whole number", string: "a text" }[only.type] ?? only.type;
}

function answers(name) {
  const schema = spec.components.schemas[`answer.${name}`];
  const found = schema.properties.predictions.items.properties;
  const classes = found.prediction.enum;
  const what = classes ? `One of ${classes.map((one) => JSON.stringify(one)).join(", ")}` : "A number";
  const likely = found.probabilities ? ", with the probability of each" : "";
  return element("p", {}, `${what}${likely}. The version that has answered and an id come with it.`);
}

function paths() {
  const rows = Object.entries(spec.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => [
      element("span", { class: "way" }, method.toUpperCase()), element("code", {}, path), operation.summary,
    ]));
  return element("section", {},
    element("h2", {}, "All paths"),
    element("p", { class: "quiet" }, "For programs: ", element("a", { href: "openapi.json" }, "openapi.json")),
    table(["", "path", "what it tells"], rows));
}

function table(heads, rows) {
  return element("div", { class: "scroll" }, element("table", {},
    element("thead", {}, element("tr", {}, heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, rows.map((row) => element("tr", {}, row.map((cell) => element("td", {}, cell)))))));
}

addEventListener("hashchange", () => spec && show());
token.addEventListener("change", read);
read();
