// The run page: comparison of variants, where the energy is, what it rests on.

const RUN = DATA.kind === "run" ? DATA : null;
const CLASS_NAMES = { npe: "NPE", loop_buffer: "loop buffer", memory: "data memory",
  event_generator: "event generator", controller: "controller", noc: "NoC",
  off_core_memory: "off-core memory", leakage: "leakage" };
const CLASSES = Object.keys(CLASS_NAMES);
const MARKS = ["published", "second-hand", "derived", "assumed", "user"];
const colourOf = name => `var(--${name})`;
const className = name => CLASS_NAMES[name] || name;

let current = RUN ? RUN.summary.variants.at(-1).label : null;

const parsed = new Map();

function rowsOf(label, table) {
  const key = `${label}\u0000${table}`;
  if (!parsed.has(key)) parsed.set(key, parse(RUN.tables[label][table] || ""));
  return parsed.get(key);
}

const variantOf = label => RUN.summary.variants.find(v => v.label === label);
const variantColour = label => `var(--v${RUN.summary.variants.findIndex(v => v.label === label) % 6})`;
const layerName = layer => layer === null || layer === undefined ? "" : `layer ${layer}`;

// -- variants side by side -------------------------------------------------------------------

function tiles() {
  const v = variantOf(current);
  const bits = RUN.summary.bits_per_byte || {};
  const list = [
    ["Energy a token", si(v.energy_per_token_j.median, "J"), `95th percentile ${si(v.energy_per_token_j.p95, "J")}`],
    ["Latency a token", si(v.latency_per_token_s.median, "s"), `95th percentile ${si(v.latency_per_token_s.p95, "s")}`],
    ["Power", si(v.average_power_w, "W"), `peak ${si(v.peak_power_w, "W")} over ${si(v.peak_window_s, "s")}`],
    ["Energy × delay", si(v.energy_delay_js, "J·s"), "mean energy × mean latency"],
    ["Sparsity", percent(v.sparsity), `${si(v.macs_per_token, "")} MACs a token left`],
  ];
  if (bits[current] !== undefined) list.push(["Bits per byte", bits[current].toFixed(3), "accuracy of the model"]);
  const box = d3.select("#tiles").selectAll(".tile").data(list).join("div").attr("class", "tile");
  box.selectAll("div").data(d => d).join("div")
    .attr("class", (_, i) => ["name", "value", "more"][i]).text(d => d);
}

function comparison() {
  const variants = RUN.summary.variants;
  const rows = variants.flatMap(v => CLASSES.filter(c => v.energy_j.by_class[c] !== undefined).map(c => ({
    variant: v.label, component: c, energy_per_token_j: v.energy_j.by_class[c] / v.tokens,
    energy_share: v.energy_j.by_class[c] / v.energy_j.total })));
  frame({
    id: "variants", title: "Energy by class of hardware",
    lead: "Mean energy of a token. The sum of each bar is the whole run, leakage included, over its tokens.",
    table: () => ({ name: "variants", rows, columns: ["variant", "component", "energy_per_token_j", "energy_share"] }),
    draw: self => {
      self.chart.selectAll("*").remove();
      legend(self.chart, CLASSES.filter(c => rows.some(r => r.component === c)).map(c => [className(c), colourOf(c)]));
      stacked(self, variants.map(v => v.label), rows, "variant", "component", colourOf, className, "energy_per_token_j", "J");
    },
  }).redraw();
}

