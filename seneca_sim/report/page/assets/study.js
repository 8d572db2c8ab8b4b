// The study page: filters, front, parallel axes, scaling curves, points.

const STUDY = DATA.kind === "study" ? DATA : null;
const POINTS = STUDY ? STUDY.rows.map((line, index) => ({ index, ...Object.fromEntries(STUDY.columns.map((c, i) => [c, line[i]])) })) : [];
const AXES = STUDY ? STUDY.axes.filter(a => a.values.length > 1) : [];
const axisOf = name => STUDY.axes.find(a => a.name === name);
const wayOf = name => (STUDY.objectives.find(o => o[0] === name) || [name, "minimize"])[1];
const allowed = new Map();   // axis -> values that pass
const brushed = new Map();   // axis or metric -> [from, to] in the parallel axes
let colourBy = null;
let focused = null;

function numberOf(name, value) {
  const axis = axisOf(name);
  if (!axis) return value;
  const index = axis.values.indexOf(value);
  return axis.numbers ? axis.numbers[index] : index;
}

function passes(point) {
  for (const [name, values] of allowed) if (!values.has(point[name])) return false;
  for (const [name, [low, high]] of brushed) {
    const value = numberOf(name, point[name]);
    if (value === null || value < low || value > high) return false;
  }
  return true;
}

const passing = () => POINTS.filter(passes);
const refresh = () => redraws.forEach(draw => draw());

// Points that no other of them beats.
function frontOf(points, names) {
  const cost = p => names.map(n => wayOf(n) === "maximize" ? -p[n] : p[n]);
  const sorted = points.filter(p => names.every(n => Number.isFinite(p[n]))).map(p => [p, cost(p)])
    .sort((a, b) => d3.ascending(a[1][0], b[1][0]) || d3.ascending(a[1][1], b[1][1]) || d3.ascending(a[1][2], b[1][2]));
  const found = [];
  for (const [p, c] of sorted)
    if (!found.some(([, f]) => f.every((v, i) => v <= c[i]) && f.some((v, i) => v < c[i]))) found.push([p, c]);
  return found.map(f => f[0]);
}

function describe(point) {
  const metrics = [...new Set([...STUDY.objectives.map(o => o[0]), ...STUDY.report])];
  return [AXES.map(a => `${a.name} ${point[a.name]}`).join(", "), metrics.map(m => [nameOf(m), shown(m, point[m])])];
}

// -- colours ---------------------------------------------------------------------------------

function colourScale() {
  const axis = axisOf(colourBy);
  if (axis && !axis.numbers) return { of: p => `var(--v${axis.values.indexOf(p[colourBy]) % 6})`, entries: axis.values.map((v, i) => [String(v), `var(--v${i % 6})`]) };
  if (axis) {
    const at = i => mark(axis.values.length > 1 ? i / (axis.values.length - 1) : 1);
    return { of: p => at(axis.values.indexOf(p[colourBy])), entries: axis.values.length <= 14 ? axis.values.map((v, i) => [String(v), at(i)]) : null,
      ends: [axis.values[0], axis.values.at(-1)] };
  }
  const [low, high] = d3.extent(POINTS, p => p[colourBy]);
  const scale = low > 0 && high / low > 20 ? d3.scaleLog([low, high], [0, 1]) : d3.scaleLinear([low, high], [0, 1]);
  return { of: p => p[colourBy] === null ? "var(--line)" : mark(high > low ? scale(p[colourBy]) : 1), ends: [shown(colourBy, low), shown(colourBy, high)] };
}

// Marks on the page itself need contrast at both ends.
function mark(share) {
  return dark() ? d3.interpolatePlasma(0.22 + 0.74 * share) : d3.interpolateViridis(0.86 * (1 - share));
}

const colourName = () => axisOf(colourBy) ? colourBy : nameOf(colourBy);

function colourLegend(chart, scale) {
  if (scale.entries) legend(chart, scale.entries).insert("span", ":first-child").text(`${colourName()}:`);
  else {
    const box = chart.append("div").attr("class", "legend"), line = box.append("span").style("display", "inline-flex").style("align-items", "center");
    line.append("span").text(`${colourName()}: ${scale.ends[0]}`);
    line.append("span").attr("class", "ramp").style("background", `linear-gradient(90deg,${d3.range(0, 1.01, 0.1).map(mark).join(",")})`);
    line.append("span").text(scale.ends[1]);
  }
}

