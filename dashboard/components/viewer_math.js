// Numbers of the viewer: exact values, calibration, colours, words. No page, no canvas.
//
// Map values are float16. Their bits, ordered as numbers are ("codes", 0..65535), make a threshold
// one comparison of integers: value >= t is code >= codeOf(t), exactly.

const VALUE = (() => {           // value of every code; NaN (both ends) stands for no value
  const table = new Float32Array(65536);
  for (let code = 0; code < 65536; code++) {
    const bits = code & 0x8000 ? code & 0x7fff : ~code & 0xffff;
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, mantissa = bits & 1023;
    table[code] = exponent === 0 ? sign * mantissa * 2 ** -24
      : exponent === 31 ? (mantissa ? NaN : sign * Infinity)
      : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
  }
  return table;
})();
const LOWEST = 0x03ff, HIGHEST = 0xfc00;   // codes of -Infinity and +Infinity

function codeOf(t) {             // the lowest code whose value is >= t
  let low = LOWEST, high = HIGHEST + 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (VALUE[middle] >= t) high = middle; else low = middle + 1;
  }
  return low;
}

// Slider positions 0..BEND run over false-alarm rates, the rest over raw values beyond RAREST.
const BEND = 0.8, COMMON = 0.5, RAREST = 1e-5;
const FOUND = 1, ALARM = 2, MISSED = 3, ABOVE = 4;

const lerp = (a, b, t) => a + (b - a) * t;
const clamp = (v, low, high) => Math.min(high, Math.max(low, v));

function calibration(tail, low, high) {      // low, high: of this map, where no tail is known
  const kept = tail.filter(([, share]) => share > 0);
  if (kept.length > 1 && kept.at(-1)[0] > kept[0][0]) {
    const xs = kept.map((p) => p[0]), logs = kept.map((p) => Math.log(p[1]));
    const cal = { xs, logs };
    const last = xs.at(-1);
    cal.low = rawAtShare(cal, COMMON);
    cal.high = last + 0.5 * (last - cal.low);
    return cal;
  }
  return { xs: null, logs: null, low, high: high > low ? high : low + 1 };
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

// A colour map is stops [share, "#rrggbb", opacity], the commonest first, log-linear in between.
function heatAt(stops, t) {      // t in stop units 0..stops.length-1 -> [r, g, b, a]
  if (t <= 0) return t < 0 ? [0, 0, 0, 0] : [...rgb(stops[0][1]), stops[0][2]];
  const i = Math.min(stops.length - 2, Math.floor(t)), f = clamp(t - i, 0, 1);
  const a = rgb(stops[i][1]), b = rgb(stops[i + 1][1]);
  return [0, 1, 2].map((c) => lerp(a[c], b[c], f)).concat(lerp(stops[i][2], stops[i + 1][2], f));
}

function stopOfShare(stops, share) {         // place of a share among the stops, -1 when common
  const last = stops.length - 1;
  if (share > stops[0][0]) return -1;
  if (share <= stops[last][0]) return last;
  let i = 0;
  while (share < stops[i + 1][0]) i++;
  return i + Math.log(share / stops[i][0]) / Math.log(stops[i + 1][0] / stops[i][0]);
}

function heatOfShare(stops, share) { return heatAt(stops, stopOfShare(stops, share)); }

function heatTable(low, high, cal, stops, calibrated) {   // Uint32 colour of the codes low..high
  const table = new Uint32Array(65536), bytes = new Uint8Array(table.buffer);
  const scaled = calibrated && cal.xs, steps = 256, last = stops.length - 1;
  const ramp = new Uint32Array(last * steps + 1), of = new Uint8Array(ramp.buffer);
  for (let i = 0; i < ramp.length; i++) {
    const [r, g, b, a] = heatAt(stops, i / steps);
    of.set([r, g, b, a * 255], 4 * i);
  }
  const first = scaled ? codeOf(rawAtShare(cal, stops[0][0])) : LOWEST;
  for (let code = Math.max(low, first, LOWEST); code <= Math.min(high, HIGHEST); code++) {
    const v = VALUE[code];
    const t = scaled ? stopOfShare(stops, shareAt(cal, v)) : last * clamp((v - cal.low) / (cal.high - cal.low), 0, 1);
    if (t > 0) table[code] = ramp[Math.round(t * steps)];
    else if (t === 0) bytes.set([...rgb(stops[0][1]), stops[0][2] * 255], 4 * code);
  }
  return table;
}

function rounded(n) {            // two significant digits, with thousands
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(n)) - 1);
  return (Math.round(n / unit) * unit).toLocaleString("en");
}

function oneIn(share) {          // "1 in 1,300 normal pixels", in words people compare
  if (share === null) return "";
  if (share === 0) return "no normal pixel seen";
  if (share >= 0.05) return `${Math.round(share * 100)} % of normal pixels`;
  return `1 in ${rounded(1 / share)} normal pixels`;
}

function digits(v) {             // four significant digits
  if (!Number.isFinite(v)) return "–";
  return Math.abs(v) >= 1e5 || (v && Math.abs(v) < 1e-3) ? v.toExponential(2) : String(Number(v.toPrecision(4)));
}

function percent(share) {        // of an image: "12 %", "0.31 %", "under 0.01 %"
  const v = 100 * share;
  if (v > 0 && v < 0.01) return "< 0.01 %";
  return `${v >= 10 ? Math.round(v) : Number(v.toPrecision(2))} %`;
}

// How far the hottest pixel of a region lies from the threshold: [a few words, the sentence].
function distance(cal, peak, threshold) {
  const past = peak >= threshold, reach = shareAt(cal, peak), asked = shareAt(cal, threshold);
  if (reach === null) {
    const gap = `${digits(Math.abs(peak - threshold))} ${past ? "above" : "below"} the threshold`;
    return [gap, `Its hottest pixel scores ${gap}.`];
  }
  const short = (share) => (share ? `1 in ${rounded(1 / share)}` : "beyond all normals");
  const times = reach && asked ? (past ? asked / reach : reach / asked) : 0;
  const far = times < 1.05 ? "" : ` That is ${times < 10 ? Number(times.toPrecision(2)) : rounded(times)} times ${past ? "rarer than" : "too common for"} it.`;
  return [`reaches ${short(reach)}, needs ${short(asked)}`,
    `Its hottest pixel: ${oneIn(reach)} this hot or hotter. The threshold: ${oneIn(asked)}.${far}`];
}
