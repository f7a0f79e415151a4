// Numbers of the viewer: exact decoding, calibration, classes, outlines. No page, no canvas.

const HALF = (() => {            // value of every float16 bit pattern
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, mantissa = bits & 1023;
    table[bits] = exponent === 0 ? sign * mantissa * 2 ** -24
      : exponent === 31 ? (mantissa ? NaN : sign * Infinity)
      : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
  }
  return table;
})();

// Slider positions 0..BEND run over false-alarm rates, the rest over raw values beyond RAREST.
const BEND = 0.8, COMMON = 0.5, RAREST = 1e-5;
const FOUND = 1, ALARM = 2, MISSED = 3, ABOVE = 4;

const lerp = (a, b, t) => a + (b - a) * t;
const clamp = (v, low, high) => Math.min(high, Math.max(low, v));

function calibration(tail, values) {
  const kept = tail.filter(([, share]) => share > 0);
  if (kept.length > 1 && kept.at(-1)[0] > kept[0][0]) {
    const xs = kept.map((p) => p[0]), logs = kept.map((p) => Math.log(p[1]));
    const cal = { xs, logs };
    const last = xs.at(-1);
    cal.low = rawAtShare(cal, COMMON);
    cal.high = last + 0.5 * (last - cal.low);
    return cal;
  }
  let low = Infinity, high = -Infinity;
  for (const v of values) if (v < low) low = v; else if (v > high) high = v;
  if (!(high > low)) high = low + 1;
  return { xs: null, logs: null, low, high };
}

function between(xs, v) {        // last index i with xs[i] <= v, by bisection
  let low = 0, high = xs.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= v) low = middle; else high = middle;
  }
  return low;
}

function shareAt(cal, v) {       // share of normal pixels with a value >= v; null when unknown
  if (!cal.xs) return null;
  const { xs, logs } = cal, n = xs.length;
  if (v > xs[n - 1]) return 0;
  if (v <= xs[0]) return Math.exp(logs[0]);
  const i = between(xs, v);
  return Math.exp(lerp(logs[i], logs[i + 1], (v - xs[i]) / (xs[i + 1] - xs[i])));
}

function rawAtShare(cal, share) {
  const { xs, logs } = cal, n = xs.length, wanted = Math.log(share);
  if (wanted >= logs[0]) return xs[0];
  if (wanted <= logs[n - 1]) return xs[n - 1];
  let low = 0, high = n - 1;     // logs fall
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (logs[middle] >= wanted) low = middle; else high = middle;
  }
  const t = logs[low] === logs[high] ? 0 : (logs[low] - wanted) / (logs[low] - logs[high]);
  return lerp(xs[low], xs[high], t);
}

function rawAt(cal, u) {         // slider position 0..1 -> raw value
  if (!cal.xs) return lerp(cal.low, cal.high, u);
  if (u <= BEND) return rawAtShare(cal, COMMON * (RAREST / COMMON) ** (u / BEND));
  return lerp(rawAtShare(cal, RAREST), cal.high, (u - BEND) / (1 - BEND));
}

function positionOf(cal, raw) {  // raw value -> slider position
  if (!cal.xs) return clamp((raw - cal.low) / (cal.high - cal.low), 0, 1);
  const share = shareAt(cal, raw), edge = rawAtShare(cal, RAREST);
  if (share > RAREST && raw <= edge) {
    return clamp(BEND * Math.log(share / COMMON) / Math.log(RAREST / COMMON), 0, BEND);
  }
  return clamp(BEND + (1 - BEND) * (raw - edge) / (cal.high - edge || 1), BEND, 1);
}

function rgb(hex) { return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)); }

function heatAt(stops, t) {      // t in stop units 0..stops.length-1 -> [r, g, b, a]
  if (t <= 0) return t < 0 ? [0, 0, 0, 0] : [...rgb(stops[0][1]), stops[0][2]];
  const i = Math.min(stops.length - 2, Math.floor(t)), f = clamp(t - i, 0, 1);
  const a = rgb(stops[i][1]), b = rgb(stops[i + 1][1]);
  return [0, 1, 2].map((c) => lerp(a[c], b[c], f)).concat(lerp(stops[i][2], stops[i + 1][2], f));
}

function heatOfShare(stops, share) {
  if (share === 0) return heatAt(stops, stops.length - 1);
  if (share > stops[0][0]) return heatAt(stops, -1);
  for (let i = 0; i + 1 < stops.length; i++) {
    if (share >= stops[i + 1][0]) {
      return heatAt(stops, i + Math.log(share / stops[i][0]) / Math.log(stops[i + 1][0] / stops[i][0]));
    }
  }
  return heatAt(stops, stops.length - 1);
}

function heatOfRaw(stops, cal, v) {
  const t = (v - cal.low) / (cal.high - cal.low);
  return heatAt(stops, t <= 0 ? -1 : clamp(t, 0, 1) * (stops.length - 1));
}

