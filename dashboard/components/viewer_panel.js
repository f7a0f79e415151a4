// What stands around the pictures in words: names, settings, read-out, legend, list of regions.

const LISTED = 8;                // regions of a kind in the list of one run

const element = (tag, name = "", text = "") => Object.assign(document.createElement(tag), { className: name, textContent: text });

function buildPanes(viewer) {    // one figure a pane; those that stand are kept
  const { data } = viewer, holder = viewer.find(".panes");
  const panes = [{ label: "Picture", note: data.picture ? "" : "cannot be shown" }, ...viewer.panes];
  if (holder.children.length !== panes.length) {
    holder.replaceChildren(...panes.map(() => {
      const figure = element("figure", "pane");
      figure.innerHTML = '<figcaption><span class="dot"></span><b></b><span class="note"></span></figcaption>'
        + '<div class="stage"><canvas role="img"></canvas><span class="cross" hidden></span></div><div class="told"></div>';
      watchCanvas(viewer, figure.querySelector("canvas"));
      return figure;
    }));
  }
  panes.forEach((pane, i) => {
    const figure = holder.children[i], dot = figure.querySelector(".dot");
    figure.querySelector("b").textContent = pane.label;
    figure.querySelector(".note").textContent = pane.note;
    dot.style.background = pane.colour || "none";
    dot.style.display = pane.colour ? "" : "none";
    figure.querySelector("canvas").ariaLabel = i
      ? `Heat map of ${pane.label} over the picture. ${pane.note}` : `Picture ${data.caption}`;
  });
}

function markOf(k, viewer) {     // a piece of the outline, so that colour is not the only sign
  return `<svg width="26" height="8" aria-hidden="true"><line x1="1" y1="4" x2="25" y2="4" stroke-width="2.5"
    stroke="${k === ABOVE ? "currentColor" : classColour(k, viewer.colours)}" stroke-dasharray="${DASH[k].join(" ")}"/></svg>`;
}

function showMarks(viewer) {
  viewer.find(".marks").replaceChildren(...viewer.kinds.map((k) => {
    const mark = element("span");
    mark.innerHTML = markOf(k, viewer);
    mark.append(viewer.words[k]);
    return mark;
  }));
}

function showLevels(viewer) {    // the named thresholds of these panes, and the colour maps
  const names = [...new Set(viewer.panes.flatMap((pane) => pane.thresholds.map(([name]) => name)))];
  if (!names.includes(viewer.state.level)) viewer.state.level = names[0] ?? null;
  const select = viewer.find(".level");
  select.replaceChildren(...names.map((name) => new Option(name, name)), new Option("set by hand", ""));
  const maps = Object.keys(viewer.data.heat);
  if (!maps.includes(viewer.state.map)) viewer.state.map = maps[0];
  viewer.find(".map").replaceChildren(...maps.map((name) => new Option(name, name)));
}

function showLegend(viewer) {
  const canvas = viewer.find(".legend"), width = Math.max(60, canvas.clientWidth || 300);
  canvas.width = width;
  const ends = viewer.find(".legend-ends"), { calibrated, panes } = viewer, one = panes[0]?.cal;
  drawLegend(canvas.getContext("2d"), 0, 0, width, 9, viewer.stops, calibrated);
  const names = calibrated ? ["1 in 20", "1 in 1,000", "1 in 100,000"]
    : panes.length === 1 ? [digits(one.low), digits((one.low + one.high) / 2), digits(one.high)] : ["low", "", "high"];
  ends.replaceChildren(...names.map((name) => element("span", "", name)));
  viewer.legendWords = calibrated ? "1 in 20 … 1 in 100,000 normal pixels this hot or hotter"
    : panes.some((pane) => pane.cal.xs) ? "raw score, the same scale for every picture of the class"
    : "raw score, the scale of this picture alone: no normal pixels are known to compare with";
  viewer.find(".legend-words").textContent = calibrated ? "normal pixels this hot or hotter" : viewer.legendWords;
  canvas.ariaLabel = viewer.legendWords;
}

function showSettings(viewer) {  // sliders, switches and numbers say what is set
  const { state, panes } = viewer, first = panes[0], slider = viewer.find("#threshold");
  const position = state.position ?? (first ? positionOf(first.cal, first.threshold) : 0);
  slider.value = Math.round(position * 1000);
  slider.disabled = !first;
  viewer.find("#opacity").value = state.opacity;
  viewer.find("output.opacity").textContent = `${state.opacity} %`;
  viewer.find(".level").value = state.position === null ? state.level ?? "" : "";
  viewer.find(".map").value = state.map;
  viewer.find(".scale").value = state.scale;
  const at = !first ? "" : panes.length === 1 || state.position === null || !first.cal.xs
    ? digits(first.threshold) : oneIn(shareAt(first.cal, first.threshold));
  viewer.find("output.at").textContent = panes.length > 1 && state.position === null ? "each its own" : at;
  slider.ariaValueText = first ? `${digits(first.threshold)}, ${oneIn(shareAt(first.cal, first.threshold))}` : "";
  const known = first?.cal.xs;
  viewer.find(".ends-low").textContent = known ? "1 in 2 normal pixels" : first ? digits(first.cal.low) : "";
  viewer.find(".ends-high").textContent = known ? "beyond every normal pixel" : first ? digits(first.cal.high) : "";
  for (const button of viewer.root.querySelectorAll("button[data-do]")) {
    const { do: what, value } = button.dataset;
    const on = { heat: state.heat, regions: state.regions === value, truth: state.truth && Boolean(viewer.mask), blink: state.blink }[what];
    if (on !== undefined) button.setAttribute("aria-pressed", String(on));
    if (what === "truth") button.disabled = !viewer.mask;
    if (what === "previous" || what === "next") button.disabled = !viewer.data[what];
  }
  showReadout(viewer);
}

