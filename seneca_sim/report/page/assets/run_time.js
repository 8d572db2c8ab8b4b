// The run page: cores over time, the mesh, sparsity, bounds, latency.

// -- core x time -----------------------------------------------------------------------------

function heatMap() {
  let token = "all";
  const tokens = variantOf(current).tokens, pipelined = variantOf(current).mode === "pipelined";
  const self = frame({
    id: "heat", title: "Cores over time",
    lead: `Share of the time in which a core's NPEs are busy. Its busy cycles for a layer and token are spread evenly over the time in which that layer is at work on that token.${pipelined ? " Tokens overlap here, so shares may go beyond 100 %: which of two tokens a core worked on first is not told." : ""}`,
    table: () => ({ name: `phases-${current}`, rows: rowsOf(current, "phases"), text: RUN.tables[current].phases,
      columns: ["token", "layer", "start_cycles", "end_cycles", "core", "npe_busy_cycles"] }),
    draw,
  });
  choice(self, "Show", [["all", "all tokens"], ...d3.range(Math.min(tokens, 256)).map(t => [String(t), `token ${t}`])], token,
    value => { token = value; draw(); });
  function draw() {
    const chart = self.chart, v = variantOf(current), hz = v.chip.clock_hz;
    chart.selectAll("*").remove();
    const rows = rowsOf(current, "phases");
    const seen = token === "all" ? rows : rows.filter(r => r.token === +token);
    const from = d3.min(seen, r => r.start_cycles) || 0, to = d3.max(seen, r => r.end_cycles) || 1;
    rampLegend(chart, "0 %", "100 %", "NPEs busy");
    const width = widthOf(self), left = 64, lines = Math.min(v.chip.cores, 256);
    const perLine = v.chip.cores / lines, tall = Math.max(160, Math.min(480, lines * 8)), height = tall + 52;
    const bins = Math.floor((width - left - 8));
    const grid = bin(seen, from, to, bins, lines, perLine);
    // The cells are one picture inside the drawing, so that both are scaled together, on paper too.
    const canvas = document.createElement("canvas");
    canvas.width = 2 * bins;
    canvas.height = 2 * tall;
    paint(canvas, grid, bins, lines);
    const svg = canvasOf(self, width, height, `Heat map of ${v.chip.cores} cores over ${si((to - from) / hz, "s")}; the table has its numbers`);
    const picture = svg.append("image").attr("class", "mark").attr("x", left).attr("y", 8).attr("width", bins)
      .attr("height", tall).attr("preserveAspectRatio", "none").attr("href", canvas.toDataURL());
    const x = d3.scaleLinear([from / hz, to / hz], [left, left + bins]);
    const y = d3.scaleLinear([0, v.chip.cores], [8, tall + 8]);
    svg.append("g").attr("transform", `translate(0,${tall + 8})`).call(d3.axisBottom(x).ticks(8).tickFormat(s => tick(s, "s")).tickSizeOuter(0));
    svg.append("g").attr("transform", `translate(${left},0)`).call(d3.axisLeft(y).ticks(8).tickFormat(c => `core ${c}`).tickSizeOuter(0));
    svg.append("text").attr("class", "soft").attr("x", left + bins).attr("y", height - 6).attr("text-anchor", "end").text("time since the run's start");
    picture.on("pointermove", event => {
      const [px, py] = d3.pointer(event).map((v, i) => v - [left, 8][i]);
      const line = Math.max(0, Math.min(lines - 1, Math.floor(py / tall * lines)));
      const column = Math.max(0, Math.min(bins - 1, Math.floor(px)));
      const first = Math.floor(line * perLine), last = Math.ceil((line + 1) * perLine) - 1;
      const cycle = from + (px / bins) * (to - from);
      const at = seen.find(r => r.core >= first && r.core <= last && r.start_cycles <= cycle && cycle < r.end_cycles);
      const pairs = [["time", si(cycle / hz, "s")], ["NPEs busy", percent(grid[line * bins + column])]];
      if (at) pairs.push(["at work on", `layer ${at.layer}, token ${at.token}`], ["busy cycles for it", count(at.npe_busy_cycles)]);
      showTip(event, last > first ? `cores ${first}–${last}` : `core ${first}`, pairs);
    }).on("pointerleave", hideTip);
  }
  function bin(rows, from, to, bins, lines, perLine) {
    const grid = new Float64Array(bins * lines), step = (to - from) / bins;
    for (const r of rows) {
      const span = Math.max(1, r.end_cycles - r.start_cycles), rate = r.npe_busy_cycles / span / perLine;
      const line = Math.min(lines - 1, Math.floor(r.core / perLine));
      const a = (r.start_cycles - from) / step, b = (r.end_cycles - from) / step;
      for (let i = Math.max(0, Math.floor(a)); i < Math.min(bins, b); i++)
        grid[line * bins + i] += rate * (Math.min(b, i + 1) - Math.max(a, i));
    }
    return grid;
  }
  function paint(node, grid, bins, lines) {
    const context = node.getContext("2d");
    const colours = d3.range(256).map(i => ramp(i / 255));
    const style = getComputedStyle(document.documentElement);
    const empty = style.getPropertyValue("--hole").trim();
    context.fillStyle = style.getPropertyValue("--page").trim();
    context.fillRect(0, 0, node.width, node.height);
    const w = node.width / bins, h = node.height / lines;
    const gap = h >= 10 ? 1.5 : 0;
    for (let line = 0; line < lines; line++) {
      for (let start = 0, i = 1; i <= bins; i++) {
        const value = grid[line * bins + start];
        const colour = value > 0.0005 ? colours[Math.min(255, Math.round(value * 255))] : empty;
        if (i < bins && grid[line * bins + i] === value) continue;
        context.fillStyle = colour;
        context.fillRect(start * w, line * h, (i - start) * w + 0.5, h - gap);
        start = i;
      }
    }
  }
  self.redraw();
}