// Horizontal stacked bars: one for each of `names`, its parts in order, the total at the end.
function stacked(self, names, rows, by, part, colour, label, value, unit) {
  const width = widthOf(self), step = 36, left = Math.min(150, 24 + 7.2 * d3.max(names, n => n.length));
  const height = step * names.length + 26;
  const totals = d3.rollup(rows, r => d3.sum(r, d => d[value]), d => d[by]);
  const x = d3.scaleLinear([0, d3.max(totals.values()) || 1], [left, width - 84]);
  const svg = canvasOf(self, width, height, `Bars: ${names.map(n => `${n} ${si(totals.get(n) || 0, unit)}`).join(", ")}`);
  names.forEach((name, index) => {
    let at = 0;
    const parts = rows.filter(r => r[by] === name).map(r => ({ ...r, from: at, to: at += r[value] }));
    const bar = svg.append("g").attr("transform", `translate(0,${index * step + 6})`);
    bar.append("text").attr("x", left - 10).attr("y", 13).attr("dy", ".35em").attr("text-anchor", "end").text(name);
    hover(bar.selectAll("rect").data(parts).join("rect").attr("class", "mark")
      .attr("x", d => x(d.from)).attr("width", d => Math.max(0, x(d.to) - x(d.from) - 0.8))
      .attr("height", 26).attr("fill", d => colour(d[part])),
    d => [`${name}: ${label(d[part])}`, [["energy", si(d[value], unit)],
      ["share", percent(d[value] / totals.get(name))]]]);
    bar.selectAll("text.share").data(parts.filter(d => x(d.to) - x(d.from) > 52)).join("text")
      .attr("class", "share").attr("x", d => (x(d.from) + x(d.to)) / 2).attr("y", 13).attr("dy", ".35em")
      .attr("text-anchor", "middle").style("fill", d => inkFor(d[part])).style("pointer-events", "none")
      .text(d => percent(d[value] / totals.get(name)));
    bar.append("text").attr("x", x(totals.get(name) || 0) + 8).attr("y", 13).attr("dy", ".35em")
      .style("font-weight", 600).text(si(totals.get(name) || 0, unit));
  });
  svg.append("g").attr("transform", `translate(0,${height - 20})`)
    .call(d3.axisBottom(x).ticks(6).tickFormat(v => tick(v, unit)).tickSizeOuter(0));
}

// -- the energy tree: layer > site > class -------------------------------------------------------

function treeOf(label) {
  const rows = rowsOf(label, "breakdown");
  const sums = d3.rollups(rows, r => d3.sum(r, d => d.energy_fj),
    d => d.site === "leakage" ? "leakage" : d.layer === null ? "host" : `layer ${d.layer}`,
    d => d.part === "leakage" ? "all cores" : d.site, d => d.component);
  const node = (name, kids) => ({ name, children: kids });
  return node("all", sums.map(([layer, sites]) => node(layer, sites.map(([site, classes]) =>
    node(site, classes.map(([component, fj]) => ({ name: className(component), component, fj })))))));
}