// -- figures and filters -----------------------------------------------------------------------

function studyTiles() {
  const points = passing();
  const list = STUDY.objectives.map(([name, way]) => {
    const best = (way === "maximize" ? d3.greatest : d3.least)(points, p => p[name]);
    return [`${way === "maximize" ? "Highest" : "Lowest"} ${nameOf(name)}`, best ? shown(name, best[name]) : "–",
      best ? AXES.map(a => `${a.name.split(".").at(-1).replaceAll("_", " ")} ${best[a.name]}`).join(", ") : "no point passes"];
  });
  list.push(["Points", `${count(points.length)} of ${count(POINTS.length)}`, "pass the filters"]);
  const box = d3.select("#tiles").selectAll(".tile").data(list).join("div").attr("class", "tile");
  box.selectAll("div").data(d => d).join("div").attr("class", (_, i) => ["name", "value", "more"][i]).text(d => d);
}

function filters() {
  const box = d3.select("#charts").append("section").attr("id", "filters").attr("aria-labelledby", "filters-title");
  box.append("h2").attr("id", "filters-title").text("Filters");
  box.append("p").attr("class", "lead").text("They hold for all that is shown below. Metrics are filtered by brushing the parallel axes.");
  const panel = box.append("div").attr("class", "filters");
  for (const axis of AXES) axis.values.length <= 12 ? boxes(panel, axis) : range(panel, axis);
  box.append("div").attr("class", "foot").append("button").attr("type", "button").attr("id", "reset").text("Reset filters")
    .on("click", () => {
      allowed.clear();
      brushed.clear();
      panel.selectAll("input[type=checkbox]").property("checked", true);
      panel.selectAll("input[type=range]").each(function () { this.value = this.dataset.start; }).dispatch("input");
      refresh();
    });
}

function boxes(panel, axis) {
  const set = panel.append("fieldset");
  set.append("legend").text(axis.name);
  const label = set.selectAll("label").data(axis.values).join("label");
  label.append("input").attr("type", "checkbox").property("checked", true).attr("data-axis", axis.name).attr("data-value", v => v)
    .on("change", () => {
      const kept = label.select("input").nodes().filter(n => n.checked).map(n => d3.select(n).datum());
      kept.length === axis.values.length ? allowed.delete(axis.name) : allowed.set(axis.name, new Set(kept));
      refresh();
    });
  label.append("span").text(v => v);
}

function range(panel, axis) {
  const set = panel.append("fieldset"), last = axis.values.length - 1;
  set.append("legend").text(axis.name);
  const line = set.append("div").attr("class", "range"), says = set.append("div").style("font-size", "13px");
  const ends = ["from", "to"].map((what, i) => line.append("input").attr("type", "range").attr("min", 0).attr("max", last)
    .attr("data-start", i * last).attr("value", i * last).attr("aria-label", `${axis.name} ${what}`).on("input", change));
  function change() {
    const [a, b] = ends.map(e => +e.property("value")).sort(d3.ascending);
    says.text(`${axis.values[a]} to ${axis.values[b]}`);
    a === 0 && b === last ? allowed.delete(axis.name) : allowed.set(axis.name, new Set(axis.values.slice(a, b + 1)));
    refresh();
  }
  says.text(`${axis.values[0]} to ${axis.values[last]}`);
}

// -- the front ---------------------------------------------------------------------------------

function scaleOf(name, points, places) {
  const [low, high] = d3.extent(points, p => p[name]);
  if (low > 0 && high / low > 8) return d3.scaleLog([low / 1.12, high * 1.12], places);
  const pad = (high - low || Math.abs(high) || 1) * 0.06;
  return d3.scaleLinear([low - pad, high + pad], places);
}

const tickOf = name => v => {
  const { factor, unit } = unitOf(name);
  return unit === "%" ? percent(v) : unit === "mm²" ? `${short(v)}${NBSP}mm²` : unit ? tick(v * factor, unit) : tick(v, "");
};

const metricOptions = () => STUDY.metrics.map(m => [m, nameOf(m)]);
const colourOptions = () => [...AXES.map(a => [a.name, a.name]), ...metricOptions()];