// -- the mesh --------------------------------------------------------------------------------

const CORE_METRICS = [
  ["npe", "NPEs busy", (r, v) => r.npe_busy_cycles / v.cycles, percent],
  ["controller", "controller busy", (r, v) => r.controller_busy_cycles / v.cycles, percent],
  ["stall", "controller stalled", (r, v) => r.controller_stall_cycles / v.cycles, percent],
  ["energy", "energy a token, without leakage", (r, v) => r.energy_dynamic_pj * 1e-12 / v.tokens, x => si(x, "J")],
  ["input", "input queue, peak flits", r => r.input_queue_peak_flits, count],
  ["output", "output queue, peak flits", r => r.output_queue_peak_flits, count],
  ["fifo", "task FIFO, peak tasks", r => r.fifo_peak_tasks, count],
  ["memory", "memory used", r => r.memory_bits, x => si(x, "b")],
];
const LINK_METRICS = [
  ["utilisation", "time in use", r => r.utilisation, percent],
  ["blocked", "time blocked", (r, v) => r.blocked_cycles / v.cycles, percent],
  ["flits", "flits a token", (r, v) => r.flits / v.tokens, x => count(Math.round(x))],
  ["energy", "energy a token", (r, v) => r.energy_pj * 1e-12 / v.tokens, x => si(x, "J")],
];

