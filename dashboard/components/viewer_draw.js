// Drawing of the viewer: layers of a pane, one pane onto one canvas.

const DASH = { [FOUND]: [], [ALARM]: [7, 4], [MISSED]: [2, 3], [ABOVE]: [] };

function classColour(k, colours) {
  return k === FOUND ? colours.found : k === ALARM ? colours["false alarm"] : k === MISSED ? colours.missed : "#ffffff";
}

function halo(colour) {          // what sets a line apart from the picture
  const [r, g, b] = rgb(colour);
  return 0.3 * r + 0.59 * g + 0.11 * b < 100 ? "rgba(255,255,255,0.85)" : "rgba(8,11,14,0.75)";
}

function paintHeat(pane, stops, calibrated) {
  const { w, h, codes, low, high } = pane.map, table = heatTable(low, high, pane.cal, stops, calibrated);
  const canvas = pane.heat ??= new OffscreenCanvas(w, h), context = canvas.getContext("2d");
  const image = new ImageData(w, h), pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = table[codes[i]];
  context.putImageData(image, 0, 0);
  pane.painted = (pane.painted ?? 0) + 1;    // layers made from the heat are out of date
}

function paintClasses(pane, colours, filled) {       // classes, outlines and, where wanted, the filled regions
  const { w, h } = pane.map, at = codeOf(pane.threshold), ink = JSON.stringify(colours);
  if (pane.ink !== ink || (filled && !pane.fill)) {
    pane.ink = ink;
    pane.at = undefined;
    pane.words = new Uint32Array(5);
    const bytes = new Uint8Array(pane.words.buffer);
    for (const k of [FOUND, ALARM, MISSED, ABOVE]) bytes.set([...rgb(classColour(k, colours)), 150], 4 * k);
    if (filled) {
      pane.image ??= new ImageData(w, h);
      pane.fill = new Uint32Array(pane.image.data.buffer);
      pane.regions ??= new OffscreenCanvas(w, h);
    }
  }
  if (pane.at === undefined) classify(pane, at);
  else if (pane.at !== at) moveThreshold(pane, at);
  pane.lines = null;             // made when they are drawn
}

function flush(pane) {           // what changed of the filled regions goes onto their layer
  if (!pane.dirty || !pane.fill) return;
  const [x0, y0, x1, y1] = pane.dirty;
  pane.regions.getContext("2d").putImageData(pane.image, 0, 0, x0, y0, x1 - x0, y1 - y0);
  pane.dirty = null;
}

// Where the picture lies on a canvas of that size: {x, y, width, height}.
function placed(view, width, height, aspect) {
  const base = Math.min(width / aspect, height), w = base * aspect * view.scale, h = base * view.scale;
  return { x: width / 2 - view.cx * w, y: height / 2 - view.cy * h, width: w, height: h };
}

// Closed lines as a path on the screen: points nearer than `step` to the last one add nothing, lines
// beside the canvas are left out.
function pathOf({ xy, ends }, box, w, h, step, width, height) {
  const path = new Path2D(), sx = box.width / w, sy = box.height / h;
  for (let n = 0, i = 0; n < ends.length; n++) {
    const first = i, last = ends[n];
    let left = Infinity, right = -Infinity, top = Infinity, bottom = -Infinity;
    for (let j = first; j < last; j++) {
      const x = xy[2 * j], y = xy[2 * j + 1];
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      if (y > bottom) bottom = y;
    }
    i = last;
    if (box.x + right * sx < -9 || box.x + left * sx > width + 9 || box.y + bottom * sy < -9 || box.y + top * sy > height + 9) continue;
    let px = NaN, py = NaN;
    for (let j = first; j < last; j++) {
      const x = box.x + xy[2 * j] * sx, y = box.y + xy[2 * j + 1] * sy;
      if (j === first) path.moveTo(x, y);
      else if (Math.abs(x - px) + Math.abs(y - py) >= step) path.lineTo(x, y);
      else continue;
      px = x;
      py = y;
    }
    path.closePath();
  }
  return path;
}

function stroke(context, path, styles) {
  context.lineJoin = context.lineCap = "round";
  for (const [colour, width, dash] of styles) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.setLineDash(dash);
    context.stroke(path);
  }
  context.setLineDash([]);
}

