// A histogram with a threshold to drag, and a second one for a review band. One per mount.
// Counts are looked up in the table that came along; the server hears of a release alone.

const LIVES = new WeakMap();
const STEPS = 10;            // of page up and page down
const QUIET = 600;           // ms without a key before a threshold set by keyboard counts as released
const SIDE = 12;

class Chart {
  constructor(root) {
    this.root = root;
    this.svg = root.querySelector("svg");
    this.scale = "linear";
    this.held = null;          // which line is dragged
    this.timer = 0;
    new ResizeObserver(() => this.draw()).observe(root);
    for (const button of root.querySelectorAll("[data-scale]")) {
      button.onclick = () => { this.scale = button.dataset.scale; this.draw(); };
    }
    this.fields = ["low", "high"].map((line) => root.querySelector(`input[data-line=${line}]`));
    for (const field of this.fields) field.onchange = () => this.typed(field);
    root.querySelector("[data-band]").onclick = () => this.band();
    this.svg.addEventListener("pointerdown", (event) => this.grab(event));
    this.svg.addEventListener("pointermove", (event) => this.drag(event));
    for (const name of ["pointerup", "pointercancel"]) this.svg.addEventListener(name, () => this.drop());
  }

  show(data, send) {
    this.send = send;
    if (this.shown === data) return;
    this.shown = data;
    if (!this.held && !this.timer) this.take();   // the hand on the line knows better
  }

  take() {
    const data = this.data = this.shown;
    this.low = nearest(data.thresholds, data.low);
    this.high = data.high === null ? null : nearest(data.thresholds, data.high);
    this.draw();
  }

  // -- numbers ------------------------------------------------------------------------------
  counts() {
    const { found, alarms, total: [good, bad] } = this.data, top = this.high ?? this.low;
    return {
      found: found[top], again_bad: found[this.low] - found[top], missed: bad - found[this.low],
      alarm: alarms[top], again_good: alarms[this.low] - alarms[top], passed: good - alarms[this.low], good, bad,
    };
  }

  tell() {
    const { words, thresholds } = this.data, now = this.counts();
    const cells = [
      ["found", words.found, now.found, now.bad], ["missed", words.missed, now.missed, now.bad],
      ["alarm", words.alarm, now.alarm, now.good], ["passed", words.passed, now.passed, now.good],
    ];
    if (this.high !== null) cells.splice(2, 0, ["again", words.again, now.again_bad + now.again_good, now.good + now.bad]);
    this.root.querySelector(".told").replaceChildren(...cells.map(([kind, word, part, whole]) => {
      const cell = document.createElement("div"), term = document.createElement("dt"), value = document.createElement("dd");
      const small = document.createElement("small");
      cell.style.setProperty("--colour", `var(--${kind === "again" ? "dim" : kind})`);
      cell.dataset.kind = kind;
      term.textContent = word;
      small.textContent = ` of ${whole.toLocaleString("en")}${whole ? ", " + share(part, whole) : ""}`;
      value.append(part.toLocaleString("en"), small);
      cell.append(term, value);
      return cell;
    }));
    const [low, high] = this.fields, banded = this.high !== null;
    this.root.querySelector("[data-name]").textContent = banded ? `${words.again} from` : words.threshold;
    this.root.querySelector("[data-unit]").textContent = words.unit;
    low.value = said(thresholds[this.low]);
    low.ariaLabel = banded ? words.lower : words.threshold;
    high.parentElement.hidden = !banded;
    high.value = banded ? said(thresholds[this.high]) : "";
    high.ariaLabel = words.upper;
  }

  sentence() {
    const { words } = this.data, now = this.counts();
    return `${words.missed} ${now.missed} of ${now.bad}, ${words.alarm} ${now.alarm} of ${now.good}`;
  }