function paretoChart() {
  const names = STUDY.objectives.map(o => o[0]);
  let [xName, yName] = [names[0] || STUDY.metrics[0], names[1] || STUDY.metrics[1] || STUDY.metrics[0]];
  const self = frame({
    id: "pareto", title: "Front",
    lead: "Each point is a run. The line joins the points that none of those shown beats in the two quantities of the axes; rings mark those that none beats in all objectives of the study.",
    table: () => {
      const all = new Set(frontOf(passing(), names)), two = new Set(frontOf(passing(), [xName, yName]));
      const rows = passing().filter(p => all.has(p) || two.has(p)).map(p => ({ ...p, on_line: two.has(p) ? "yes" : "no", on_front: all.has(p) ? "yes" : "no" }));
      return { name: `front-${STUDY.name}`, rows, columns: [...STUDY.axes.map(a => a.name), ...new Set([xName, yName, ...names, ...STUDY.report]), "on_line", "on_front"] };
    },
    draw,
  });
  choice(self, "Across", metricOptions(), xName, v => { xName = v; self.redraw(); });
  choice(self, "Up", metricOptions(), yName, v => { yName = v; self.redraw(); });
  choice(self, "Colour", colourOptions(), colourBy, v => { colourBy = v; refresh(); });
  function draw() {
    const chart = self.chart, points = passing().filter(p => Number.isFinite(p[xName]) && Number.isFinite(p[yName]));
    chart.selectAll("*").remove();
    const scale = colourScale();
    colourLegend(chart, scale);
    if (!points.length) return void chart.append("p").text("No point passes the filters.");
    const width = widthOf(self), height = 480, left = 92, bottom = height - 48;
    const x = scaleOf(xName, points, [left, width - 20]), y = scaleOf(yName, points, [bottom, 10]);
    const svg = canvasOf(self, width, height, `${points.length} points: ${nameOf(yName)} against ${nameOf(xName)}`);
    axes(svg, x, y, width - 20, bottom, left, nameOf(xName), nameOf(yName), [tickOf(xName), tickOf(yName)]);
    const line = frontOf(points, [xName, yName]).sort((a, b) => a[xName] - b[xName]);
    const stepped = (wayOf(xName) === "maximize") === (wayOf(yName) === "maximize") && wayOf(xName) === "minimize" ? d3.curveStepAfter : d3.curveLinear;
    svg.append("path").attr("class", "front").attr("fill", "none").attr("stroke", "var(--soft)").attr("stroke-width", 1.3)
      .attr("d", d3.line(p => x(p[xName]), p => y(p[yName])).curve(stepped)(line));
    svg.append("g").selectAll("circle").data(points).join("circle").attr("class", "mark").attr("r", points.length > 400 ? 3.6 : 5)
      .attr("cx", p => x(p[xName])).attr("cy", p => y(p[yName])).attr("fill", scale.of).attr("fill-opacity", 0.85)
      .attr("stroke", "var(--page)").attr("stroke-width", 0.6);
    svg.append("g").selectAll("circle").data(names.length ? frontOf(points, names) : []).join("circle").attr("class", "ring")
      .attr("r", points.length > 400 ? 6 : 8).attr("cx", p => x(p[xName])).attr("cy", p => y(p[yName]))
      .attr("fill", "none").attr("stroke", "var(--ink)").attr("stroke-width", 1.4);
    const halo = svg.append("circle").attr("r", 10).attr("fill", "none").attr("stroke", "var(--accent)").attr("stroke-width", 2.5).style("display", "none");
    const net = d3.Delaunay.from(points, p => x(p[xName]), p => y(p[yName]));
    svg.append("rect").attr("class", "sense").attr("x", left).attr("y", 0).attr("width", width - left).attr("height", bottom).attr("fill", "transparent")
      .on("pointermove", event => {
        const [px, py] = d3.pointer(event, svg.node()), p = points[net.find(px, py)];
        if (Math.hypot(x(p[xName]) - px, y(p[yName]) - py) > 40) return leave();
        halo.attr("cx", x(p[xName])).attr("cy", y(p[yName])).style("display", null);
        showTip(event, ...describe(p));
        focus(p);
      }).on("pointerleave", leave);
    function leave() {
      halo.style("display", "none");
      hideTip();
      focus(null);
    }
  }
  self.redraw();
}