function heatTable(bits, cal, stops, calibrated) {   // Uint32 colour of every pattern that occurs
  const table = new Uint32Array(65536), seen = new Uint8Array(65536);
  const bytes = new Uint8Array(table.buffer), scaled = calibrated && cal.xs;
  for (const code of bits) {
    if (seen[code]) continue;
    seen[code] = 1;
    const v = HALF[code];
    if (Number.isNaN(v)) continue;
    const [r, g, b, a] = scaled ? heatOfShare(stops, shareAt(cal, v)) : heatOfRaw(stops, cal, v);
    bytes.set([r, g, b, a * 255], code * 4);
  }
  return table;
}

// Class of every pixel; boxes[k] = [x0, y0, x1, y1] around class k, or null.
function classify(pane, truth, threshold, out) {
  const { values, w, h } = pane, boxes = [null, null, null, null, null], counts = [0, 0, 0, 0, 0];
  for (let y = 0, i = 0; y < h; y++) {
    for (let x = 0; x < w; x++, i++) {
      const hot = values[i] >= threshold;
      const k = truth ? (hot ? (truth[i] ? FOUND : ALARM) : (truth[i] ? MISSED : 0)) : (hot ? ABOVE : 0);
      out[i] = k;
      if (!k) continue;
      counts[k]++;
      const box = boxes[k];
      if (!box) boxes[k] = [x, y, x, y];
      else {
        if (x < box[0]) box[0] = x;
        if (x > box[2]) box[2] = x;
        box[3] = y;
      }
    }
  }
  return { boxes, counts };
}

// Marching squares around the pixels of class k in `box`; calls segment(x0, y0, x1, y1) in map
// pixels. An edge that the threshold cuts is cut where the interpolated value meets it: `cut(i, j)`
// gives that fraction between two pixels, or null for the middle.
function outline(w, h, classes, k, box, cut, segment) {
  if (!box) return;
  const at = (x0, y0, x1, y1) => {
    if (x0 < 0 || y0 < 0 || x1 >= w || y1 >= h) return 0.5;
    const t = cut(y0 * w + x0, y1 * w + x1);
    return t === null ? 0.5 : clamp(t, 0.02, 0.98);
  };
  const first = box[0] - 1, last = box[2];
  for (let y = box[1] - 1; y <= box[3]; y++) {
    const up = y >= 0 ? y * w : -1, down = y + 1 < h ? (y + 1) * w : -1;
    let a = false, d = false;    // the column before the box is outside
    for (let x = first; x <= last; x++) {
      const b = x + 1 < w && up >= 0 && classes[up + x + 1] === k;
      const c = x + 1 < w && down >= 0 && classes[down + x + 1] === k;
      if (a !== b || b !== c || c !== d) {
        const X = x + 0.5, Y = y + 0.5;
        const top = a !== b ? [X + at(x, y, x + 1, y), Y] : null;
        const right = b !== c ? [X + 1, Y + at(x + 1, y, x + 1, y + 1)] : null;
        const bottom = d !== c ? [X + at(x, y + 1, x + 1, y + 1), Y + 1] : null;
        const left = a !== d ? [X, Y + at(x, y, x, y + 1)] : null;
        if (top && right && bottom && left) {        // saddle: corners stay apart
          const [p, q, r, s] = a ? [left, top, right, bottom] : [top, right, bottom, left];
          segment(p[0], p[1], q[0], q[1]);
          segment(r[0], r[1], s[0], s[1]);
        } else {
          const p = top ?? right ?? bottom, q = left ?? bottom ?? right;
          segment(p[0], p[1], q[0], q[1]);
        }
      }
      a = b;
      d = c;
    }
  }
}

// Segments that share ends, joined into lines of points; a dash pattern then runs along them.
function joined(segments) {
  if (segments.length > 20000) return segments.map(([a, b, c, d]) => [[a, b], [c, d]]);
  const at = new Map(), used = new Uint8Array(segments.length), lines = [];
  const name = (x, y) => `${x} ${y}`;
  segments.forEach(([a, b, c, d], i) => {
    for (const key of [name(a, b), name(c, d)]) at.has(key) ? at.get(key).push(i) : at.set(key, [i]);
  });
  for (let start = 0; start < segments.length; start++) {
    if (used[start]) continue;
    used[start] = 1;
    const [a, b, c, d] = segments[start], line = [[a, b], [c, d]];
    for (let [x, y] = [c, d];;) {
      const next = at.get(name(x, y)).find((i) => !used[i]);
      if (next === undefined) break;
      used[next] = 1;
      const [p, q, r, t] = segments[next];
      [x, y] = p === x && q === y ? [r, t] : [p, q];
      line.push([x, y]);
    }
    lines.push(line);
  }
  return lines;
}

function oneIn(share) {          // "1 in 1,300", in words people compare
  if (share === null) return "";
  if (share === 0) return "no normal pixel seen";
  if (share >= 0.05) return `${Math.round(share * 100)} % of normal pixels`;
  const n = 1 / share, unit = 10 ** Math.max(0, Math.floor(Math.log10(n)) - 1);
  return `1 in ${(Math.round(n / unit) * unit).toLocaleString("en")} normal pixels`;
}

function digits(v) {             // four significant digits
  if (!Number.isFinite(v)) return "–";
  return Math.abs(v) >= 1e5 || (v && Math.abs(v) < 1e-3) ? v.toExponential(2) : String(Number(v.toPrecision(4)));
}