function mesh() {
  let core = CORE_METRICS[0], link = LINK_METRICS[0];
  const self = frame({
    id: "mesh", title: "The mesh: cores and links",
    lead: "Squares are cores. The bars between them are links, one for each direction, on the right of their way; the corner of a square is the link from its router into the core.",
    table: () => ({ name: `cores-${current}`, rows: rowsOf(current, "cores"), text: RUN.tables[current].cores,
      columns: Object.keys(rowsOf(current, "cores")[0] || {}) }),
    draw,
  });
  self.box.select(".foot").append("button").attr("type", "button").attr("class", "csv").text("CSV of the links")
    .on("click", () => download(`links-${current}.csv`, RUN.tables[current].links));
  choice(self, "Cores", CORE_METRICS, core[0], id => { core = CORE_METRICS.find(m => m[0] === id); draw(); });
  choice(self, "Links", LINK_METRICS, link[0], id => { link = LINK_METRICS.find(m => m[0] === id); draw(); });
  function draw() {
    const chart = self.chart, v = variantOf(current);
    chart.selectAll("*").remove();
    const cores = rowsOf(current, "cores"), links = rowsOf(current, "links");
    const columns = 1 + d3.max(cores, d => d.x), rows = 1 + d3.max(cores, d => d.y);
    const most = d3.max(cores, d => core[2](d, v)) || 1, busiest = d3.max(links, d => link[2](d, v)) || 1;
    rampLegend(chart, core[3](0), core[3](most), `Cores, ${core[1]}`).attr("class", "legend wide");
    rampLegend(chart, link[3](0), link[3](busiest), `Links, ${link[1]}`).attr("class", "legend wide");
    const both = chart.append("div").attr("class", columns <= 40 ? "two" : null);
    const where = both.append("div"), ranks = both.append("div").attr("class", columns <= 40 ? null : "two");
    const width = Math.max(260, where.node().clientWidth || 640), left = 46;
    const pitch = Math.min((width - left - 8) / columns, Math.max(9, 640 / rows), 84);
    const side = pitch * 0.74, gap = pitch - side;
    const svg = canvasOf({ chart: where }, Math.min(width, left + pitch * columns + 8), pitch * rows + 12, `Mesh of ${columns} by ${rows} cores`);
    svg.append("text").attr("class", "soft").attr("x", 4).attr("y", 4 + side / 2 + 22).text("host");
    ranking(ranks, `Cores: ${core[1]}`, cores, d => core[2](d, v), core[3], d => `core ${d.core}`);
    ranking(ranks, `Links: ${link[1]}`, links, d => link[2](d, v), link[3], d => `${d.source} → ${d.destination}`);
    const place = new Map(cores.map(d => [d.core, [left + d.x * pitch, 4 + d.y * pitch]]));
    const cell = svg.selectAll("g.core").data(cores).join("g").attr("class", "core")
      .attr("transform", d => `translate(${place.get(d.core)})`);
    hover(cell.append("rect").attr("class", "mark").attr("width", side).attr("height", side).attr("rx", Math.min(4, side / 8))
      .attr("fill", d => core[2](d, v) ? ramp(core[2](d, v) / most) : "var(--hole)"),
    d => [`core ${d.core} (${d.x}, ${d.y})`, CORE_METRICS.map(m => [m[1], m[3](m[2](d, v))])]);
    if (side >= 34) cell.append("text").attr("x", side / 2).attr("y", side / 2).attr("dy", ".35em").attr("text-anchor", "middle")
      .style("pointer-events", "none").style("font-size", "11px")
      .style("fill", d => core[2](d, v) ? inkOn(ramp(core[2](d, v) / most)) : "var(--faint)")
      .text(d => core[3](core[2](d, v)).replace(/(\.\d)\d*(?=\s*[%])/, "$1"));
    if (cores.length > 1100) {
      chart.append("p").attr("class", "note").text("Links are drawn for meshes of up to 1,100 cores; their CSV has them all.");
      return;
    }
    const shapes = links.map(d => ({ d, box: linkBox(d, place, side, gap) })).filter(s => s.box);
    hover(svg.selectAll("path.link").data(shapes).join("path").attr("class", "link mark").attr("d", s => s.box)
      .attr("fill", s => link[2](s.d, v) ? ramp(Math.max(0.08, link[2](s.d, v) / busiest)) : "var(--line)"),
    ({ d }) => [`${d.source} → ${d.destination}`, LINK_METRICS.map(m => [m[1], m[3](m[2](d, v))])]);
  }
  self.redraw();
}

// The highest eight as a small table.
function ranking(box, title, rows, value, show, name) {
  const top = [...rows].sort((a, b) => value(b) - value(a)).slice(0, 8);
  const table = box.append("div").attr("class", "plain rank").append("table");
  const head = table.append("thead").append("tr");
  head.append("th").attr("class", "text").attr("scope", "col").text(title);
  head.append("th").attr("scope", "col").text("highest");
  const line = table.append("tbody").selectAll("tr").data(top).join("tr");
  line.append("td").attr("class", "text").text(name);
  line.append("td").text(d => show(value(d)));
}

