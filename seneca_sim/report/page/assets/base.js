// What every page needs: numbers with units, tables and their CSV, tooltips, theme, frames.

const DATA = JSON.parse(document.getElementById("data").textContent);
const NBSP = "\u00a0";

// -- numbers -------------------------------------------------------------------------------

const PREFIXES = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"],
  [1e-6, "µ"], [1e-9, "n"], [1e-12, "p"], [1e-15, "f"]];

function si(value, unit) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return `0${NBSP}${unit}`.trim();
  const rounded = Number(Math.abs(value).toPrecision(3));
  const [scale, prefix] = PREFIXES.find(([s]) => rounded >= s * 0.9999999) || PREFIXES.at(-1);
  const text = threeDigits(rounded / scale);
  return `${value < 0 ? "−" : ""}${text}${NBSP}${prefix}${unit}`.trim();
}

function threeDigits(x) {
  return x.toFixed(Math.max(0, 2 - Math.floor(Math.log10(Math.max(x, 1e-3)) + 1e-9)));
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0, useGrouping: true });

// For axes: 20 µs, not 20.0 µs.
function tick(value, unit) {
  return si(value, unit).replace(/(\.\d*?)0+(?=\D|$)/, "$1").replace(/\.(?=\D|$)/, "");
}

function count(value) {
  return Number.isInteger(value) ? whole.format(value).replaceAll(",", "\u202f") : short(value);
}

function short(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return si(value, "");
  return String(Number(value.toPrecision(4)));
}

function percent(share) {
  if (share === null || share === undefined || !Number.isFinite(share)) return "–";
  if (share === 0) return `0${NBSP}%`;
  if (share > 0 && share < 0.0005) return `<0.1${NBSP}%`;
  return `${(100 * share).toFixed(1)}${NBSP}%`;
}

// The end of a column's name says what it counts: [ending, factor to the unit, unit].
const UNITS = [["_per_bit", 1, ""], ["_fj", 1e-15, "J"], ["_pj", 1e-12, "J"], ["_js", 1, "J·s"],
  ["_j", 1, "J"], ["_w", 1, "W"], ["_hz", 1, "Hz"], ["_bits", 1, "b"], ["_s", 1, "s"],
  ["_mv", 1e-3, "V"]];
const SHARES = /(^|_)(utilisation|sparsity|share|busy|saved)$/;

function unitOf(name) {
  if (name.endsWith("_mm2")) return { factor: 1, unit: "mm²", show: v => `${short(v)}${NBSP}mm²` };
  if (SHARES.test(name)) return { factor: 1, unit: "%", show: percent };
  const found = name.includes("_fj.") ? ["", 1e-15, "J"] : UNITS.find(([end]) => name.endsWith(end));
  if (!found || found[2] === "") return { factor: 1, unit: "", show: count };
  const [, factor, unit] = found;
  return { factor, unit, show: v => si(v * factor, unit) };
}

const AREAS = { used_mm2: "used cores", core_mm2: "a core", chip_mm2: "the chip" };

function nameOf(column) {
  const ends = /_(fj|pj|j|js|w|hz|s|mv)$/;
  if (column.includes(".") && !column.includes("_fj.")) return column;  // a setting's path
  if (column.endsWith("_mm2")) return `area of ${AREAS[column] || column.slice(0, -4).replaceAll("_", " ")}`;
  const text = column.endsWith("per_bit") ? column : column.replace(/_fj\./, " ").replace(ends, "");
  return text.replaceAll("_", " ");
}

function shown(name, value) {
  if (value === null || value === undefined || value === "" || Number.isNaN(value)) return "–";
  return typeof value === "number" ? unitOf(name).show(value) : String(value);
}

// -- tables --------------------------------------------------------------------------------

// CSV as it lies in the run's folder -> rows; whatever reads as a number is one. (d3.csvParse would
// need eval, which the page's own policy forbids.)
function parse(text) {
  const [columns = [], ...lines] = d3.csvParseRows(text);
  const number = /^-?\d*\.?\d+(e[+-]?\d+)?$/i;
  const valueOf = text => text === "" ? null : number.test(text) ? +text : text;
  return lines.map(line => Object.fromEntries(columns.map((c, i) => [c, valueOf(line[i])])));
}