// -- parallel axes -------------------------------------------------------------------------------

let focus = () => {};

function parallel() {
  const names = [...AXES.map(a => a.name), ...new Set([...STUDY.objectives.map(o => o[0]), ...STUDY.report])];
  const self = frame({
    id: "parallel", title: "Parallel axes",
    lead: "A line is a point of the study. Drag along an axis to keep the points that pass there; click the axis to let go.",
    table: () => ({ name: `points-${STUDY.name}`, rows: passing(), columns: ["run_id", ...names] }),
    draw,
  });
  function draw() {
    const chart = self.chart;
    chart.selectAll("*").remove();
    colourLegend(chart, colourScale());
    const width = widthOf(self), height = 400, top = 44, bottom = height - 14, left = 70, right = 70;
    const x = d3.scalePoint(names, [left, width - right]), scale = colourScale();
    const ys = new Map(names.map(name => [name, axisScale(name, [bottom, top])]));
    const svg = canvasOf(self, width, height, `Parallel axes: ${names.map(nameOf).join(", ")}`);
    const place = (name, p) => ys.get(name)(numberOf(name, p[name]));
    const path = p => d3.line(n => x(n), n => place(n, p)).defined(n => Number.isFinite(numberOf(n, p[n])))(names);
    const keep = new Set(passing().map(p => p.index));
    const opacity = keep.size > 400 ? 0.28 : keep.size > 80 ? 0.5 : 0.8;
    svg.append("g").attr("fill", "none").attr("stroke", "var(--grid)").selectAll("path").data(POINTS.filter(p => !keep.has(p.index))).join("path").attr("d", path);
    svg.append("g").attr("fill", "none").attr("stroke-opacity", opacity).selectAll("path").data(POINTS.filter(p => keep.has(p.index)))
      .join("path").attr("class", "mark").attr("stroke", scale.of).attr("d", path);
    const over = svg.append("path").attr("fill", "none").attr("stroke", "var(--ink)").attr("stroke-width", 2.6);
    focus = p => over.attr("d", p ? path(p) : null);
    const g = svg.selectAll("g.axis").data(names).join("g").attr("class", "axis").attr("transform", n => `translate(${x(n)},0)`);
    g.each(function (name) { d3.select(this).call(axisMarks(name, ys.get(name))); });
    g.selectAll(".tick text").attr("stroke", "var(--page)").attr("stroke-width", 4).attr("paint-order", "stroke");
    const most = Math.max(8, Math.floor((x.step() || 200) / 7.4));
    const words = n => (axisOf(n) ? n.split(".").at(-1) : nameOf(n)).replaceAll("_", " ");
    const label = g.append("text").attr("text-anchor", "middle").style("font-weight", 600).attr("y", 12);
    label.selectAll("tspan").data(n => wrap(words(n), most)).join("tspan").attr("x", 0).attr("dy", (_, i) => i ? 13 : 0).text(d => d);
    g.append("g").attr("class", "brush").each(function (name) {
      const brush = d3.brushY().extent([[-12, top], [12, bottom]]).on("end", ({ selection, sourceEvent }) => {
        if (!sourceEvent) return;
        const y = ys.get(name);
        if (selection) brushed.set(name, invert(name, y, selection));
        else brushed.delete(name);
        refresh();
      });
      d3.select(this).call(brush);
      if (brushed.has(name)) {
        const [low, high] = brushed.get(name).map(v => Math.max(top, Math.min(bottom, ys.get(name)(v))));
        if (Number.isFinite(low) && Number.isFinite(high)) d3.select(this).call(brush.move, [high, low]);
      }
    });
  }
  self.redraw();
}

function wrap(text, most) {
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1) && lines.at(-1).length + word.length + 1 > most) lines.push("");
    lines[lines.length - 1] += (lines.at(-1) ? " " : "") + word;
  }
  return lines.length > 2 ? [lines[0], lines.slice(1).join(" ")] : lines;
}

function axisScale(name, places) {
  const axis = axisOf(name);
  const values = axis ? axis.values.map(v => numberOf(name, v)) : POINTS.map(p => p[name]).filter(Number.isFinite);
  const [low, high] = d3.extent(values);
  if (low > 0 && high / low > 6) return d3.scaleLog([low, high], places);
  return d3.scaleLinear(low === high ? [low - 1, high + 1] : [low, high], places);
}