  // -- drawing ------------------------------------------------------------------------------
  draw() {
    const width = this.root.clientWidth - 32;
    if (!this.data || width < 80) return;
    const { data, svg } = this, narrow = width < 560;
    const edges = data.edges, low = edges[0], high = edges.at(-1);
    this.x = (value) => SIDE + (value - low) / (high - low) * (width - 2 * SIDE);
    this.back = (x) => low + (x - SIDE) / (width - 2 * SIDE) * (high - low);
    const lanes = this.lanes(), top = 20 + 16 * lanes.count, half = narrow ? 84 : 104, middle = top + half;
    const height = middle + half + 24;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    svg.setAttribute("aria-label", data.words.title);
    const most = Math.max(1, ...data.normal, ...data.anomalous);
    const tall = (count) => half * (this.scale === "log" ? Math.log1p(count) / Math.log1p(most) : count / most);
    const shape = (counts, up) => counts.map((count, i) => {
      if (!count) return "";
      const a = this.x(edges[i]) + 0.5, b = this.x(edges[i + 1]) - 0.5, h = Math.max(1.5, tall(count));
      return `M${a} ${middle}V${middle + up * h}H${b}V${middle}Z`;
    }).join("");
    const parts = [];
    const round = this.scale === "log" ? 10 ** Math.floor(Math.log10(most)) : ticks(0, most, 2).at(-1);
    for (const up of [-1, 1]) {
      const y = middle + up * tall(round);
      parts.push(make("line", { class: "grid", x1: SIDE, x2: width - SIDE, y1: y, y2: y }));
      parts.push(make("text", { x: 0, y: y - 4, "text-anchor": "start" }, String(round)));
    }
    this.clips = ["passed", "between", "flagged"].map((name) => {
      const clip = make("clipPath", { id: `clip-${name}` }), rect = make("rect", { y: 0, height });
      clip.append(rect);
      parts.push(clip);
      return rect;
    });
    this.zone = make("rect", { class: "between", y: top - 6, height: 2 * half + 12 });
    parts.push(this.zone);
    const shapes = [[shape(data.normal, -1), "passed", "alarm"], [shape(data.anomalous, 1), "missed", "found"]];
    for (const [d, below, above] of shapes) {
      parts.push(make("path", { d, class: below, "clip-path": "url(#clip-passed)" }));
      parts.push(make("path", { d, class: `again ${above}`, "clip-path": "url(#clip-between)" }));
      parts.push(make("path", { d, class: above, "clip-path": "url(#clip-flagged)" }));
    }
    parts.push(make("line", { class: "axis", x1: SIDE, x2: width - SIDE, y1: middle, y2: middle }));
    const clear = lanes.marks.map(({ x }) => x).sort((a, b) => b - a).reduce((edge, x) => x > edge - 110 ? x - 6 : edge, width - SIDE);
    parts.push(make("text", { class: "kind", x: clear, y: top + 14, "text-anchor": "end" }, `${data.words.good} ↑`));
    parts.push(make("text", { class: "kind", x: clear, y: middle + half - 2, "text-anchor": "end" }, `${data.words.bad} ↓`));
    for (const value of ticks(low, high, narrow ? 4 : 8)) {
      const near = this.x(value);
      if (near < SIDE + 14 || near > width - SIDE - 14) continue;
      parts.push(make("text", { x: near, y: height - 4, "text-anchor": "middle" }, said(value)));
    }
    for (const { name, x, lane, end } of lanes.marks) {
      const group = make("g", { class: "mark" }), y = 28 + 16 * lane;
      group.append(make("line", { x1: x, x2: x, y1: y - 10, y2: middle + half }));
      group.append(make("text", { x: x + (end ? -5 : 5), y, "text-anchor": end ? "end" : "start" }, name));
      parts.push(group);
    }
    this.geometry = { top, middle, half, width, height };
    const before = this.root.getRootNode().activeElement?.dataset?.line;
    this.handles = [this.handle("low")];
    if (this.high !== null) this.handles.push(this.handle("high"));
    svg.replaceChildren(...parts, ...this.handles);
    if (before) this.handles.find((one) => one.dataset.line === before)?.focus({ preventScroll: true });
    for (const button of this.root.querySelectorAll("[data-scale]")) button.ariaPressed = String(button.dataset.scale === this.scale);
    this.root.querySelector("[data-band]").ariaPressed = String(this.high !== null);
    this.move();
    this.root.dataset.ready = data.id;
  }

  lanes() {                    // labels of marks that would overlap stand below each other
    const width = this.root.clientWidth - 32, ends = [];
    const marks = [...this.data.marks].sort((a, b) => a[1] - b[1]).map(([name, value]) => {
      const x = this.x(value), long = 7 * name.length + 10, end = x + long > width;
      const from = end ? x - long : x, to = end ? x : x + long;
      let lane = ends.findIndex((last) => last <= from);
      if (lane < 0) lane = ends.length;
      ends[lane] = to;
      return { name, x, lane, end };
    });
    return { marks, count: Math.max(1, ends.length) };
  }

  handle(line) {
    const { words } = this.data, { top, middle, half } = this.geometry;
    const label = this.high === null ? words.threshold : line === "low" ? words.lower : words.upper;
    const group = make("g", { class: "handle", role: "slider", tabindex: 0, "aria-label": label, "aria-orientation": "horizontal" });
    group.dataset.line = line;
    group.append(
      make("rect", { class: "hit", x: -16, width: 32, y: top - 14, height: 2 * half + 26 }),
      make("line", { class: "rod", y1: top - 8, y2: middle + half + 6 }),
      make("rect", { class: "knob", x: -6, width: 12, y: middle - 14, height: 28, rx: 6 }),
      make("text", { class: "value", y: 12, "text-anchor": "middle" }),
    );
    group.addEventListener("keydown", (event) => this.key(event, line));
    group.addEventListener("blur", () => { if (this.timer) this.release(); });
    return group;
  }

