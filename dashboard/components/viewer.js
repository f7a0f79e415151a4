// The viewer itself: one per mount. `component(...)` is called anew with every case.

const LIVES = new WeakMap();     // what a mount keeps across cases
const STORE = "flawscope-viewer";

function remembered() {
  try { return JSON.parse(sessionStorage.getItem(STORE)) || {}; } catch { return {}; }
}

function remember(state) {
  const { opacity, scale, mode, truth } = state;
  try { sessionStorage.setItem(STORE, JSON.stringify({ opacity, scale, mode, truth })); } catch { /* private window */ }
}

class Viewer {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.state = {
      opacity: 72, scale: "calibrated", mode: "heat", truth: false, ...remembered(),
      blink: false, cursor: null, view: { scale: 1, cx: 0.5, cy: 0.5 },
      level: null, position: null,   // named threshold, or a slider position set by hand
    };
    this.generation = 0;
    this.panes = [];
    this.frame = 0;
    wire(this);
  }

  // -- a new case ---------------------------------------------------------------------------
  async load(data, send) {
    this.send = send;
    if (this.shown === data) return;
    const fresh = ++this.generation, arrived = performance.now();
    const image = data.picture ? bitmap(data.picture).catch(() => null) : null;
    const [picture, mask, ...maps] = await Promise.all([
      image, data.truth ? loadMask(data.truth) : null, ...data.panes.map((pane) => loadMap(pane.map)),
    ]);
    if (fresh !== this.generation) return;           // a later case overtook this one
    const aspect = data.width && data.height ? data.width / data.height
      : picture ? picture.width / picture.height : maps[0] ? maps[0].w / maps[0].h : 1;
    const changed = this.data?.id !== data.id;
    this.shown = data;
    this.data = data;
    this.waiting = false;
    this.picture = picture;
    this.aspect = aspect;
    this.mask = mask;
    this.truthLine = null;       // made when it is first asked for
    const sizes = new Map();     // truth at the size of each map, made once a size
    this.panes = data.panes.map((pane, i) => {
      const map = maps[i], size = `${map.w}x${map.h}`;
      if (!sizes.has(size)) {
        sizes.set(size, mask ? fitted(mask, map.w, map.h) : data.normal ? new Uint8Array(map.w * map.h) : null);
      }
      const truth = sizes.get(size);
      return { ...pane, ...map, truth, cal: calibration(pane.tail, map.values) };
    });
    if (changed) this.state.blink = false;
    this.build();
    this.levels();
    this.heat();
    this.classes();
    this.draw();
    this.say(data.caption || "");
    this.root.dataset.case = data.id;
    this.root.dataset.ready = (performance.now() - arrived).toFixed(0);
  }

  dark() {
    const back = getComputedStyle(this.root).getPropertyValue("--st-background-color").trim();
    if (!/^#[0-9a-f]{6}$/i.test(back)) return matchMedia("(prefers-color-scheme: dark)").matches;
    const [r, g, b] = rgb(back);
    return 0.3 * r + 0.59 * g + 0.11 * b < 128;
  }

  get colours() { return this.data.colours[this.dark() ? "dark" : "light"]; }
  get stops() { return this.data.heat; }
  get truth() { return this.panes.some((pane) => pane.truth); }
  get calibrated() { return this.state.scale === "calibrated" && this.panes.some((pane) => pane.cal.xs); }

  // -- what follows from the settings -------------------------------------------------------
  heat() {
    for (const pane of this.panes) paintHeat(pane, this.stops, this.state.scale === "calibrated");
    this.legend();
  }

  threshold(pane) {
    if (this.state.position !== null) return rawAt(pane.cal, this.state.position);
    const named = pane.thresholds.find(([name]) => name === this.state.level) ?? pane.thresholds[0];
    return named ? named[1] : rawAt(pane.cal, BEND * Math.log(1e-3 / COMMON) / Math.log(RAREST / COMMON));
  }

  classes() {
    for (const pane of this.panes) {
      pane.threshold = this.threshold(pane);
      paintClasses(pane, pane.truth, pane.threshold, this.colours);
    }
    this.tell();
  }

  levels() {                     // the named thresholds of these panes
    const names = [...new Set(this.panes.flatMap((pane) => pane.thresholds.map(([name]) => name)))];
    if (!names.includes(this.state.level)) this.state.level = names[0] ?? null;
    const select = this.find("select");
    select.replaceChildren(...names.map((name) => new Option(name, name)), new Option("set by hand", ""));
    select.hidden = this.panes.length === 0;
  }

  // -- the page -----------------------------------------------------------------------------
  build() {
    const panes = [{ label: "Picture", note: this.data.picture ? "" : "cannot be shown" }, ...this.panes];
    const holder = this.find(".panes");
    const same = holder.children.length === panes.length;
    if (!same) {
      holder.replaceChildren(...panes.map(() => {
        const figure = document.createElement("figure");
        figure.className = "pane";
        figure.innerHTML = '<figcaption><span class="dot"></span><b></b><span class="note"></span></figcaption>'
          + '<canvas role="img"></canvas><div class="told"></div>';
        watchCanvas(this, figure.querySelector("canvas"));
        return figure;
      }));
    }
    panes.forEach((pane, i) => {
      const figure = holder.children[i], dot = figure.querySelector(".dot");
      figure.querySelector("b").textContent = pane.label;
      figure.querySelector(".note").textContent = pane.note;
      dot.style.background = pane.colour || "none";
      dot.hidden = !pane.colour;
      dot.style.display = pane.colour ? "" : "none";
      figure.querySelector("canvas").ariaLabel = i
        ? `Heat map of ${pane.label} over the picture. ${pane.note}` : `Picture ${this.data.caption}`;
    });
    this.marks();
    this.resize();
  }

  marks() {
    const line = (k) => `<svg width="26" height="8" aria-hidden="true"><line x1="1" y1="4" x2="25" y2="4" stroke-width="2.5"
      stroke="${k === ABOVE ? "currentColor" : classColour(k, this.colours)}" stroke-dasharray="${DASH[k].join(" ")}"/></svg>`;
    this.find(".marks").innerHTML = (this.truth ? [FOUND, ALARM, MISSED] : this.panes.length ? [ABOVE] : [])
      .map((k) => `<span>${line(k)}${WORDS[k]}</span>`).join("");
  }

  resize() {
    if (!this.data) return;
    const width = this.root.clientWidth || 800, n = this.panes.length + 1;
    const columns = width < 560 ? 1 : n <= 3 ? n : width >= 1180 ? n : 2;
    this.root.classList.toggle("narrow", width < 560);
    this.root.style.setProperty("--columns", columns);
    const ratio = devicePixelRatio || 1, full = document.fullscreenElement === this.root;
    const most = (full ? 0.78 : 0.66) * innerHeight / (full && columns < n ? 2 : 1);
    for (const canvas of this.root.querySelectorAll(".pane canvas")) {
      const wide = canvas.parentElement.clientWidth, high = Math.round(Math.min(wide / this.aspect, Math.max(220, most)));
      canvas.style.height = `${high}px`;
      canvas.width = Math.round(wide * ratio);
      canvas.height = Math.round(high * ratio);
    }
    this.legend();
    this.draw();
  }

  draw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (!this.data) return;
      const ratio = devicePixelRatio || 1, scene = this.scene();
      this.root.querySelectorAll(".pane canvas").forEach((canvas, i) => {
        drawPane(canvas, scene, i ? this.panes[i - 1] : null, ratio);
      });
      this.root.classList.toggle("zoomed", this.state.view.scale > 1);
    });
  }

  scene() {
    const { picture, aspect, mask, state } = this;
    if (mask && state.truth) this.truthLine ??= truthPath(mask);
    const { truthLine } = this;
    return { picture, aspect, mask, truthLine, state, colours: this.colours };
  }

  legend() {
    const canvas = this.find(".legend"), width = Math.max(60, canvas.clientWidth || 300);
    canvas.width = width;
    const context = canvas.getContext("2d"), ends = this.find(".legend-ends");
    drawLegend(context, 0, 0, width, 9, this.stops, this.calibrated);
    const one = this.panes[0]?.cal;
    const names = this.calibrated ? ["1 in 20", "1 in 1,000", "1 in 100,000"]
      : this.panes.length === 1 ? [digits(one.low), digits((one.low + one.high) / 2), digits(one.high)] : ["low", "", "high"];
    ends.replaceChildren(...names.map((name) => Object.assign(document.createElement("span"), { textContent: name })));
    this.legendWords = this.calibrated ? "1 in 20 … 1 in 100,000 normal pixels this hot or hotter"
      : this.panes.some((pane) => pane.cal.xs) ? "raw score, the same scale for every picture of the class"
      : "raw score, the scale of this picture alone: no normal pixels are known to compare with";
    this.find(".legend-words").textContent = this.calibrated ? "normal pixels this hot or hotter" : this.legendWords;
  }

  tell() {                       // sliders, switches and numbers say what is set
    const { state, panes } = this, first = panes[0];
    const position = state.position ?? (first ? positionOf(first.cal, first.threshold) : 0);
    this.find("#threshold").value = Math.round(position * 1000);
    this.find("#threshold").disabled = !first;
    this.find("#opacity").value = state.opacity;
    this.find("output.opacity").textContent = `${state.opacity} %`;
    this.find("select").value = state.position === null ? state.level ?? "" : "";
    const at = !first ? "" : panes.length === 1 || state.position === null || !first.cal.xs
      ? digits(first.threshold) : oneIn(shareAt(first.cal, first.threshold));
    this.find("output.at").textContent = panes.length > 1 && state.position === null ? "each its own" : at;
    this.find("#threshold").ariaValueText = first ? `${digits(first.threshold)}, ${oneIn(shareAt(first.cal, first.threshold))}` : "";
    const known = first?.cal.xs;
    this.find(".ends-low").textContent = known ? "1 in 2 normal pixels" : first ? digits(first.cal.low) : "";
    this.find(".ends-high").textContent = known ? "beyond every normal pixel" : first ? digits(first.cal.high) : "";
    for (const button of this.root.querySelectorAll("button")) {
      const { do: what, value } = button.dataset;
      const on = { mode: state.mode === value, scale: state.scale === value, truth: state.truth, blink: state.blink }[what];
      if (on !== undefined) button.setAttribute("aria-pressed", String(on));
      if (what === "truth") button.disabled = !this.mask;
      if (what === "previous" || what === "next") button.disabled = !this.data[what];
      if (what === "reset") button.disabled = state.view.scale === 1;
    }
    this.readout();
  }

  toldOf(pane) {
    const share = shareAt(pane.cal, pane.threshold);
    const rest = share === null ? "" : share === 0 ? " · above every normal pixel seen" : ` · ${oneIn(share)}`;
    return `threshold ${digits(pane.threshold)}${rest}`;
  }

  readout() {
    const told = this.root.querySelectorAll(".told"), at = this.state.cursor;
    told.forEach((element, i) => {
      const pane = this.panes[i - 1];
      if (!pane) {
        const sample = at && this.data.width ? `x ${Math.floor(at.x * this.data.width)}, y ${Math.floor(at.y * this.data.height)}` : "";
        element.textContent = sample || (this.data.width ? `${this.data.width} × ${this.data.height} px` : "");
        return;
      }
      if (!at) { element.textContent = this.toldOf(pane); return; }
      const x = clamp(Math.floor(at.x * pane.w), 0, pane.w - 1), y = clamp(Math.floor(at.y * pane.h), 0, pane.h - 1);
      const v = pane.values[y * pane.w + x], share = shareAt(pane.cal, v), strong = document.createElement("strong");
      strong.textContent = `score ${digits(v)}`;
      const words = share === null ? "" : share === 0 ? " · hotter than every normal pixel seen" : ` · ${oneIn(share)} this hot or hotter`;
      element.replaceChildren(strong, words);
    });
  }

  say(text) { this.find(".live").textContent = text; }

  // -- what a person does -------------------------------------------------------------------
  set(position) {                // one threshold for all panes, as a slider position
    this.state.position = clamp(position, 0, 1);
    if (this.settling) return;
    this.settling = requestAnimationFrame(() => {    // at most once a frame
      this.settling = 0;
      this.classes();
      this.draw();
    });
  }

  act(what, value) {
    const { state } = this;
    if (!this.data) return;
    if (what === "next" || what === "previous") return this.go(what);
    if (what === "mode") state.mode = value;
    else if (what === "scale") { state.scale = value; this.heat(); }
    else if (what === "truth") { if (this.mask) state.truth = !state.truth; }
    else if (what === "blink") state.blink = !state.blink;
    else if (what === "reset") state.view = { scale: 1, cx: 0.5, cy: 0.5 };
    else if (what === "full") document.fullscreenElement ? document.exitFullscreen() : this.root.requestFullscreen?.();
    else if (what === "save") this.save();
    remember(state);
    this.tell();
    this.draw();
  }

  go(to) {
    if (!this.data[to] || this.waiting) return;
    this.waiting = true;
    setTimeout(() => { this.waiting = false; }, 4000);
    this.send({ to, case: this.data.id });
  }

  look(scale, cx, cy) {          // the same part of the picture in every pane
    const half = 0.5 / scale;
    this.state.view = { scale, cx: clamp(cx, half, 1 - half), cy: clamp(cy, half, 1 - half) };
    this.find('[data-do="reset"]').disabled = scale === 1;
    this.draw();
  }

  async save() {
    const scene = { ...this.scene(), stops: this.stops, caption: this.data.caption || this.data.id, truth: this.truth,
      legendWords: this.legendWords, dark: this.dark(), font: getComputedStyle(this.root).fontFamily };
    const all = [[null, "Picture", ""], ...this.panes.map((pane) => [pane, [pane.label, pane.note].filter(Boolean).join(" · "), this.toldOf(pane)])];
    const blob = await composed(scene, all).convertToBlob({ type: "image/png" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${this.data.id.replace(/[^\w.-]+/g, "_").slice(-80)}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  close() {
    document.removeEventListener("keydown", this.onKey);
    document.removeEventListener("fullscreenchange", this.onFull);
    this.scheme.removeEventListener("change", this.onScheme);
    this.observer.disconnect();
    if (active === this) active = null;
  }
}

export default function component({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".viewer");
  let life = LIVES.get(root);
  if (!life) {
    life = new Viewer(root);
    LIVES.set(root, life);
  }
  life.load(data, (wish) => setTriggerValue("go", wish)).catch((problem) => {
    console.error(problem);
    life.say("This case could not be drawn.");
  });
  return () => { if (!root.isConnected) { life.close(); LIVES.delete(root); } };
}