function axisMarks(name, y) {
  const axis = axisOf(name), marks = d3.axisLeft(y).tickSizeOuter(0);
  if (axis) {
    const every = Math.ceil(axis.values.length / 14), kept = axis.values.filter((_, i) => i % every === 0);
    const text = new Map(kept.map(v => [numberOf(name, v), String(v)]));
    return marks.tickValues([...text.keys()]).tickFormat(v => text.get(v));
  }
  const ticks = y.base ? logTicks(y) : y.ticks(6);
  return marks.tickValues(ticks).tickFormat(tickOf(name));
}

function invert(name, y, [high, low]) {
  const [a, b] = [y.invert(low), y.invert(high)];
  const slack = Math.abs(b - a) * 1e-9;
  return [a - slack, b + slack];
}

// -- scaling curves ------------------------------------------------------------------------------

function scaling() {
  if (!AXES.length) return;
  // Along the first axis with enough values for a curve; a line for each value of a short axis.
  let xName = (AXES.find(a => a.numbers && a.values.length > 4) || AXES.find(a => a.numbers) || AXES[0]).name;
  let yName = (STUDY.objectives[1] || STUDY.objectives[0] || [STUDY.metrics[0]])[0];
  const others = AXES.filter(a => a.name !== xName);
  let series = (others.find(a => a.numbers && a.values.length <= 8) || others[0] || AXES[0]).name, how = "best";
  const HOW = { best: "best of the others", median: "median of the others" };
  const self = frame({
    id: "scaling", title: "Scaling curves",
    lead: "How a quantity changes along one axis. Points that differ in further axes are summed up by their best or their median.",
    table: () => ({ name: `scaling-${STUDY.name}`, rows: curves().flatMap(c => c.points.map(p => ({ [series]: c.key, [xName]: p.value, [yName]: p.y, points: p.n }))),
      columns: [...new Set([series, xName, yName, "points"])] }),
    draw,
  });
  const options = AXES.map(a => [a.name, a.name]);
  choice(self, "Along", options, xName, v => { xName = v; self.redraw(); });
  choice(self, "Up", metricOptions(), yName, v => { yName = v; self.redraw(); });
  choice(self, "A line for each", options, series, v => { series = v; self.redraw(); });
  choice(self, "Take", Object.entries(HOW), how, v => { how = v; self.redraw(); });
  function curves() {
    const best = wayOf(yName) === "maximize" ? d3.max : d3.min;
    const groups = d3.group(passing().filter(p => Number.isFinite(p[yName])), p => p[series]);
    return axisOf(series).values.filter(v => groups.has(v)).map(key => {
      const at = d3.rollup(groups.get(key), r => ({ y: (how === "best" ? best : d3.median)(r, p => p[yName]), n: r.length }), p => p[xName]);
      return { key, points: axisOf(xName).values.filter(v => at.has(v)).map(value => ({ value, x: numberOf(xName, value), ...at.get(value) })) };
    });
  }
  function draw() {
    const chart = self.chart, lines = curves(), all = lines.flatMap(l => l.points);
    chart.selectAll("*").remove();
    if (!all.length) return void chart.append("p").text("No point passes the filters.");
    const axis = axisOf(xName), width = widthOf(self), height = 400, left = 92, right = 130, top = 30, bottom = height - 48;
    const xs = all.map(p => p.x), x = d3.min(xs) > 0 && d3.max(xs) / d3.min(xs) > 6 ? d3.scaleLog(d3.extent(xs), [left + 8, width - right]) : d3.scaleLinear(d3.extent(xs), [left + 8, width - right]);
    const [low, high] = d3.extent(all, p => p.y);
    const y = low > 0 && high / low > 20 ? d3.scaleLog([low / 1.15, high * 1.15], [bottom, top]) : d3.scaleLinear([Math.min(0, low), high * 1.06], [bottom, top]);
    const svg = canvasOf(self, width, height, `${nameOf(yName)} along ${xName}, a line for each ${series}`);
    axes(svg, x, y, width - right, bottom, left, xName, nameOf(yName), [null, tickOf(yName)]);
    svg.selectAll("g.own").data([0]).join("g").attr("class", "own").attr("transform", `translate(0,${bottom})`)
      .call(d3.axisBottom(x).tickValues(roomy(axis, x)).tickFormat(v => axis.values[axis.numbers ? axis.numbers.indexOf(v) : v]).tickSizeOuter(0));
    const shade = l => axisOf(series).numbers ? mark(axisOf(series).values.length > 1 ? axisOf(series).values.indexOf(l.key) / (axisOf(series).values.length - 1) : 1) : `var(--v${axisOf(series).values.indexOf(l.key) % 6})`;
    const ends = lines.map(l => l.points.at(-1)), rows = spreadColumns(ends.map(p => [x(p.x), y(p.y)]), 14);
    lines.forEach((l, i) => {
      svg.append("path").attr("fill", "none").attr("stroke", shade(l)).attr("stroke-width", 2).attr("d", d3.line(p => x(p.x), p => y(p.y))(l.points));
      hover(svg.append("g").selectAll("circle").data(l.points).join("circle").attr("class", "mark").attr("r", 4.5).attr("fill", shade(l)).attr("cx", p => x(p.x)).attr("cy", p => y(p.y)),
        p => [`${series} ${l.key}, ${xName} ${p.value}`, [[nameOf(yName), shown(yName, p.y)], ["points", count(p.n)]]]);
      if (lines.length > 24) return;
      svg.append("text").attr("x", x(ends[i].x) + 10).attr("y", rows[i]).attr("dy", ".35em").style("font-weight", 600)
        .text(i ? l.key : `${series.split(".").at(-1).replaceAll("_", " ")} ${l.key}`);
    });
  }
  self.redraw();
}

