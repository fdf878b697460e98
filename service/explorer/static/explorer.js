// @ts-check
"use strict";
// The explorer's script. The page works without it; with it, limits move the answer in place, marks are drawn, and a
// config opens beside the list. Everything shown is put in place as text or as HTML that the service escaped.

/** @typedef {{model: string, how: string, href: string, rank?: number, basis?: string, reason?: string} & Record<string, number[] | null | any>} Mark */
/** @typedef {{x: string, y: string, axes: Record<string, string>, marks: Mark[]}} Chart */

const LESS_IS_BETTER = new Set(["memory", "latency", "ttft"]);
const LOGARITHMIC = new Set(["decode", "latency", "ttft", "prefill"]);
const WAIT_MS = 150;
/** @type {any} */
const Plot = /** @type {any} */ (window).Plot;

/** @param {string} id @returns {any} */
const at = (id) => document.getElementById(id);
/** @param {string} name */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
/** @param {number} x */
const short = (x) => Number(x.toPrecision(3)).toLocaleString("en");

/** @param {string} id */
function data(id) {
  const holder = at(id);
  return holder ? JSON.parse(holder.textContent) : null;
}

/** Draw one chart into a figure, over whatever was drawn there before. @param {any} figure @param {any} options */
function draw(figure, options) {
  const width = Math.max(figure.clientWidth - 16, 260);
  const chart = Plot.plot({ className: "drawn", width, marginLeft: 48, marginBottom: 40, ...options });
  chart.querySelectorAll("g[aria-label]").forEach((/** @type {Element} */ group) => group.removeAttribute("aria-label"));
  figure.querySelectorAll(".drawn, .waiting").forEach((/** @type {Element} */ old) => old.remove());
  figure.append(chart);
  return chart;
}

/** The marks no other beats on both axes, from left to right. @param {Mark[]} marks @param {string} x @param {string} y */
function front(marks, x, y) {
  const sign = (/** @type {string} */ axis) => (LESS_IS_BETTER.has(axis) ? -1 : 1);
  const good = (/** @type {Mark} */ m, /** @type {string} */ axis) => sign(axis) * m[axis][0];
  const sorted = [...marks].sort((a, b) => good(b, x) - good(a, x) || good(b, y) - good(a, y));
  let best = -Infinity;
  return sorted.filter((m) => good(m, y) > best && ((best = good(m, y)), true));
}

/** @param {Mark} m @param {Chart} chart */
function told(m, chart) {
  const range = (/** @type {string} */ axis) => {
    const v = m[axis];
    if (!v) return `${chart.axes[axis]}: unknown`;
    return `${chart.axes[axis]}: ${short(v[0])}${v.length > 1 ? ` (${short(v[1])}–${short(v[2])})` : ""}`;
  };
  const state = m.reason ? `rejected: ${m.reason}` : m.basis === "measured" ? "measured" : "predicted";
  return `${m.model}, ${m.how}. ${range(chart.y)}; ${range(chart.x)}. ${state[0].toUpperCase()}${state.slice(1)}.`;
}

