// Classes, outlines and regions of a map at a threshold. No page, no canvas.
//
// While the slider moves only what changes is touched: pixels sorted by code give those between two
// thresholds, tiles with their lowest and highest code give the places an outline can run through.

const TILE = 32;

function sorted(map) {           // pixels by rising code, and where each code starts; made once
  if (map.order) return map;
  const { codes } = map, starts = new Uint32Array(65537), order = new Uint32Array(codes.length);
  for (let i = 0; i < codes.length; i++) starts[codes[i] + 1]++;
  for (let c = 0; c < 65536; c++) starts[c + 1] += starts[c];
  const next = starts.slice(0, 65536);
  for (let i = 0; i < codes.length; i++) order[next[codes[i]]++] = i;
  map.order = order;
  map.starts = starts;
  return map;
}

// Lowest and highest value in the pixels that the cells of a tile touch. Cells lie between pixels:
// cell (X, Y) has the corners X - 1, X and Y - 1, Y, so that a frame of outside pixels is counted.
function tiled(values, w, h) {
  const across = Math.ceil((w + 1) / TILE), down = Math.ceil((h + 1) / TILE);
  const low = new Uint16Array(across * down).fill(65535), high = new Uint16Array(across * down);
  for (let y = 0; y < h; y++) {
    const top = (y / TILE) | 0, bottom = ((y + 1) / TILE) | 0, row = y * w;
    for (let left = 0; left < across; left++) {
      const from = Math.max(0, left * TILE - 1), to = Math.min(w, (left + 1) * TILE);
      let a = 65535, b = 0;
      for (let x = from; x < to; x++) {
        const v = values[row + x];
        if (v < a) a = v;
        if (v > b) b = v;
      }
      for (let t = top; t <= bottom && t < down; t++) {
        const i = t * across + left;
        if (a < low[i]) low[i] = a;
        if (b > high[i]) high[i] = b;
      }
    }
  }
  return { across, down, low, high };
}

// 8-connected components of the pixels whose `on[cell]` is 1, as runs of a row:
// runs[4 i ..] = y, x0, x1 (not included), component; components are numbered from 0.
function components(cells, w, h, stride, offset, on) {
  const runs = [], parent = [];
  const root = (i) => { while (parent[i] !== i) i = parent[i] = parent[parent[i]]; return i; };
  let before = 0, here = 0;      // first run of the row above and of this one
  for (let y = 0; y < h; y++) {
    const row = offset + y * stride;
    let above = before;
    here = runs.length / 4;
    for (let x = 0; x < w; x++) {
      if (!on[cells[row + x]]) continue;
      const x0 = x;
      while (x < w && on[cells[row + x]]) x++;
      const me = parent.length;
      parent.push(me);
      runs.push(y, x0, x, me);
      while (above < here && runs[4 * above + 2] < x0) above++;
      for (let i = above; i < here && runs[4 * i + 1] <= x; i++) {
        const a = root(i), b = root(me);
        if (a !== b) parent[Math.max(a, b)] = Math.min(a, b);
      }
    }
    before = here;
  }
  const number = new Map();
  for (let i = 0; i < parent.length; i++) {
    const r = root(i);
    if (!number.has(r)) number.set(r, number.size);
    runs[4 * i + 3] = number.get(r);
  }
  return { runs, count: number.size };
}

function truthOf(on, w, h) {     // true pixels with their regions; labels count from 1
  const { runs, count } = components(on, w, h, w, 0, [0, 1]);
  const labels = new Uint16Array(w * h), regions = boxes(runs, count);
  for (let i = 0; i < runs.length; i += 4) {
    labels.fill(Math.min(65535, runs[i + 3] + 1), runs[i] * w + runs[i + 1], runs[i] * w + runs[i + 2]);
  }
  return { on, labels, regions: regions.slice(0, 65535), tiles: tiled(on, w, h) };
}

function boxes(runs, count) {    // area and box [x0, y0, x1, y1) of every component
  const found = Array.from({ length: count }, () => ({ area: 0, x0: Infinity, y0: Infinity, x1: 0, y1: 0 }));
  for (let i = 0; i < runs.length; i += 4) {
    const one = found[runs[i + 3]];
    one.area += runs[i + 2] - runs[i + 1];
    one.x0 = Math.min(one.x0, runs[i + 1]);
    one.x1 = Math.max(one.x1, runs[i + 2]);
    one.y0 = Math.min(one.y0, runs[i]);
    one.y1 = runs[i] + 1;
  }
  return found;
}