// Labels move apart only from those that end beside them; they go up, away from the axis.
function spreadColumns(places, room) {
  const out = places.map(p => p[1]);
  for (const [, column] of d3.group(d3.range(places.length), i => Math.round(places[i][0])))
    spread(column.map(i => -places[i][1]), room).forEach((v, k) => { out[column[k]] = -v; });
  return out;
}

// Values of an axis that have room for their labels.
function roomy(axis, x) {
  let last = -Infinity;
  return axis.values.map((v, i) => axis.numbers ? axis.numbers[i] : i).filter(v => {
    if (x(v) - last < 34 || x(v) > x.range()[1] + 1) return false;
    last = x(v);
    return true;
  });
}

// -- all points ----------------------------------------------------------------------------------

function pointsTable() {
  const metrics = [...new Set([...STUDY.objectives.map(o => o[0]), ...STUDY.report])];
  const columns = [...STUDY.axes.map(a => a.name), ...metrics];
  const self = frame({
    id: "points", title: "Points",
    isTable: true, lead: "Those that pass the filters. The CSV has every metric of each.",
    table: () => ({ name: `all-${STUDY.name}`, rows: passing(), columns: STUDY.columns }),
    draw: s => {
      s.chart.selectAll("*").remove();
      const box = s.chart.append("div").attr("class", "scroll").attr("tabindex", 0).attr("role", "region").attr("aria-label", "Points");
      fillTable(box.node(), passing(), columns);
    },
  });
  self.redraw();
  if (!STUDY.failed.length) return;
  const reasons = d3.rollups(STUDY.failed, r => r.length, f => f.error).sort((a, b) => b[1] - a[1]);
  frame({
    id: "failed", title: STUDY.failed.length === 1 ? "1 point that could not run" : `${count(STUDY.failed.length)} points that could not run`, level: "h3", into: "#points",
    table: () => ({ name: `failed-${STUDY.name}`, rows: STUDY.failed, columns: [...STUDY.axes.map(a => a.name), "status", "error"] }),
    draw: s => {
      s.chart.selectAll("*").remove();
      s.chart.selectAll("p").data(reasons.slice(0, 3)).join("p").attr("class", "note").text(([error, n]) => `${n} × ${error}`);
      if (reasons.length > 3) s.chart.append("p").attr("class", "note").text(`and ${reasons.length - 3} more reasons, see the table.`);
    },
  }).redraw();
}

if (STUDY) {
  setupTheme();
  const third = STUDY.objectives[2];
  colourBy = AXES.length ? AXES[0].name : third ? third[0] : STUDY.metrics[0];
  redraws.push(studyTiles);
  studyTiles();
  filters();
  paretoChart();
  parallel();
  scaling();
  pointsTable();
  document.documentElement.dataset.ready = "yes";
}