function drawResults() {
  const figure = at("chart");
  /** @type {Chart | null} */
  const chart = data("chart-data");
  if (!figure || !chart || !Plot) return;
  const { x, y } = chart;
  const placed = chart.marks.filter((m) => m[x] && m[y]);
  const good = placed.filter((m) => !m.reason);
  const out = placed.filter((m) => m.reason);
  const measured = good.filter((m) => m.basis === "measured");
  const predicted = good.filter((m) => m.basis !== "measured");
  const place = { x: (/** @type {Mark} */ m) => m[x][0], y: (/** @type {Mark} */ m) => m[y][0] };
  const linked = { href: "href", ariaLabel: (/** @type {Mark} */ m) => told(m, chart), ...place };
  const whiskers = (/** @type {string} */ axis) => good.filter((m) => m[axis].length > 1);
  const axis = (/** @type {string} */ name) => ({
    label: chart.axes[name],
    type: LOGARITHMIC.has(name) ? "log" : "linear",
    grid: true,
    nice: !LOGARITHMIC.has(name),
    tickFormat: LOGARITHMIC.has(name) ? "~s" : undefined,
    ticks: figure.clientWidth < 500 ? 4 : 7,
  });
  const best = front(good, x, y);
  const svg = draw(figure, {
    height: figure.clientWidth < 500 ? 340 : 430,
    x: axis(x),
    y: axis(y),
    ariaLabel: `${chart.axes[y]} over ${chart.axes[x]}: ${good.length} feasible configs and ${out.length} rejected ones`,
    marks: [
      Plot.ruleX(whiskers(y), { x: place.x, y1: (/** @type {Mark} */ m) => m[y][1], y2: (/** @type {Mark} */ m) => m[y][2], stroke: colour("--soft"), strokeOpacity: 0.35 }),
      Plot.ruleY(whiskers(x), { y: place.y, x1: (/** @type {Mark} */ m) => m[x][1], x2: (/** @type {Mark} */ m) => m[x][2], stroke: colour("--soft"), strokeOpacity: 0.35 }),
      Plot.line(best, { ...place, curve: LESS_IS_BETTER.has(x) === LESS_IS_BETTER.has(y) ? "step-after" : "step-before", stroke: colour("--front"), strokeWidth: 1.5, strokeOpacity: 0.8 }),
      Plot.dot(out, { ...linked, symbol: "times", r: 4, stroke: colour("--out"), strokeWidth: 1.5, strokeOpacity: 0.75 }),
      Plot.dot(predicted, { ...linked, symbol: "diamond2", r: 5, stroke: colour("--predicted"), fill: colour("--card"), strokeWidth: 1.75 }),
      Plot.dot(measured, { ...linked, symbol: "circle", r: 5, fill: colour("--measured"), stroke: colour("--card") }),
      Plot.text(best.filter((_, i) => i % Math.ceil(best.length / 5) === 0), { ...place, text: "model", dy: -12, fill: "currentColor", stroke: colour("--card"), strokeWidth: 4, textAnchor: "middle", lineWidth: 14, textOverflow: "ellipsis" }),
    ],
  });
  svg.setAttribute("role", "group");
  const missing = chart.marks.length - placed.length;
  at("undrawn").textContent = missing ? `${missing} of the listed configs have no place here: nobody published what their ${chart.axes[chart.marks.some((m) => !m[x]) ? x : y]} is.` : "";
  const links = [...svg.querySelectorAll("a")];
  const all = [...out, ...predicted, ...measured];
  links.forEach((link, i) => {
    link.setAttribute("data-panel", "");
    link.setAttribute("aria-label", told(all[i], chart));
    link.setAttribute("tabindex", i === links.length - 1 ? "0" : "-1");
    const read = () => (at("readout").textContent = told(all[i], chart));
    link.addEventListener("pointerenter", read);
    link.addEventListener("focus", read);
  });
  svg.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    const active = /** @type {any} */ (document.activeElement);
    if (!step || !links.includes(active)) return;
    event.preventDefault();
    const order = [...links].sort((a, b) => a.getBoundingClientRect().x - b.getBoundingClientRect().x);
    const next = order[(order.indexOf(active) + step + order.length) % order.length];
    links.forEach((link) => link.setAttribute("tabindex", link === next ? "0" : "-1"));
    next.focus();
  });
}

/** @param {any[]} rows @param {string} tone */
function banded(rows, tone) {
  return [
    Plot.areaY(rows, { x: "x", y1: "low", y2: "high", fill: tone, fillOpacity: 0.18 }),
    Plot.lineY(rows, { x: "x", y: "value", stroke: tone, strokeWidth: 2 }),
  ];
}

function drawConfig() {
  const found = data("config-data");
  if (!found || !Plot) return;
  const main = colour("--measured"), second = colour("--predicted"), soft = colour("--soft");
  const small = { height: 240, marginRight: 24 };
  const log = (/** @type {string} */ label) => ({ type: "log", label, tickFormat: "~s", ticks: 5 });
  const binary = (/** @type {number} */ n) => (n < 1024 ? String(n) : `${n / 1024}k`);
  draw(at("by-context"), {
    ...small, x: { ...log("tokens of context"), base: 2, tickFormat: binary }, y: { label: null, grid: true, zero: true, ticks: 5 },
    marks: [...banded(found.context, main), Plot.ruleX([found.now.context], { stroke: soft, strokeDasharray: "3 3" })],
    ariaLabel: "Decode speed along context",
  });
  draw(at("by-streams"), {
    ...small, x: { ...log("streams"), base: 2, tickFormat: binary }, y: { ...log(""), label: null, grid: true },
    marks: [
      ...banded(found.streams, main), ...banded(found.together, second),
      Plot.text(found.streams.slice(-1), { x: "x", y: "value", text: ["each"], dy: 12, fill: main, textAnchor: "end" }),
      Plot.text(found.together.slice(-1), { x: "x", y: "value", text: ["all"], dy: -10, fill: second, textAnchor: "end" }),
      Plot.ruleX([found.now.streams], { stroke: soft, strokeDasharray: "3 3" }),
    ],
    ariaLabel: "Decode speed along streams, of each and of all together",
  });
  const { bandwidth, peak, path, here } = found.roofline;
  const left = Math.min(here.intensity, path[0].intensity) / 4, right = Math.max((peak / bandwidth) * 8, here.intensity * 4);
  const roof = [left, peak / bandwidth, right].map((i) => ({ i, f: Math.min(i * bandwidth, peak) / 1e12 }));
  const teraflops = (/** @type {any} */ p) => p.flops / 1e12;
  draw(at("roofline"), {
    ...small, x: log("FLOP per byte read"), y: { ...log("TFLOP/s"), grid: true },
    marks: [
      Plot.line(roof, { x: "i", y: "f", stroke: soft, strokeWidth: 2 }),
      Plot.line(path, { x: "intensity", y: teraflops, stroke: main, strokeDasharray: "2 3" }),
      Plot.dot(path, { x: "intensity", y: teraflops, r: 2, fill: main }),
      Plot.dot([here], { x: "intensity", y: teraflops, r: 6, fill: main, stroke: colour("--card") }),
      Plot.text([roof[1]], { x: "i", y: "f", text: ["compute roof"], dy: -8, textAnchor: "start", fill: "currentColor" }),
    ],
    ariaLabel: "Roofline with this config",
  });
}