function energyTree() {
  const path = { names: [] };
  const self = frame({
    id: "tree", title: "Energy tree: layer, site, class",
    lead: "A site is where a vector arrives and weights are applied; a stage is what computes and sends. Click a box to go into it.",
    table: () => ({ name: `energy-tree-${current}`, rows: treeRows(),
      columns: ["layer", "site", "part", "component", "energy_fj", "energy_per_token_j", "energy_share"] }),
    draw,
  });
  function treeRows() {
    const v = variantOf(current);
    return d3.flatRollup(rowsOf(current, "breakdown"), r => d3.sum(r, d => d.energy_fj),
      d => d.layer, d => d.site, d => d.part, d => d.component)
      .map(([layer, site, part, component, fj]) => ({ layer, site, part, component, energy_fj: fj,
        energy_per_token_j: fj * 1e-15 / v.tokens, energy_share: fj / v.energy_fj }));
  }
  function draw() {
    const chart = self.chart, tokens = variantOf(current).tokens;
    chart.selectAll("*").remove();
    const root = d3.hierarchy(treeOf(current)).sum(d => d.fj || 0)
      .sort((a, b) => a.depth === 1 ? order(a) - order(b) : b.value - a.value);
    let top = root;
    for (const name of path.names) top = (top.children || []).find(n => n.data.name === name) || top;
    crumbs(chart, top);
    const width = widthOf(self), height = Math.max(420, Math.min(760, 96 * root.children.length));
    const columns = [0.15, 0.37];
    const edges = top.depth === 0 ? [0, columns[0], columns[0] + columns[1], 1] : top.depth === 1 ? [0, 0.55, 1] : [0, 1];
    const depth = edges.length - 1;
    const parted = d3.partition().size([height, 1])(top.copy().sort((a, b) => order(a) - order(b) || b.value - a.value)).descendants();
    const nodes = parted.filter(n => n.depth >= 1 && n.depth <= depth);
    const svg = canvasOf(self, width, height, `Energy of ${path.names.join(", ") || "the whole run"}: ${(top.children || []).slice(0, 8).map(n => `${n.data.name} ${percent(n.value / top.value)}`).join(", ")}`);
    const cells = svg.selectAll("g").data(nodes).join("g")
      .attr("transform", d => `translate(${left(d)},${top_(d).x0})`);
    const rect = cells.append("rect").attr("class", "mark").attr("rx", 2).attr("width", d => Math.max(0, wide(d)))
      .attr("height", d => Math.max(0.4, tall(d) - (tall(d) > 3 ? 1.4 : 0)))
      .attr("fill", fill).style("cursor", d => d.children ? "pointer" : null)
      .on("click", (_, d) => {
        if (!d.children) return;
        path.names = [...path.names, ...d.ancestors().reverse().slice(1).map(n => n.data.name)];
        hideTip();
        draw();
      });
    const total = root.value;
    hover(rect, d => [[...path.names, ...d.ancestors().reverse().slice(1).map(n => n.data.name)].join(" › "),
      [["energy a token", si(d.value * 1e-15 / tokens, "J")], ["of the run", percent(d.value / total)],
        ["of this view", percent(d.value / top.value)]]]);
    cells.filter(d => tall(d) >= 9.5 && wide(d) > 26).append("text").attr("x", 7).attr("y", d => tall(d) / 2 - 0.6)
      .attr("dy", ".34em").style("fill", d => d.data.component ? inkFor(d.data.component) : null)
      .style("font-size", d => `${size(d)}px`).style("pointer-events", "none").text(d => label(d, wide(d)));
    // Classes lie side by side in the row of their site, all others one below the other.
    function top_(d) { return d.data.component ? d.parent : d; }
    function tall(d) { return top_(d).x1 - top_(d).x0; }
    function share(d) { return (edges[d.depth] - edges[d.depth - 1]) * width * d.value / (d.parent.value || 1); }
    function left(d) {
      const at = edges[d.depth - 1] * width;
      return d.data.component ? at + d3.sum(d.parent.children.slice(0, d.parent.children.indexOf(d)), share) : at;
    }
    function wide(d) {
      return d.data.component ? share(d) - 0.8 : (edges[d.depth] - edges[d.depth - 1]) * width - 2;
    }
    function size(d) { return Math.min(12, Math.max(9, tall(d) - 1.5)); }
    function label(d, room) {
      const own = d.data.component ? percent(d.value / d.parent.value) : si(d.value * 1e-15 / tokens, "J");
      const text = d.data.component ? own : `${d.data.name}\u2002${own}`;
      const most = Math.floor((room - 12) / (size(d) * 0.57));
      if (d.data.component) return text.length <= most ? text : "";
      return text.length <= most ? text : d.data.name.length <= most ? d.data.name : `${d.data.name.slice(0, Math.max(0, most - 1))}…`;
    }
  }
  function order(node) {
    const name = node.data.name, found = /^layer (\d+)$/.exec(name);
    if (node.data.component) return CLASSES.indexOf(node.data.component);
    return found ? +found[1] : name === "host" ? 1e6 : name === "leakage" ? 1e7 : 0;
  }
  function fill(d) {
    if (d.data.component) return colourOf(d.data.component);
    const level = dark() ? [0.27, 0.21] : [0.86, 0.925];
    const one = d.depth + path.names.length === 1 ? level[0] : level[1];
    return d3.hsl(214, 0.22, one).formatHex();
  }
  function crumbs(chart, top) {
    const box = chart.append("div").attr("class", "crumbs");
    const names = ["whole run", ...path.names];
    names.forEach((name, i) => {
      if (i) box.append("span").text(" › ");
      if (i === names.length - 1) box.append("span").text(`${name}: ${si(top.value * 1e-15 / variantOf(current).tokens, "J")} a token`);
      else box.append("button").attr("type", "button").text(name).on("click", () => { path.names = path.names.slice(0, i); draw(); });
    });
    legend(chart, CLASSES.filter(c => variantOf(current).energy_j.by_class[c] !== undefined).map(c => [className(c), colourOf(c)]));
  }
  self.redraw();
}

// -- kinds of work -------------------------------------------------------------------------------

function workKinds() {
  const rowsNow = () => d3.flatRollup(rowsOf(current, "breakdown"), r => d3.sum(r, d => d.energy_fj), d => d.kind, d => d.component)
    .map(([kind, component, fj]) => ({ kind, component, energy_per_token_j: fj * 1e-15 / variantOf(current).tokens,
      energy_share: fj / variantOf(current).energy_fj }));
  frame({
    id: "work", title: "Energy by kind of work",
    lead: "Synaptic work and event handling shrink with sparsity. The rest is done for every token, so it bounds what sparsity can gain.",
    table: () => ({ name: `work-${current}`, rows: rowsNow(), columns: ["kind", "component", "energy_per_token_j", "energy_share"] }),
    draw: self => {
      self.chart.selectAll("*").remove();
      const rows = rowsNow();
      rows.sort((a, b) => CLASSES.indexOf(a.component) - CLASSES.indexOf(b.component));
      const kinds = Object.keys(variantOf(current).energy_j.by_kind);
      legend(self.chart, CLASSES.filter(c => rows.some(r => r.component === c)).map(c => [className(c), colourOf(c)]));
      stacked(self, kinds, rows, "kind", "component", colourOf, className, "energy_per_token_j", "J");
    },
  }).redraw();
}