// Outline of a link: a bar in the gap, or a corner of the core's own square.
function linkBox(link, place, side, gap) {
  const number = text => +text.split(" ")[1];
  const from = place.get(number(link.source));
  if (!from) return null;
  const [x, y] = from, bar = Math.max(1.2, Math.min(7, side * 0.16)), pad = Math.min(1.5, gap * 0.1);
  const rect = (a, b, w, h) => `M${a},${b}h${w}v${h}h${-w}z`;
  const middle = side / 2;
  if (link.destination.startsWith("core")) {
    const c = Math.min(13, side * 0.3);
    return `M${x + side - c},${y}h${c}v${c}z`;
  }
  if (link.destination === "host") return rect(x - gap - 14, y + middle - bar, gap + 12, 2 * bar - 1);
  const to = place.get(number(link.destination));
  if (!to) return null;
  if (to[0] > x) return rect(x + side + pad, y + middle + 0.7, gap - 2 * pad, bar);
  if (to[0] < x) return rect(x - gap + pad, y + middle - bar - 0.7, gap - 2 * pad, bar);
  if (to[1] > y) return rect(x + middle - bar - 0.7, y + side + pad, bar, gap - 2 * pad);
  return rect(x + middle + 0.7, y - gap + pad, bar, gap - 2 * pad);
}

// -- sparsity --------------------------------------------------------------------------------

function sparsity() {
  const stem = site => site.replace(/^[a-z_]+\.\d+\./, "");
  const sites = Object.keys(variantOf(current).sparsity_by_site);
  if (!sites.length) return;
  const cells = label => rowsOf(label, "layers").filter(r => r.part === "site" && sites.includes(stem(String(r.site))) && r.sparsity !== null)
    .map(r => ({ layer: r.layer, site: r.site, events_in: r.events_in, sparsity: r.sparsity, sops: r.sops, energy_pj: r.energy_pj }));
  frame({
    id: "sparsity", title: "Sparsity by site and layer",
    lead: "Share of a vector's values that are zero and so are never sent. Layers from top to bottom, sites in the order of the program.",
    table: () => ({ name: `sparsity-${current}`, rows: cells(current), columns: ["layer", "site", "sparsity", "events_in", "sops", "energy_pj"] }),
    draw: self => {
      const chart = self.chart;
      chart.selectAll("*").remove();
      const rows = cells(current), layers = [...new Set(rows.map(r => r.layer))].sort(d3.ascending);
      rampLegend(chart, "0 %", "100 %", "Zeros");
      const width = widthOf(self), left = 64, top = 24, wide = Math.min(118, (width - left) / sites.length);
      const tall = Math.max(15, Math.min(38, 560 / layers.length));
      const svg = canvasOf(self, left + wide * sites.length + 2, top + tall * layers.length + 4, `Sparsity: ${sites.map(s => `${s} ${percent(d3.mean(rows.filter(r => stem(r.site) === s), r => r.sparsity))}`).join(", ")}`);
      svg.selectAll("text.site").data(sites).join("text").attr("class", "soft").attr("x", (_, i) => left + (i + 0.5) * wide)
        .attr("y", 14).attr("text-anchor", "middle").text(d => d);
      svg.selectAll("text.layer").data(layers).join("text").attr("class", "soft").attr("x", left - 10).attr("text-anchor", "end")
        .attr("y", (_, i) => top + (i + 0.5) * tall).attr("dy", ".35em").text(d => `layer ${d}`);
      const g = svg.selectAll("g").data(rows).join("g")
        .attr("transform", d => `translate(${left + sites.indexOf(stem(d.site)) * wide},${top + layers.indexOf(d.layer) * tall})`);
      hover(g.append("rect").attr("class", "mark").attr("width", wide - 2).attr("height", tall - 2).attr("rx", 3)
        .attr("fill", d => ramp(d.sparsity)),
      d => [d.site, [...RUN.summary.variants.map(v => [v.label, percent((rowsOf(v.label, "layers").find(r => r.site === d.site && r.part === "site") || {}).sparsity)]),
        ["events taken", count(d.events_in)], ["synaptic operations", si(d.sops, "")]]]);
      g.append("text").attr("x", wide / 2 - 1).attr("y", tall / 2 - 1).attr("dy", ".35em").attr("text-anchor", "middle")
        .style("pointer-events", "none").style("fill", d => inkOn(ramp(d.sparsity))).text(d => percent(d.sparsity));
    },
  }).redraw();
}

