// Axes and labels that the charts of all pages share.

// Move labels apart that would overlap, keeping their order.
function spread(places, room) {
  const order = d3.range(places.length).sort((a, b) => places[a] - places[b]), out = [...places];
  for (let i = 1; i < order.length; i++) out[order[i]] = Math.max(out[order[i]], out[order[i - 1]] + room);
  return out;
}

function axes(svg, x, y, right, bottom, left, xName, yName, formats = [v => tick(v, ""), v => tick(v, "s")]) {
  const ticks = scale => scale.base ? logTicks(scale) : scale.ticks ? scale.ticks(6) : scale.domain();
  svg.append("g").attr("class", "grid").attr("transform", `translate(${left},0)`)
    .call(d3.axisLeft(y).tickValues(ticks(y)).tickSize(left - right).tickFormat(""));
  if (formats[0]) svg.append("g").attr("transform", `translate(0,${bottom})`)
    .call(d3.axisBottom(x).tickValues(ticks(x)).tickFormat(formats[0]).tickSizeOuter(0));
  svg.append("g").attr("transform", `translate(${left},0)`)
    .call(d3.axisLeft(y).tickValues(ticks(y)).tickFormat(formats[1]).tickSizeOuter(0));
  svg.append("text").attr("class", "soft").attr("x", (left + right) / 2).attr("y", bottom + 38).attr("text-anchor", "middle").text(xName);
  svg.append("text").attr("class", "soft").attr("transform", `translate(14,${(bottom + 10) / 2}) rotate(-90)`)
    .attr("text-anchor", "middle").text(yName);
}

function logTicks(scale) {
  const [low, high] = scale.domain(), found = [];
  const steps = high / low > 200 ? [1] : high / low > 12 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
  for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++)
    for (const s of steps) if (s * 10 ** e >= low && s * 10 ** e <= high) found.push(s * 10 ** e);
  return found.length > 1 ? found : [low, high];
}