// -- what the result rests on ----------------------------------------------------------------------

function assumptions() {
  const terms = () => {
    const grouped = d3.flatRollup(rowsOf(current, "breakdown"), r => d3.sum(r, d => d.energy_fj), d => d.component, d => d.op, d => d.mark);
    return grouped.map(([component, op, mark, fj]) => ({ component, op, mark, energy_fj: fj,
      energy_per_token_j: fj * 1e-15 / variantOf(current).tokens, energy_share: fj / variantOf(current).energy_fj }))
      .sort((a, b) => b.energy_fj - a.energy_fj);
  };
  frame({
    id: "marks", title: "Where assumptions carry the result",
    lead: "Every term of energy is a count times a row of the energy table, and as sure as the weaker of the two. The largest terms, coloured by that mark.",
    table: () => ({ name: `marks-${current}`, rows: terms(), columns: ["component", "op", "mark", "energy_fj", "energy_per_token_j", "energy_share"] }),
    draw: self => {
      self.chart.selectAll("*").remove();
      const rows = terms(), most = rows.slice(0, 14), rest = rows.slice(14);
      const share = d3.rollup(rows, r => d3.sum(r, d => d.energy_share), d => d.mark);
      const marks = MARKS.filter(m => share.has(m));
      const width = widthOf(self), step = 24, left = 218, top = 66;
      const x = d3.scaleLinear([0, d3.max(most, d => d.energy_share)], [left, width - 130]);
      const svg = canvasOf(self, width, top + step * most.length + 8, `Energy by mark: ${marks.map(m => `${m} ${percent(share.get(m))}`).join(", ")}`);
      let at = 0;
      const parts = marks.map(m => ({ mark: m, from: at, to: at += share.get(m) }));
      const bar = svg.selectAll("g.mark").data(parts).join("g");
      hover(bar.append("rect").attr("class", "mark").attr("x", d => d.from * width).attr("height", 26)
        .attr("width", d => Math.max(0.8, (d.to - d.from) * width - 1)).attr("fill", d => colourOf(d.mark)),
      d => [d.mark, [["share of the energy", percent(d.to - d.from)]]]);
      bar.filter(d => (d.to - d.from) * width > 110).append("text").attr("x", d => d.from * width + 10)
        .attr("y", 13).attr("dy", ".35em").style("fill", d => inkFor(d.mark)).style("pointer-events", "none")
        .style("font-weight", 600).text(d => `${d.mark} ${percent(d.to - d.from)}`);
      const small = parts.filter(d => (d.to - d.from) * width <= 110);
      if (small.length) svg.append("text").attr("class", "soft").attr("x", 0).attr("y", 44)
        .text(`and ${small.map(d => `${percent(d.to - d.from)} ${d.mark}`).join(", ")}`);
      const g = svg.selectAll("g.term").data(most).join("g").attr("transform", (_, i) => `translate(0,${top + i * step})`);
      g.append("text").attr("x", left - 10).attr("y", 10).attr("dy", ".35em").attr("text-anchor", "end")
        .text(d => `${d.op} · ${className(d.component)}`);
      hover(g.append("rect").attr("class", "mark").attr("x", left).attr("height", 18).attr("y", 1).attr("rx", 2)
        .attr("width", d => x(d.energy_share) - left).attr("fill", d => colourOf(d.mark)),
      d => [`${d.op}, ${className(d.component)}`, [["mark", d.mark], ["energy a token", si(d.energy_per_token_j, "J")], ["share", percent(d.energy_share)]]]);
      g.append("text").attr("x", d => x(d.energy_share) + 8).attr("y", 10).attr("dy", ".35em").text(d => percent(d.energy_share));
      g.append("text").attr("class", "soft").attr("x", d => x(d.energy_share) + 58).attr("y", 10).attr("dy", ".35em").text(d => d.mark);
      if (rest.length) self.chart.append("p").attr("class", "note")
        .text(`${rest.length} smaller terms have ${percent(d3.sum(rest, d => d.energy_share))} together; the table has them all.`);
    },
  }).redraw();
}