function showReadout(viewer) {   // under each picture: the pixel under the cursor, else the threshold
  const at = viewer.state.cursor, { width, height } = viewer.data;
  viewer.root.querySelectorAll(".told").forEach((told, i) => {
    const pane = viewer.panes[i - 1];
    if (!pane) {
      told.textContent = at && width ? `x ${Math.floor(at.x * width)}, y ${Math.floor(at.y * height)}` : width ? `${width} × ${height} px` : "";
      return;
    }
    if (!at) { told.textContent = viewer.toldOf(pane); return; }
    const { w, h, codes } = pane.map;
    const x = clamp(Math.floor(at.x * w), 0, w - 1), y = clamp(Math.floor(at.y * h), 0, h - 1);
    const v = VALUE[codes[y * w + x]], share = Number.isNaN(v) ? null : shareAt(pane.cal, v);
    const words = share === null ? "" : share === 0 ? " · hotter than every normal pixel seen" : ` · ${oneIn(share)} this hot or hotter`;
    told.replaceChildren(element("strong", "", `score ${digits(v)}`), words);
  });
}

// -- the list of regions ---------------------------------------------------------------------------
function showSide(viewer) {      // per run: its facts, the true regions (missed first), what it invents
  const side = viewer.find(".side"), at = side.scrollTop;
  side.hidden = !viewer.panes.length || viewer.data.present;
  if (side.hidden) return;
  side.replaceChildren(...viewer.panes.map((pane, i) => runCard(viewer, pane, i)));
  side.scrollTop = at;
}

function runCard(viewer, pane, nth) {
  const card = element("section", "run"), head = element("h3"), { counts, truth, map } = pane;
  if (pane.colour) head.append(Object.assign(element("span", "dot"), { style: `background:${pane.colour}` }));
  head.append(element("b", "", pane.label));
  card.append(head);
  const facts = [...pane.facts];
  const union = counts[FOUND] + counts[ALARM] + counts[MISSED];
  const peak = VALUE[map.high], share = shareAt(pane.cal, peak);
  facts.push(["hottest pixel", digits(peak)]);
  if (share !== null) facts.push(["as hot or hotter", share ? oneIn(share).replace(" pixels", "") : "no normal pixel"]);
  if (truth?.regions.length) facts.push(["overlap (IoU)", union ? (counts[FOUND] / union).toFixed(2) : "–"]);
  else facts.push(["above the threshold", percent((counts[ALARM] + counts[ABOVE]) / map.codes.length)]);
  const list = element("dl");
  for (const [name, value] of facts) list.append(element("dt", "", name), element("dd", "", value));
  card.append(list);
  const real = trueRegions(pane), hot = hotRegions(pane);
  card.append(regionTable(viewer, pane, nth, real, hot));
  const rest = [[real.length - LISTED, "true region", "true regions"], [hot.length - LISTED, ...viewer.several(truth)]]
    .filter(([n]) => n > 0).map(([n, one, more]) => `${n} more ${n === 1 ? one : more}`);
  if (rest.length) card.append(element("p", "rest", `and ${rest.join(", ")}, smaller or cooler`));
  return card;
}

function regionTable(viewer, pane, nth, real, hot) {
  if (!real.length && !hot.length) return element("p", "rest", "No region reaches the threshold.");
  const table = element("table"), head = element("tr");
  for (const name of ["Region", "Area", "Peak", "Covered"]) head.append(Object.assign(element("th", "", name), { scope: "col" }));
  table.append(head);
  const rows = [...real.slice(0, LISTED), ...hot.slice(0, LISTED)];
  for (const region of rows) {
    const row = element("tr", "region"), name = element("td"), button = element("button", "spot");
    const [few, sentence] = distance(pane.cal, region.peak, pane.threshold), word = viewer.words[region.kind];
    button.type = "button";
    button.innerHTML = markOf(region.kind, viewer);
    button.append(element("span", "", word));
    button.ariaLabel = `${word}, ${region.area} pixels: show it`;
    button.onclick = () => viewer.focus(pane, region);
    row.dataset.kind = region.kind;
    row.title = sentence;
    name.append(button);
    row.append(name, element("td", "", `${region.area.toLocaleString("en")} px`), element("td", "", digits(region.peak)),
      element("td", "", region.share === undefined ? "" : percent(region.share)));
    const second = element("tr", "aside");
    second.append(Object.assign(element("td", "", few), { colSpan: 3 }),
      Object.assign(element("td", "", percent(region.area / pane.map.codes.length)), { title: "of the image" }));
    table.append(row, second);
  }
  return table;
}