// -- the floorline: work per core against time -----------------------------------------------------

const BOUNDS = [["npe_cycles", "compute: NPEs"], ["controller_cycles", "event handling: controller"],
  ["memory_cycles", "memory"], ["link_cycles", "traffic: busiest link"]];

function floorline() {
  const labels = RUN.summary.variants.map(v => v.label);
  const all = labels.flatMap(label => rowsOf(label, "bounds").filter(r => r.sops > 0).map(r => ({ ...r, variant: label,
    floor_cycles: d3.max(BOUNDS, b => r[b[0]]), bound: d3.greatest(BOUNDS, b => r[b[0]])[1] })));
  if (!all.length) return;
  frame({
    id: "floorline", title: "Floorline: work of a core against time",
    lead: "Each point is a core in a layer: its synaptic operations a token, and how long that layer is at work on a token. No point can lie below a line; the distance above the highest one is waiting.",
    table: () => ({ name: "floorline", rows: all, columns: ["variant", "layer", "core", "sops", "active_cycles", "floor_cycles", "bound", ...BOUNDS.map(b => b[0])] }),
    draw: self => {
      const chart = self.chart;
      chart.selectAll("*").remove();
      legend(chart, labels.map(l => [l, variantColour(l)]));
      const v = l => variantOf(l), work = d => d.sops / v(d.variant).tokens;
      const seconds = (d, cycles) => cycles / v(d.variant).tokens / v(d.variant).chip.clock_hz;
      const width = widthOf(self), height = 430, left = 84, right = 196, bottom = 46;
      const xs = d3.extent(all, work), floors = BOUNDS.map(([key, name]) => floorOf(all, key, name, work, seconds)).filter(f => f);
      const x = d3.scaleLog([xs[0] / 1.6, xs[1] * 1.6], [left, width - right]);
      const lowest = d3.min(floors, f => f.at(xs[0])), ys = d3.extent(all, d => seconds(d, d.active_cycles));
      const y = d3.scaleLog([Math.min(lowest, ys[0]) / 1.5, ys[1] * 1.7], [height - bottom, 10]);
      const svg = canvasOf(self, width, height, "Work of a core against time, with the bounds of compute, event handling, memory and traffic");
      axes(svg, x, y, width - right, height - bottom, left, "synaptic operations of a core a token", "time of its layer a token");
      const line = svg.selectAll("g.bound").data(floors).join("g");
      const [a, b] = x.domain();
      line.append("line").attr("x1", left).attr("x2", width - right).attr("y1", d => y(d.at(a))).attr("y2", d => y(d.at(b)))
        .attr("stroke", "var(--soft)").attr("stroke-width", (_, i) => i ? 1.2 : 2).attr("stroke-dasharray", d => d.dash);
      const ends = spread(floors.map(d => y(d.at(b))), 16);
      line.append("text").attr("class", "soft").attr("x", width - right + 8).attr("y", (_, i) => ends[i]).attr("dy", ".35em").text(d => d.name);
      const points = d3.shuffler(d3.randomLcg(1))([...all]).sort((p, q) => (p.variant === current) - (q.variant === current));
      hover(svg.selectAll("circle").data(points).join("circle").attr("class", "mark").attr("r", 5)
        .attr("cx", d => x(work(d))).attr("cy", d => y(seconds(d, d.active_cycles)))
        .attr("fill", d => variantColour(d.variant)).attr("fill-opacity", d => d.variant === current ? 0.85 : 0.4)
        .attr("stroke", "var(--page)").attr("stroke-width", 0.7),
      d => [`${d.variant}: core ${d.core}, layer ${d.layer}`, [["synaptic operations a token", si(work(d), "")],
        ["time a token", si(seconds(d, d.active_cycles), "s")], ...BOUNDS.map(([k, n]) => [n, si(seconds(d, d[k]), "s")]),
        ["bound by", d.bound], ["reached", percent(d.floor_cycles / d.active_cycles)]]]);
    },
  }).redraw();
}

