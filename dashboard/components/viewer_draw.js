// Drawing of the viewer: one pane onto one canvas, the legend, the downloaded picture.

const DASH = { [FOUND]: [], [ALARM]: [7, 4], [MISSED]: [2, 3], [ABOVE]: [] };
const WORDS = { [FOUND]: "found", [ALARM]: "false alarm", [MISSED]: "missed", [ABOVE]: "above the threshold" };

function classColour(k, colours) {
  return k === FOUND ? colours.found : k === ALARM ? colours["false alarm"] : k === MISSED ? colours.missed : "#ffffff";
}

function halo(colour) {          // what sets a line apart from the picture
  const [r, g, b] = rgb(colour);
  return 0.3 * r + 0.59 * g + 0.11 * b < 100 ? "rgba(255,255,255,0.85)" : "rgba(8,11,14,0.75)";
}

function decodePixels(image, unpack) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  context.drawImage(image, 0, 0);
  return unpack(context.getImageData(0, 0, image.width, image.height).data, image.width, image.height);
}

async function bitmap(uri) {
  const blob = await (await fetch(uri)).blob();
  return createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

async function loadMap(uri) {
  return decodePixels(await bitmap(uri), (data, w, h) => {
    const bits = new Uint16Array(w * h), values = new Float32Array(w * h);
    for (let i = 0, p = 0; i < bits.length; i++, p += 4) {
      bits[i] = (data[p] << 8) | data[p + 1];
      values[i] = HALF[bits[i]];
    }
    return { w, h, bits, values };
  });
}

async function loadMask(uri) {
  return decodePixels(await bitmap(uri), (data, w, h) => {
    const on = new Uint8Array(w * h);
    for (let i = 0; i < on.length; i++) on[i] = data[4 * i] > 127 ? 1 : 0;
    return { w, h, on };
  });
}

function fitted(mask, w, h) {    // nearest pixel at another size
  if (!mask || (mask.w === w && mask.h === h)) return mask && mask.on;
  const out = new Uint8Array(w * h);
  for (let y = 0; y < h; y++) {
    const row = Math.floor((y + 0.5) * mask.h / h) * mask.w;
    for (let x = 0; x < w; x++) out[y * w + x] = mask.on[row + Math.floor((x + 0.5) * mask.w / w)];
  }
  return out;
}

function layer(w, h, paint) {    // an image of the map's size
  const canvas = new OffscreenCanvas(w, h), context = canvas.getContext("2d");
  const image = context.createImageData(w, h);
  paint(new Uint32Array(image.data.buffer));
  context.putImageData(image, 0, 0);
  return canvas;
}

function paintHeat(pane, stops, calibrated) {
  const table = heatTable(pane.bits, pane.cal, stops, calibrated);
  pane.heat = layer(pane.w, pane.h, (pixels) => {
    for (let i = 0; i < pixels.length; i++) pixels[i] = table[pane.bits[i]];
  });
}

function paintClasses(pane, truth, threshold, colours) {
  pane.classes ??= new Uint8Array(pane.w * pane.h);
  const { boxes, counts } = classify(pane, truth, threshold, pane.classes);
  pane.counts = counts;
  const { values, classes, w, h } = pane;
  const cut = (i, j) => {
    const a = values[i], b = values[j];
    return (a >= threshold) !== (b >= threshold) ? (threshold - a) / (b - a) : null;
  };
  pane.paths = [MISSED, ALARM, FOUND, ABOVE].filter((k) => boxes[k]).map((k) => {
    const segments = [];
    outline(w, h, classes, k, boxes[k], cut, (...ends) => segments.push(ends));
    return [k, pathOf(segments)];
  });
  const words = new Uint32Array(5), bytes = new Uint8Array(words.buffer);
  for (const k of [FOUND, ALARM, MISSED, ABOVE]) bytes.set([...rgb(classColour(k, colours)), 150], 4 * k);
  pane.regions = layer(w, h, (pixels) => {
    for (let i = 0; i < pixels.length; i++) pixels[i] = words[classes[i]];
  });
}

function pathOf(segments) {
  const path = new Path2D();
  for (const line of joined(segments)) {
    path.moveTo(...line[0]);
    for (let i = 1; i < line.length; i++) path.lineTo(line[i][0], line[i][1]);
  }
  return path;
}

function truthPath({ w, h, on }) {
  const segments = [];
  outline(w, h, on, 1, [0, 0, w - 1, h - 1], () => null, (...ends) => segments.push(ends));
  return pathOf(segments);
}

// Where the picture lies on a canvas of that size: {x, y, width, height}.
function placed(view, width, height, aspect) {
  const base = Math.min(width / aspect, height), w = base * aspect * view.scale, h = base * view.scale;
  return { x: width / 2 - view.cx * w, y: height / 2 - view.cy * h, width: w, height: h };
}

function strokeOn(context, path, box, w, h, styles) {
  context.save();
  context.translate(box.x, box.y);
  context.scale(box.width / w, box.height / h);
  // The line width is given in screen pixels: undo the scale while stroking.
  const drawn = new Path2D();
  drawn.addPath(path, new DOMMatrix([box.width / w, 0, 0, box.height / h, box.x, box.y]));
  context.restore();
  context.lineJoin = context.lineCap = "round";
  for (const [colour, width, dash] of styles) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.setLineDash(dash);
    context.stroke(drawn);
  }
  context.setLineDash([]);
}