// A layer of the canvas's size that is drawn again only when its name changes.
function layer(holder, slot, name, width, height, paint) {
  const held = holder[slot];
  if (held?.name === name) return held.canvas;
  const canvas = held?.canvas ?? new OffscreenCanvas(width, height);
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const context = canvas.getContext("2d");
  context.globalAlpha = 1;
  context.clearRect(0, 0, width, height);
  paint(context);
  holder[slot] = { name, canvas };
  return canvas;
}

function drawPicture(context, picture, box, ratio) {
  if (!picture) return;
  context.imageSmoothingEnabled = box.width / picture.width < 3 * ratio;
  context.imageSmoothingQuality = "medium";
  context.drawImage(picture, box.x, box.y, box.width, box.height);
}

// `scene`: picture, aspect, mask, truthLine, state, colours, and `shared`, which keeps the picture's
// own layer for all panes. `pane`: one of the viewer's; null draws the picture alone.
function drawPane(canvas, scene, pane, ratio) {
  const context = canvas.getContext("2d"), { width, height } = canvas, { state, picture, colours } = scene;
  if (!width || !height) return; // not laid out yet, or hidden: it is drawn when it has a size
  const box = placed(state.view, width, height, scene.aspect), over = pane && !state.blink;
  const where = `${scene.shared.name} ${width} ${height} ${box.x} ${box.y} ${box.width}`;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, width, height);
  const base = layer(scene.shared, "picture", where, width, height, (under) => drawPicture(under, picture, box, ratio));
  context.drawImage(over && state.heat ? layer(pane, "under", `${where} ${pane.painted} ${state.opacity}`, width, height, (under) => {
    under.drawImage(base, 0, 0);
    under.globalAlpha = state.opacity / 100;
    under.imageSmoothingEnabled = true;
    under.drawImage(pane.heat, box.x, box.y, box.width, box.height);
  }) : base, 0, 0);
  if (over && state.regions !== "outline" && state.regions !== "none") {
    flush(pane);
    context.globalAlpha = state.opacity / 100;
    context.imageSmoothingEnabled = false;
    context.drawImage(pane.regions, box.x, box.y, box.width, box.height);
    context.globalAlpha = 1;
  }
  const step = 0.8 * ratio, wide = 1.8 * ratio;
  if (over && state.regions !== "fill" && state.regions !== "none") {
    pane.lines ??= contours(pane);
    for (const k of [MISSED, ALARM, FOUND, ABOVE]) {
      if (!pane.lines[k]) continue;
      const path = pathOf(pane.lines[k], box, pane.map.w, pane.map.h, step, width, height), colour = classColour(k, colours);
      stroke(context, path, [[halo(colour), wide + 1.8 * ratio, []], [colour, wide, DASH[k].map((length) => length * ratio)]]);
    }
  }
  if (state.truth && scene.truthLine) {
    const path = pathOf(scene.truthLine, box, scene.mask.w, scene.mask.h, step, width, height);
    stroke(context, path, [["rgba(8,11,14,0.85)", 3.4 * ratio, []], ["#ffffff", 1.5 * ratio, [5 * ratio, 3 * ratio]]]);
  }
  if (state.focus) drawFocus(context, state.focus, box, ratio);
}

function drawFocus(context, at, box, ratio) {        // corners around the region that was chosen
  const pad = 6 * ratio, x0 = box.x + at.x0 * box.width - pad, x1 = box.x + at.x1 * box.width + pad;
  const y0 = box.y + at.y0 * box.height - pad, y1 = box.y + at.y1 * box.height + pad;
  const arm = Math.min(14 * ratio, (x1 - x0) / 3, (y1 - y0) / 3), path = new Path2D();
  for (const [x, y, dx, dy] of [[x0, y0, 1, 1], [x1, y0, -1, 1], [x0, y1, 1, -1], [x1, y1, -1, -1]]) {
    path.moveTo(x + dx * arm, y);
    path.lineTo(x, y);
    path.lineTo(x, y + dy * arm);
  }
  stroke(context, path, [["rgba(8,11,14,0.7)", 3.6 * ratio, []], ["#ffffff", 1.6 * ratio, []]]);
}

function drawLegend(context, x, y, width, height, stops, calibrated) {
  const last = stops.at(-1)[0], first = stops[0][0];
  for (let i = 0; i < width; i++) {
    const t = i / (width - 1);
    const [r, g, b, a] = calibrated
      ? heatOfShare(stops, Math.max(last, first * (last / first) ** t))
      : heatAt(stops, t * (stops.length - 1));
    context.fillStyle = `rgba(${r | 0},${g | 0},${b | 0},${a})`;
    context.fillRect(x + i, y, 1, height);
  }
}