function csvOf(rows, columns) {
  const cell = v => v === null || v === undefined ? "" : /[",\n\r]/.test(v) ? `"${String(v).replaceAll('"', '""')}"` : String(v);
  return [columns, ...rows.map(row => columns.map(c => row[c]))].map(r => r.map(cell).join(",")).join("\n") + "\n";
}

function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const MOST_ROWS = 500;

function fillTable(box, rows, columns) {
  const isText = Object.fromEntries(columns.map(c => [c, rows.some(r => typeof r[c] === "string")]));
  const state = { by: null, down: true };
  box.replaceChildren();
  const table = d3.select(box).append("table");
  const head = table.append("thead").append("tr").selectAll("th").data(columns).join("th")
    .attr("scope", "col").attr("class", c => isText[c] ? "text" : null);
  head.append("button").attr("type", "button").text(nameOf).attr("title", "Sort")
    .on("click", (_, c) => {
      state.down = state.by === c ? !state.down : !isText[c];
      state.by = c;
      draw();
    });
  const body = table.append("tbody");
  const note = d3.select(box).append("p").attr("class", "note").style("padding", "0 12px 6px");
  function draw() {
    let sorted = rows;
    if (state.by !== null) {
      const order = state.down ? d3.descending : d3.ascending;
      sorted = [...rows].sort((a, b) => order(a[state.by], b[state.by]));
      head.attr("aria-sort", c => c === state.by ? (state.down ? "descending" : "ascending") : null);
    }
    body.selectAll("tr").data(sorted.slice(0, MOST_ROWS)).join("tr").selectAll("td")
      .data(row => columns.map(c => [c, row[c]])).join("td")
      .attr("class", ([c]) => isText[c] ? "text" : null).text(([c, v]) => shown(c, v));
    note.text(rows.length > MOST_ROWS ? `The first ${MOST_ROWS} of ${count(rows.length)} rows; the CSV has all.` : "")
      .style("display", rows.length > MOST_ROWS ? null : "none");
  }
  draw();
}

// -- frames: heading, words, controls, chart, table, CSV -----------------------------------------

const redraws = [];

function onTheme(draw) {
  redraws.push(draw);
}

// `draw(chart)` fills the chart; `table()` gives {name, rows, columns, text?} for what is shown now.
function frame({ id, title, lead, draw, table, level = "h2", into, isTable = false }) {
  const box = d3.select(into || "#charts").append(level === "h2" ? "section" : "div")
    .attr("id", id).attr("aria-labelledby", `${id}-title`);
  box.append(level).attr("id", `${id}-title`).text(title);
  if (lead) box.append("p").attr("class", "lead").text(lead);
  const controls = box.append("div").attr("class", "controls").style("display", "none");
  const chart = box.append("div").attr("class", "chart");
  const foot = box.append("div").attr("class", "foot");
  const details = foot.append("details");
  if (isTable) details.style("visibility", "hidden");
  details.append("summary").text("Table");
  const scroll = details.append("div").attr("class", "scroll").attr("tabindex", 0)
    .attr("role", "region").attr("aria-label", `${title}: table`);
  foot.append("button").attr("type", "button").attr("class", "csv").text("CSV")
    .attr("aria-label", `${title}: download as CSV`)
    .on("click", () => {
      const { name, rows, columns, text } = table();
      download(`${name}.csv`, text || csvOf(rows, columns));
    });
  const fill = () => {
    const { rows, columns } = table();
    fillTable(scroll.node(), rows, columns);
  };
  details.on("toggle", () => details.node().open && fill());
  const self = { box, controls, chart, redraw };
  function redraw() {
    chart.selectAll("*").interrupt();
    draw(self);
    if (details.node().open) fill();
  }
  redraws.push(redraw);
  return self;
}

function canvasOf(self, width, height, label) {
  return self.chart.append("svg").attr("viewBox", `0 0 ${width} ${height}`).attr("width", width)
    .attr("height", height).attr("role", "img").attr("aria-label", label)
    .style("height", "auto");
}

function widthOf(self) {
  return Math.max(300, Math.min(1072, self.chart.node().clientWidth || 1072));
}

function choice(self, label, options, value, change) {
  self.controls.style("display", null);
  const box = self.controls.append("label").text(label);
  const select = box.append("select").on("change", event => change(event.target.value));
  select.selectAll("option").data(options).join("option").attr("value", o => o[0])
    .text(o => o[1]).property("selected", o => o[0] === value);
  return select;
}

function segments(into, label, options, value, change) {
  const box = d3.select(into).append("div").attr("class", "segments").attr("role", "group")
    .attr("aria-label", label);
  box.selectAll("button").data(options).join("button").attr("type", "button").text(o => o[1])
    .attr("aria-pressed", o => o[0] === value)
    .on("click", (_, o) => {
      box.selectAll("button").attr("aria-pressed", b => b[0] === o[0]);
      change(o[0]);
    });
  return box;
}

function legend(chart, entries) {
  const box = chart.append("div").attr("class", "legend");
  for (const [text, colour] of entries) {
    const one = box.append("span");
    one.append("i").style("background", colour);
    one.append("span").text(text);
  }
  return box;
}

// Low values fade into the page, in either theme; lightness alone tells the order.
function ramp(share) {
  const s = Math.max(0, Math.min(1, share));
  return dark() ? d3.interpolateMagma(0.12 + 0.82 * s) : d3.interpolateYlGnBu(0.06 + 0.9 * s);
}

function inkOn(colour) {
  return d3.lab(colour).l > 57 ? "#16191d" : "#ffffff";
}

// Ink that can be read on one of the page's own colours.
function inkFor(name) {
  return inkOn(getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
}

function rampLegend(chart, low, high, what) {
  const box = chart.append("div").attr("class", "legend");
  const stops = d3.range(0, 1.01, 0.1).map(ramp).join(",");
  const line = box.append("span").style("display", "inline-flex").style("align-items", "center");
  line.append("span").text(`${what}: ${low}`);
  line.append("span").attr("class", "ramp").style("background", `linear-gradient(90deg,${stops})`);
  line.append("span").text(high);
  return box;
}

// -- tooltips ------------------------------------------------------------------------------

const tip = d3.select("body").append("div").attr("class", "tip").attr("role", "status");

function showTip(event, title, pairs, note) {
  tip.selectAll("*").remove();
  tip.append("b").text(title);
  const rows = tip.append("table").selectAll("tr").data(pairs).join("tr");
  rows.append("td").text(d => d[0]);
  rows.append("td").text(d => d[1]);
  if (note) tip.append("div").text(note);
  const { width, height } = tip.node().getBoundingClientRect();
  const x = event.clientX + 14 + width > innerWidth ? event.clientX - width - 12 : event.clientX + 14;
  const y = Math.min(event.clientY + 14, innerHeight - height - 8);
  tip.style("left", `${Math.max(6, x)}px`).style("top", `${Math.max(6, y)}px`).classed("on", true);
}

function hideTip() {
  tip.classed("on", false);
}

function hover(marks, say) {
  return marks.on("pointerenter pointermove", (event, d) => showTip(event, ...say(d)))
    .on("pointerleave", hideTip);
}

// -- theme ---------------------------------------------------------------------------------

function dark() {
  return document.documentElement.dataset.theme === "dark";
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  redraws.forEach(draw => draw());
}

function setupTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  const button = document.getElementById("theme");
  const apply = name => {
    button.textContent = name === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to the ${name === "dark" ? "light" : "dark"} theme`);
    if (document.documentElement.dataset.theme !== name) setTheme(name);
  };
  button.addEventListener("click", () => apply(chosen = dark() ? "light" : "dark"));
  system.addEventListener("change", () => chosen || apply(system.matches ? "dark" : "light"));
  apply(system.matches ? "dark" : "light");
  addEventListener("beforeprint", () => setTheme("light"));
  addEventListener("afterprint", () => setTheme(chosen || (system.matches ? "dark" : "light")));
  let last = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== last) redraws.forEach(draw => draw());
    last = innerWidth;
  });
}