function drawPane(canvas, scene, pane, ratio) {
  const context = canvas.getContext("2d"), { width, height } = canvas;
  const { state, picture, colours } = scene;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, width, height);
  const box = placed(state.view, width, height, scene.aspect);
  if (picture) {
    context.imageSmoothingEnabled = box.width / picture.width < 3 * ratio;
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, box.x, box.y, box.width, box.height);
  }
  if (pane && pane.heat && !state.blink) {
    context.globalAlpha = state.opacity / 100;
    context.imageSmoothingEnabled = state.mode === "heat";
    const over = state.mode === "heat" ? pane.heat : pane.regions;
    context.drawImage(over, box.x, box.y, box.width, box.height);
    context.globalAlpha = 1;
    const wide = 1.8 * ratio;
    for (const [k, path] of pane.paths) {
      const dash = DASH[k].map((length) => length * ratio), colour = classColour(k, colours);
      strokeOn(context, path, box, pane.w, pane.h, [[halo(colour), wide + 1.8 * ratio, []], [colour, wide, dash]]);
    }
  }
  if (state.truth && scene.truthLine) {
    strokeOn(context, scene.truthLine, box, scene.mask.w, scene.mask.h,
      [["rgba(8,11,14,0.85)", 3.4 * ratio, []], ["#ffffff", 1.5 * ratio, [5 * ratio, 3 * ratio]]]);
  }
  if (state.cursor) {
    const x = box.x + state.cursor.x * box.width, y = box.y + state.cursor.y * box.height, r = 7 * ratio;
    context.lineWidth = ratio;
    for (const [colour, shift] of [["rgba(0,0,0,0.6)", ratio], ["rgba(255,255,255,0.9)", 0]]) {
      context.strokeStyle = colour;
      context.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + dx * r * 0.4 + shift, y + dy * r * 0.4 + shift);
        context.lineTo(x + dx * r + shift, y + dy * r + shift);
      }
      context.stroke();
    }
  }
}

function css(r, g, b, a) { return `rgba(${r | 0},${g | 0},${b | 0},${a})`; }

function drawLegend(context, x, y, width, height, stops, calibrated) {
  const last = stops.at(-1)[0], first = stops[0][0];
  for (let i = 0; i < width; i++) {
    const t = i / (width - 1);
    const [r, g, b, a] = calibrated
      ? heatOfShare(stops, Math.max(last, first * (last / first) ** t))
      : heatAt(stops, t * (stops.length - 1));
    context.fillStyle = css(r, g, b, a);
    context.fillRect(x + i, y, 1, height);
  }
}

// All panes beside each other, with names, numbers and legend, as one canvas.
function composed(scene, canvases) {
  const gap = 16, top = 62, bottom = 74, side = 640;
  const height = Math.round(side / scene.aspect), n = canvases.length;
  const out = new OffscreenCanvas(gap + n * (side + gap), top + height + bottom);
  const context = out.getContext("2d"), font = scene.font;
  context.fillStyle = scene.dark ? "#0f1216" : "#ffffff";
  context.fillRect(0, 0, out.width, out.height);
  const ink = scene.dark ? "#e6eaee" : "#1a2129", dim = scene.dark ? "#98a3b0" : "#5b6673";
  const write = (text, x, y, colour, style = "14px", most = side) => {
    context.font = `${style} ${font}`;
    context.fillStyle = colour;
    context.fillText(text, x, y, most);
  };
  write(scene.caption, gap, 24, ink, "600 15px", out.width - 2 * gap);
  canvases.forEach(([pane, title, told], i) => {
    const x = gap + i * (side + gap), canvas = new OffscreenCanvas(side, height);
    drawPane(canvas, { ...scene, state: { ...scene.state, cursor: null, blink: false } }, pane, 1.4);
    context.drawImage(canvas, x, top);
    write(title, x, top - 10, ink, "600 14px");
    write(told, x, top + height + 20, dim, "13px");
  });
  const y = top + height + 36, calibrated = scene.state.scale === "calibrated";
  drawLegend(context, gap, y, 360, 10, scene.stops, calibrated);
  write(scene.legendWords, gap, y + 26, dim, "13px");
  let x = gap + 400;
  for (const k of scene.truth ? [FOUND, ALARM, MISSED] : [ABOVE]) {
    const path = new Path2D();
    path.moveTo(x, y + 6);
    path.lineTo(x + 30, y + 6);
    strokeOn(context, path, { x: 0, y: 0, width: 1, height: 1 }, 1, 1,
      [[halo(classColour(k, scene.colours)), 4, []], [classColour(k, scene.colours), 2.4, DASH[k]]]);
    write(WORDS[k], x + 38, y + 11, dim, "13px");
    x += 150;
  }
  return out;
}