/** @param {string} address @returns {Promise<{ok: boolean, text: string}>} */
async function part(address) {
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    return { ok: answer.ok, text: await answer.text() };
  } catch {
    return { ok: false, text: '<div class="problem" role="alert"><h2>The service does not answer</h2><p>Try again in a moment.</p></div>' };
  }
}

/** The form's question, without what is empty or as it always is. @param {HTMLFormElement} form */
function asked(form) {
  const usual = new URLSearchParams(form.dataset.usual);
  const found = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value !== "" && value !== usual.get(name)) found.append(name, String(value));
  }
  return found.toString().replaceAll("%2F", "/").replaceAll("%2C", ",");
}

let turn = 0;
/** @param {HTMLFormElement} form @param {boolean} remember */
async function ask(form, remember = true) {
  const mine = ++turn, query = asked(form), results = at("results");
  if (remember) history.replaceState(null, "", query ? `/?${query}` : "/");
  results.setAttribute("aria-busy", "true");
  const { ok, text } = await part(`/explorer/results?${query}`);
  if (mine !== turn) return;
  results.removeAttribute("aria-busy");
  results.querySelectorAll(":scope > .problem").forEach((/** @type {Element} */ old) => old.remove());
  if (ok) {
    results.innerHTML = text;
    drawResults();
  } else results.insertAdjacentHTML("afterbegin", text);
}

/** Open a config beside the list. @param {string} href */
async function open(href) {
  const panel = at("panel"), from = /** @type {any} */ (document.activeElement);
  const { text } = await part(href.replace(/^.*\/config\?/, "/explorer/config?"));
  const close = document.createElement("button");
  close.type = "button"; close.className = "close"; close.textContent = "Close"; close.dataset.close = "";
  panel.innerHTML = text;
  panel.prepend(close);
  if (!panel.open) {
    panel.showModal();
    panel.addEventListener("close", () => from && from.focus && from.focus(), { once: true });
  }
  panel.scrollTop = 0;
  close.focus();
  drawConfig();
}

document.addEventListener("click", async (event) => {
  const target = /** @type {Element} */ (event.target);
  const link = target.closest("a[data-panel]"), panel = at("panel");
  const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  if (link && panel && plain) {
    event.preventDefault();
    await open(link.getAttribute("href") || link.getAttribute("xlink:href") || "");
  } else if (target.closest("[data-close]") && panel?.open && plain) {
    event.preventDefault();
    panel.close();
  } else if (target.closest("[data-copy]")) {
    const button = /** @type {HTMLButtonElement} */ (target.closest("[data-copy]"));
    const command = button.parentElement?.querySelector("code")?.textContent ?? "";
    await navigator.clipboard.writeText(command).then(() => (button.textContent = "Copied"), () => (button.textContent = "Select and copy"));
  }
});

const form = /** @type {HTMLFormElement | null} */ (at("question"));
if (form) {
  /** @type {number | undefined} */
  let wait;
  form.addEventListener("input", () => {
    at("min_tg_shown").textContent = at("min_tg").value;
    clearTimeout(wait);
    wait = window.setTimeout(() => ask(form), WAIT_MS);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(form);
  });
}
const redraw = () => (drawResults(), drawConfig());
window.addEventListener("resize", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
redraw();