// Slope of the least cost of an operation, so that the line holds for every point; a flat one for traffic.
function floorOf(points, key, name, work, seconds) {
  if (!points.some(d => d[key] > 0)) return null;
  if (key === "link_cycles") {
    const flat = d3.min(points, d => seconds(d, d[key]));
    return { name, at: () => flat, dash: "2 4" };
  }
  const slope = d3.min(points, d => seconds(d, d[key]) / work(d));
  return { name, at: x => slope * x, dash: { npe_cycles: null, controller_cycles: "7 4", memory_cycles: "3 3" }[key] };
}

// -- token by token --------------------------------------------------------------------------

function latency() {
  const labels = RUN.summary.variants.map(v => v.label);
  const measures = [["latency_s", "latency", 1, "s"], ["energy_pj", "energy", 1e-12, "J"]];
  let measure = measures[0];
  const rows = labels.flatMap(label => rowsOf(label, "tokens").map(r => ({ variant: label, ...r })));
  const self = frame({
    id: "tokens", title: "Token by token",
    lead: "Latency from the offer of a token to its answer; energy with the token's share of leakage.",
    table: () => ({ name: "tokens", rows, columns: ["variant", "token", "latency_cycles", "latency_s", "energy_dynamic_pj", "energy_leakage_pj", "energy_pj"] }),
    draw,
  });
  choice(self, "Show", measures.map(m => [m[0], m[1]]), measure[0], id => { measure = measures.find(m => m[0] === id); draw(); });
  function draw() {
    const chart = self.chart, [key, name, factor, unit] = measure;
    chart.selectAll("*").remove();
    const width = widthOf(self), height = 290, left = 84, right = 96, bottom = height - 46;
    const x = d3.scaleLinear([0, Math.max(1, d3.max(rows, r => r.token))], [left, width - right]);
    const y = d3.scaleLinear([0, d3.max(rows, r => r[key] * factor) * 1.06], [bottom, 8]);
    const svg = canvasOf(self, width, height, `${name} of each token: ${labels.map(l => `${l} ${si(d3.median(rows.filter(r => r.variant === l), r => r[key] * factor), unit)}`).join(", ")}`);
    axes(svg, x, y, width - right, bottom, left, "token", `${name} a token`, [v => Number.isInteger(v) ? v : "", v => tick(v, unit)]);
    const ends = spread(labels.map(l => y(rows.findLast(r => r.variant === l)[key] * factor)), 16);
    labels.forEach((label, i) => {
      const own = rows.filter(r => r.variant === label);
      svg.append("path").attr("fill", "none").attr("stroke", variantColour(label)).attr("stroke-width", 2)
        .attr("d", d3.line(r => x(r.token), r => y(r[key] * factor))(own));
      hover(svg.append("g").selectAll("circle").data(own).join("circle").attr("class", "mark").attr("r", own.length > 120 ? 2 : 4)
        .attr("cx", r => x(r.token)).attr("cy", r => y(r[key] * factor)).attr("fill", variantColour(label)),
      r => [`${label}, token ${r.token}`, [["latency", si(r.latency_s, "s")], ["energy", si(r.energy_pj * 1e-12, "J")]]]);
      svg.append("text").attr("x", width - right + 10).attr("y", ends[i]).attr("dy", ".35em").style("fill", variantColour(label))
        .style("font-weight", 600).text(label);
    });
  }
  self.redraw();
}

// -- the page --------------------------------------------------------------------------------

if (RUN) {
  setupTheme();
  if (RUN.summary.variants.length > 1)
    segments("#choose", "Variant", RUN.summary.variants.map(v => [v.label, v.label]), current, label => {
      current = label;
      redraws.forEach(draw => draw());
    });
  redraws.push(tiles);
  tiles();
  comparison();
  energyTree();
  workKinds();
  heatMap();
  mesh();
  sparsity();
  floorline();
  assumptions();
  latency();
  document.documentElement.dataset.ready = "yes";
}