// The class of every pixel lies in a frame of zeros, so that outlines close at the border.
function classify(pane, at) {    // all pixels anew at the code `at`
  const { w, h, codes } = pane.map, { truth } = pane, stride = w + 2, fill = pane.fill;
  const classes = pane.classes ??= new Uint8Array(stride * (h + 2));
  const counts = pane.counts = [0, 0, 0, 0, 0];
  const covered = pane.covered = new Uint32Array((truth?.regions.length ?? 0) + 1);
  const on = truth?.on, words = pane.words;
  for (let y = 0, i = 0; y < h; y++) {
    for (let x = 0, to = (y + 1) * stride + 1; x < w; x++, i++, to++) {
      const hot = codes[i] >= at && codes[i] <= HIGHEST;
      const k = on ? (on[i] ? (hot ? FOUND : MISSED) : hot ? ALARM : 0) : hot ? ABOVE : 0;
      classes[to] = k;
      counts[k]++;
      if (k === FOUND) covered[truth.labels[i]]++;
      if (fill) fill[i] = words[k];
    }
  }
  pane.at = at;
  pane.dirty = [0, 0, w, h];
}

function moveThreshold(pane, at) {           // only the pixels between the old code and the new
  const { w, codes, order, starts } = sorted(pane.map), { truth, classes, counts, covered, fill, words } = pane;
  const before = pane.at, rise = at > before, stride = w + 2, on = truth?.on;
  let [x0, y0, x1, y1] = pane.dirty ?? [Infinity, Infinity, 0, 0];
  const from = starts[Math.min(before, at)], to = starts[Math.min(Math.max(before, at), HIGHEST + 1)];
  for (let j = from; j < to; j++) {
    const i = order[j], y = (i / w) | 0, x = i - y * w;
    const old = rise ? (on ? (on[i] ? FOUND : ALARM) : ABOVE) : on?.[i] ? MISSED : 0;
    const k = !rise ? (on ? (on[i] ? FOUND : ALARM) : ABOVE) : on?.[i] ? MISSED : 0;
    classes[(y + 1) * stride + x + 1] = k;
    counts[old]--;
    counts[k]++;
    if (on?.[i]) covered[truth.labels[i]] += rise ? -1 : 1;
    if (fill) fill[i] = words[k];
    if (x < x0) x0 = x;
    if (x >= x1) x1 = x + 1;
    if (y < y0) y0 = y;
    if (y >= y1) y1 = y + 1;
  }
  pane.at = at;
  pane.dirty = x1 > x0 ? [x0, y0, x1, y1] : null;
}

// -- outlines: marching squares over the tiles that hold a border ---------------------------------
let LINKS = [new Int32Array(0), new Int32Array(0)];      // segments that meet at an edge

// Closed lines around each class: {class: {xy, ends}}, in map pixels. Where the threshold cuts
// between two pixels the line runs where the interpolated value meets it, else in the middle.
function contours(pane) {
  const { map, classes, truth, at, threshold } = pane, { w, h, codes } = map, stride = w + 2;
  const tiles = map.tiles ??= tiled(codes, w, h), mixed = truth?.tiles;
  const segments = { [FOUND]: [], [ALARM]: [], [MISSED]: [], [ABOVE]: [] };
  const emit = (k, i, a, b, c, d) => {
    const list = segments[k], top = 2 * i, left = top + 1, right = left + 2, bottom = 2 * (i + stride);
    const corners = (a === k) | (b === k) << 1 | (c === k) << 2 | (d === k) << 3;
    if (corners === 5) list.push(left, top, right, bottom);        // saddles: corners stay apart
    else if (corners === 10) list.push(top, right, bottom, left);
    else {
      if (a === k !== (b === k)) list.push(top);
      if (b === k !== (c === k)) list.push(right);
      if (d === k !== (c === k)) list.push(bottom);
      if (a === k !== (d === k)) list.push(left);
    }
  };
  for (let v = 0, n = 0; v < tiles.down; v++) {
    for (let u = 0; u < tiles.across; u++, n++) {
      const rim = !u || !v || (u + 1) * TILE > w || (v + 1) * TILE > h;
      const cut = tiles.high[n] >= at && (rim || tiles.low[n] < at);
      const edge = mixed && mixed.high[n] && (rim || !mixed.low[n]);
      if (!cut && !edge) continue;
      const right = Math.min(w + 1, (u + 1) * TILE), bottom = Math.min(h + 1, (v + 1) * TILE);
      for (let y = v * TILE; y < bottom; y++) {
        for (let x = u * TILE, i = y * stride + x; x < right; x++, i++) {
          const a = classes[i], b = classes[i + 1], c = classes[i + stride + 1], d = classes[i + stride];
          if (a === b && b === c && c === d) continue;
          if (a) emit(a, i, a, b, c, d);
          if (b && b !== a) emit(b, i, a, b, c, d);
          if (c && c !== a && c !== b) emit(c, i, a, b, c, d);
          if (d && d !== a && d !== b && d !== c) emit(d, i, a, b, c, d);
        }
      }
    }
  }
  const point = (edge, out) => {
    const i = edge >> 1, Y = (i / stride) | 0, X = i - Y * stride, x = X - 1, y = Y - 1, across = !(edge & 1);
    const inside = x >= 0 && y >= 0 && (across ? x + 1 < w : y + 1 < h) && x < w && y < h;
    let f = 0.5;
    if (inside) {
      const p = y * w + x, q = across ? p + 1 : p + w, a = codes[p], b = codes[q];
      if (a >= at !== b >= at) {
        const cut = (threshold - VALUE[a]) / (VALUE[b] - VALUE[a]);
        if (Number.isFinite(cut)) f = clamp(cut, 0.02, 0.98);
      }
    }
    out.push(x + 0.5 + (across ? f : 0), y + 0.5 + (across ? 0 : f));
  };
  const lines = {};
  for (const [k, list] of Object.entries(segments)) if (list.length) lines[k] = chained(list, 2 * stride * (h + 2), point);
  return lines;
}