  move() {                     // what follows from where the lines stand
    const { thresholds, words } = this.data, { width } = this.geometry;
    const at = { low: this.x(thresholds[this.low]), high: this.x(thresholds[this.high ?? this.low]) };
    const bounds = [[0, at.low], [at.low, at.high], [at.high, width]];
    this.clips.forEach((rect, i) => {
      rect.setAttribute("x", bounds[i][0]);
      rect.setAttribute("width", Math.max(0, bounds[i][1] - bounds[i][0]));
    });
    this.zone.setAttribute("x", at.low);
    this.zone.setAttribute("width", Math.max(0, at.high - at.low));
    for (const group of this.handles) {
      const line = group.dataset.line, index = this[line], text = group.querySelector("text");
      group.setAttribute("transform", `translate(${at[line]} 0)`);
      group.ariaValueMin = String(thresholds[0]);
      group.ariaValueMax = String(thresholds.at(-1));
      group.ariaValueNow = String(thresholds[index]);
      group.ariaValueText = `${said(thresholds[index])}: ${this.sentence()}`;
      const near = at.high - at.low < 90 && this.high !== null;
      text.textContent = said(thresholds[index]);
      text.setAttribute("x", near ? (line === "low" ? -4 : 4) : 0);
      text.setAttribute("text-anchor", near ? (line === "low" ? "end" : "start") : at[line] < 40 ? "start" : at[line] > width - 40 ? "end" : "middle");
    }
    this.root.ariaLabel = words.title;
    this.tell();
  }

  // -- hands --------------------------------------------------------------------------------
  set(line, index) {
    const last = this.data.thresholds.length - 1;
    let to = Math.max(0, Math.min(last, index));
    if (this.high !== null) to = line === "low" ? Math.min(to, this.high - 1) : Math.max(to, this.low + 1);
    if (to < 0 || to > last || to === this[line]) return;
    this[line] = to;
    this.changed = true;
    this.move();
  }

  grab(event) {
    if (event.button || !this.data) return;
    const x = this.place(event);
    const lines = this.high === null ? ["low"] : ["low", "high"];
    const far = (line) => Math.abs(this.x(this.data.thresholds[this[line]]) - x);
    this.held = event.target.closest?.(".handle")?.dataset.line ?? lines.sort((a, b) => far(a) - far(b))[0];
    this.svg.setPointerCapture(event.pointerId);
    const handle = this.handles.find((one) => one.dataset.line === this.held);
    handle.classList.add("held");
    handle.focus({ preventScroll: true });
    event.preventDefault();
    this.drag(event);
  }

  place(event) { return event.clientX - this.svg.getBoundingClientRect().left; }

  drag(event) {
    if (this.held) this.set(this.held, nearest(this.data.thresholds, this.back(this.place(event))));
  }

  drop() {
    if (!this.held) return;
    for (const one of this.handles) one.classList.remove("held");
    this.held = null;
    this.release();
  }

  key(event, line) {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: STEPS, PageDown: -STEPS }[event.key];
    const end = { Home: 0, End: this.data.thresholds.length - 1 }[event.key];
    if (step === undefined && end === undefined) return;
    event.preventDefault();
    this.set(line, end ?? this[line] + step);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.release(), QUIET);
  }

  release() {
    clearTimeout(this.timer);
    this.timer = 0;
    if (!this.changed) {
      if (this.data !== this.shown) this.take();  // what came while the hand was on the line
      return;
    }
    this.changed = false;
    const { thresholds, id } = this.data;
    this.send({ id, low: thresholds[this.low], high: this.high === null ? null : thresholds[this.high] });
  }

  typed(field) {               // a number of one's own, which need not be in the table
    const { thresholds, id } = this.data, value = field.valueAsNumber, line = field.dataset.line;
    const now = { id, low: thresholds[this.low], high: this.high === null ? null : thresholds[this.high] };
    const next = { ...now, [line]: value };
    if (Number.isFinite(value) && (next.high === null || next.high > next.low)) this.send(next);
    else this.tell();
  }

  band() {
    if (this.high !== null) this.low = this.high, this.high = null;
    else {
      const last = this.data.thresholds.length - 1;
      this.high = Math.max(1, this.low);
      this.low = Math.max(0, this.high - Math.max(1, Math.round(last / 10)));
    }
    this.changed = true;
    this.draw();
    this.release();
  }
}

export default function component({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".threshold");
  if (!LIVES.has(root)) LIVES.set(root, new Chart(root));
  LIVES.get(root).show(data, (release) => setTriggerValue("release", release));
}
