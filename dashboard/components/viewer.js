// The viewer itself: one per mount. `component(...)` is called anew with every message.

const LIVES = new WeakMap();     // what a mount keeps across cases
const STORE = "flawscope-viewer";
const REGIONS = ["outline", "fill", "both", "none"];
const WHOLE = { scale: 1, cx: 0.5, cy: 0.5 };

function remembered() {
  try { return JSON.parse(localStorage.getItem(STORE)) || {}; } catch { return {}; }
}

function remember({ opacity, scale, heat, regions, truth, map }) {
  try { localStorage.setItem(STORE, JSON.stringify({ opacity, scale, heat, regions, truth, map })); } catch { /* private window */ }
}

class Viewer {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.state = {
      opacity: 72, scale: "calibrated", heat: true, regions: "outline", truth: false, map: null, ...remembered(),
      blink: false, cursor: null, view: WHOLE, focus: null,
      level: null, position: null,   // named threshold, or a slider position set by hand
    };
    this.generation = 0;
    this.panes = [];
    this.frame = 0;
    this.passed = new Set();         // cases gone past whose answers are still on their way
    wire(this);
  }

  // -- a message, a case --------------------------------------------------------------------
  async receive(message, send) {
    this.send = send;
    if (this.message === message) return;
    this.message = message;
    const data = unpack(message);
    if (data.id !== this.target && this.passed.has(data.id)) { this.late = data; return; }
    this.settle();
    await this.show(data);
  }

  settle() {                     // the server has caught up, or is no longer waited for
    clearTimeout(this.patience);
    this.passed.clear();
    this.target = this.late = null;
    this.waiting = false;
  }

  async show(data) {
    if (this.data?.digest === data.digest) return;
    if (!complete(data)) {         // it went by, or was dropped to make room: ask once more
      if (this.asked !== data.digest) { this.asked = data.digest; this.send("need", { case: data.id, at: Date.now() }); }
      return;
    }
    this.asked = null;
    const fresh = ++this.generation, arrived = performance.now();
    const [picture, mask, ...maps] = await Promise.all([
      data.picture ? blob(data.picture) : null, data.truth ? blob(data.truth) : null, ...data.panes.map((pane) => blob(pane.map)),
    ]);
    if (fresh !== this.generation) return;           // a later case overtook this one
    const changed = this.data?.id !== data.id, decoded = performance.now();
    const pictured = !changed && this.picture === picture;
    this.data = data;
    this.picture = picture;
    this.mask = mask;
    this.aspect = data.width && data.height ? data.width / data.height
      : picture ? picture.width / picture.height : maps[0] ? maps[0].w / maps[0].h : 1;
    this.words = { [FOUND]: data.words.found, [ALARM]: data.words.alarm, [MISSED]: data.words.missed, [ABOVE]: "above the threshold" };
    if (!pictured) this.shared = { name: `${data.key} ${data.id} ${data.picture}` };
    const before = this.panes;
    this.panes = data.panes.map((pane, i) => {
      const map = maps[i] ?? { w: 1, h: 1, codes: new Uint16Array(1), low: 0, high: 0 };
      const truth = mask ? truthAt(mask, map.w, map.h) : data.normal ? truthOf(new Uint8Array(map.w * map.h), map.w, map.h) : null;
      const old = !changed && before.find((one) => one.id === pane.id && one.map === map && one.truth?.on === truth?.on);
      return { ...(old || {}), ...pane, map, truth, cal: calibration(pane.tail, VALUE[map.low], VALUE[map.high]) };
    });
    if (changed) Object.assign(this.state, { blink: false, focus: null });
    this.root.classList.toggle("presenting", data.present);
    this.root.classList.toggle("alone", !data.panes.length);
    if (data.extra?.outlined && !this.outlined) this.outlined = this.state.truth = true;   // at first
    buildPanes(this);
    showLevels(this);
    showMarks(this);
    this.paint();
    this.classes();
    this.resize();
    this.find(".live").textContent = data.caption || "";
    requestAnimationFrame(() => {
      this.root.dataset.case = data.id;
      this.root.dataset.decode = (decoded - arrived).toFixed(0);
      this.root.dataset.ready = (performance.now() - arrived).toFixed(0);
    });
  }

  dark() {
    const back = getComputedStyle(this.root).getPropertyValue("--st-background-color").trim();
    if (!/^#[0-9a-f]{6}$/i.test(back)) return matchMedia("(prefers-color-scheme: dark)").matches;
    const [r, g, b] = rgb(back);
    return 0.3 * r + 0.59 * g + 0.11 * b < 128;
  }

  get colours() { return this.data.colours[this.dark() ? "dark" : "light"]; }
  get stops() { return this.data.heat[this.state.map]; }
  get filled() { return this.state.regions === "fill" || this.state.regions === "both"; }
  get calibrated() { return this.state.scale === "calibrated" && this.panes.some((pane) => pane.cal.xs); }
  get kinds() {                  // what regions there can be
    return this.panes.some((pane) => pane.truth) ? [FOUND, ALARM, MISSED] : this.panes.length ? [ABOVE] : [];
  }

  several(truth) { return truth ? [this.words[ALARM], this.data.words.alarms] : ["place", "places"]; }

  // -- what follows from the settings -------------------------------------------------------
  paint() {
    for (const pane of this.panes) paintHeat(pane, this.stops, this.state.scale === "calibrated");
  }

  threshold(pane) {
    if (this.state.position !== null) return rawAt(pane.cal, this.state.position);
    const named = pane.thresholds.find(([name]) => name === this.state.level) ?? pane.thresholds[0];
    return named ? named[1] : rawAt(pane.cal, BEND * Math.log(1e-3 / COMMON) / Math.log(RAREST / COMMON));
  }

  classes() {
    const { colours, filled } = this;
    for (const pane of this.panes) {
      pane.threshold = this.threshold(pane);
      paintClasses(pane, colours, filled);
    }
    showSettings(this);
    if (this.listing) return;
    this.listing = setTimeout(() => {            // the list follows ten times a second, not every frame
      this.listing = 0;
      if (this.data) showSide(this);
    }, 100);
  }

  resize() {
    if (!this.data) return;
    this.root.classList.toggle("narrow", this.root.clientWidth < 560);
    this.root.classList.toggle("wide", this.root.clientWidth >= 900);
    const width = this.find(".main").clientWidth || 800, n = this.panes.length + 1;
    const columns = width < 520 ? 1 : n <= 3 ? n : width >= 1180 ? n : 2, full = document.fullscreenElement === this.root;
    this.root.style.setProperty("--columns", columns);
    const most = (full ? 0.78 : 0.66) * innerHeight / (full && columns < n ? 2 : 1);
    for (const canvas of this.root.querySelectorAll(".pane canvas")) {
      const wide = canvas.parentElement.clientWidth, high = Math.round(Math.min(wide / this.aspect, Math.max(220, most)));
      const ratio = this.ratio;
      canvas.style.height = `${high}px`;
      if (canvas.width !== Math.round(wide * ratio)) canvas.width = Math.round(wide * ratio);
      if (canvas.height !== Math.round(high * ratio)) canvas.height = Math.round(high * ratio);
    }
    this.find(".side").style.maxHeight = this.root.classList.contains("wide") ? `${Math.max(this.find(".main").offsetHeight, 0.6 * innerHeight)}px` : "";
    showLegend(this);
    this.draw();
  }

  get ratio() { return (devicePixelRatio || 1) * (this.root.currentCSSZoom || 1); }

  draw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (!this.data) return;
      const scene = this.scene(), began = performance.now();
      this.root.querySelectorAll(".pane canvas").forEach((canvas, i) => drawPane(canvas, scene, i ? this.panes[i - 1] : null, this.ratio));
      this.root.classList.toggle("zoomed", this.state.view.scale > 1);
      this.find('[data-do="reset"]').hidden = this.state.view.scale === 1;
      this.root.dataset.drawn = (performance.now() - began).toFixed(1);
    });
  }

  scene() {
    const { picture, aspect, mask, state, shared } = this;
    if (mask && state.truth) mask.line ??= maskLines(mask);
    return { picture, aspect, mask, truthLine: mask?.line, state, shared, colours: this.colours };
  }

  toldOf(pane) {
    const share = shareAt(pane.cal, pane.threshold);
    const rest = share === null ? "" : share === 0 ? " · above every normal pixel seen" : ` · ${oneIn(share)}`;
    return `threshold ${digits(pane.threshold)}${rest}`;
  }

  // -- what a person does -------------------------------------------------------------------
  set(position) {                // one threshold for all panes, as a slider position
    this.state.position = clamp(position, 0, 1);
    if (this.settling) return;
    this.settling = requestAnimationFrame(() => {    // at most once a frame
      this.settling = 0;
      if (!this.data) return;
      this.classes();
      this.draw();
    });
  }

  act(what, value) {
    const { state } = this;
    if (!this.data) return;
    if (what === "next" || what === "previous") return this.go(what);
    if (what !== "more") openMenu(this, false);
    if (what === "more") return openMenu(this, this.find(".menu").hidden);
    if (what === "help") return openHelp(this, this.find(".help").hidden);
    if (what === "heat") state.heat = !state.heat;
    else if (what === "regions") state.regions = value ?? REGIONS[(REGIONS.indexOf(state.regions) + 1) % REGIONS.length];
    else if (what === "map" || what === "scale") { state[what] = value; this.paint(); showLegend(this); }
    else if (what === "truth") { if (this.mask) state.truth = !state.truth; }
    else if (what === "blink") state.blink = !state.blink;
    else if (what === "reset") Object.assign(state, { view: WHOLE, focus: null });
    else if (what === "full") document.fullscreenElement ? document.exitFullscreen() : this.root.requestFullscreen?.();
    else if (what === "save") savePicture(this);
    remember(state);
    if (what === "regions") this.classes(); else showSettings(this);
    this.draw();
  }

  // A case that was sent ahead is drawn at once; the server hears of it afterwards, so that the
  // address and what stands around the viewer follow.
  go(to) {
    const { id, key } = this.data, target = this.data.goes[to], next = target && kept(key, target);
    if (!target || this.waiting) return;
    const wish = () => this.send("go", { to, case: id, target, at: Date.now(), held: [...SHELF.blobs.keys()].slice(-80) });
    this.passed.add(id);
    this.target = target;
    clearTimeout(this.patience);
    this.patience = setTimeout(() => { const { late } = this; this.settle(); if (late) this.show(late); }, 6000);
    if (next && complete(next)) this.show(next).then(() => requestAnimationFrame(() => setTimeout(wish)));
    else { this.waiting = true; wish(); }
  }

  look(scale, cx, cy) {          // the same part of the picture in every pane
    const half = 0.5 / scale;
    this.state.view = { scale, cx: clamp(cx, half, 1 - half), cy: clamp(cy, half, 1 - half) };
    this.draw();
  }

  focus(pane, { x0, y0, x1, y1 }) {          // all panes look at one region; again: the whole picture
    const { w, h } = pane.map, at = { x0: x0 / w, y0: y0 / h, x1: x1 / w, y1: y1 / h };
    if (JSON.stringify(at) === JSON.stringify(this.state.focus)) return this.act("reset");
    this.state.focus = at;
    this.look(clamp(0.35 / Math.max(at.x1 - at.x0, at.y1 - at.y0), 1, 12), (at.x0 + at.x1) / 2, (at.y0 + at.y1) / 2);
  }

  close() {
    clearTimeout(this.patience);
    unwire(this);
  }
}

export default function component({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".viewer");
  let life = LIVES.get(root);
  if (!life) {
    life = new Viewer(root);
    LIVES.set(root, life);
  }
  life.receive(data, setTriggerValue).catch((problem) => {
    console.error(problem);
    life.find(".live").textContent = "This case could not be drawn.";
  });
  return () => { if (!root.isConnected) { life.close(); LIVES.delete(root); } };
}