function maskLines(mask) {       // outline of the true pixels themselves
  const { w, h, on } = mask, stride = w + 2, classes = new Uint8Array(stride * (h + 2));
  for (let y = 0; y < h; y++) classes.set(on.subarray(y * w, (y + 1) * w), (y + 1) * stride + 1);
  const flat = { w, h, codes: new Uint16Array(w * h), tiles: tiled(on, w, h) };
  return contours({ map: flat, classes, truth: null, at: 1, threshold: NaN })[FOUND] ?? { xy: new Float32Array(0), ends: [] };
}

// Segments (pairs of edges; every edge ends two of them) joined into closed lines of points.
function chained(list, edges, point) {
  if (LINKS[0].length < edges) LINKS = [new Int32Array(edges), new Int32Array(edges)];
  const [one, two] = LINKS, n = list.length / 2, used = new Uint8Array(n), xy = [], ends = [];
  for (let s = 0; s < n; s++) {
    for (const e of [list[2 * s], list[2 * s + 1]]) if (one[e]) two[e] = s + 1; else one[e] = s + 1;
  }
  for (let start = 0; start < n; start++) {
    if (used[start]) continue;
    point(list[2 * start], xy);
    for (let s = start, at = list[2 * start]; s >= 0 && !used[s];) {
      used[s] = 1;
      at = list[2 * s] === at ? list[2 * s + 1] : list[2 * s];
      point(at, xy);
      s = (one[at] - 1 === s ? two[at] : one[at]) - 1;
    }
    ends.push(xy.length / 2);
  }
  for (const e of list) one[e] = two[e] = 0;
  return { xy: Float32Array.from(xy), ends };
}

// -- what the list beside the picture says ---------------------------------------------------------
function trueRegions(pane) {     // missed first, then the least covered; boxes in map pixels
  const { truth, covered, map } = pane;
  if (!truth) return [];
  if (!pane.peaks) {
    pane.peaks = new Uint16Array(truth.regions.length + 1);
    for (let i = 0; i < map.codes.length; i++) {
      const label = truth.labels[i];
      if (label && map.codes[i] > pane.peaks[label] && map.codes[i] <= HIGHEST) pane.peaks[label] = map.codes[i];
    }
  }
  const found = truth.regions.map((region, i) => ({
    ...region, name: i + 1, peak: VALUE[pane.peaks[i + 1]], share: covered[i + 1] / region.area,
    kind: covered[i + 1] ? FOUND : MISSED,
  }));
  return found.sort((a, b) => (a.kind === FOUND) - (b.kind === FOUND) || a.share - b.share || b.area - a.area);
}

function hotRegions(pane) {      // connected places at or above the threshold on nothing true, hottest first
  const { map, classes, truth } = pane, { w, h, codes } = map, stride = w + 2;
  if (!pane.counts[ALARM] && !pane.counts[ABOVE]) return [];
  const { runs, count } = components(classes, w, h, stride, stride + 1, [0, 1, 1, 0, 1]);
  const found = boxes(runs, count), peaks = new Uint16Array(count), onTruth = new Uint8Array(count);
  for (let i = 0; i < runs.length; i += 4) {
    const n = runs[i + 3];
    for (let p = runs[i] * w + runs[i + 1], end = runs[i] * w + runs[i + 2]; p < end; p++) {
      if (codes[p] > peaks[n]) peaks[n] = codes[p];
      if (truth?.on[p]) onTruth[n] = 1;
    }
  }
  return found.map((one, i) => ({ ...one, peak: VALUE[peaks[i]], kind: truth ? ALARM : ABOVE, place: i }))
    .filter((one) => !onTruth[one.place]).sort((a, b) => b.peak - a.peak || b.area - a.area);
}
