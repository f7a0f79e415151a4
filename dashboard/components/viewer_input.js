// What a person does: mouse, touch, keyboard. `viewer` is the Viewer of viewer.js.

let active = null;               // the viewer that the keyboard means

const KEYS = {
  ArrowLeft: "previous", ArrowRight: "next", t: "truth", f: "full", h: "heat", o: "regions", " ": "blink", 0: "reset", "?": "help",
};

function wire(viewer) {          // sliders, buttons, keyboard, size, theme
  const threshold = viewer.find("#threshold"), opacity = viewer.find("#opacity"), level = viewer.find(".level");
  threshold.oninput = () => viewer.set(threshold.valueAsNumber / 1000);
  opacity.oninput = () => {
    viewer.state.opacity = opacity.valueAsNumber;
    viewer.find("output.opacity").textContent = `${viewer.state.opacity} %`;
    remember(viewer.state);
    viewer.draw();
  };
  level.onchange = () => {
    if (level.value === "") return viewer.set(threshold.valueAsNumber / 1000);
    viewer.state.position = null;
    viewer.state.level = level.value;
    viewer.classes();
    viewer.draw();
  };
  for (const name of ["map", "scale"]) viewer.find(`select.${name}`).onchange = (event) => viewer.act(name, event.target.value);
  viewer.root.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (button) viewer.act(button.dataset.do, button.dataset.value);
    else if (!event.target.closest(".menu, .help")) openMenu(viewer, false);
  });
  const mine = () => { active = viewer; };
  viewer.root.addEventListener("pointerenter", mine);
  viewer.root.addEventListener("focusin", mine);
  viewer.onKey = (event) => onKey(viewer, event);
  document.addEventListener("keydown", viewer.onKey);
  viewer.onFull = () => viewer.resize();
  document.addEventListener("fullscreenchange", viewer.onFull);
  viewer.observer = new ResizeObserver(() => viewer.resize());
  viewer.observer.observe(viewer.root);
  // The theme may change while the page is open; its colours are read when drawing.
  viewer.scheme = matchMedia("(prefers-color-scheme: dark)");
  viewer.onScheme = () => setTimeout(() => { if (viewer.data) { showMarks(viewer); viewer.classes(); viewer.draw(); } }, 300);
  viewer.scheme.addEventListener("change", viewer.onScheme);
  active ??= viewer;
}

function unwire(viewer) {
  document.removeEventListener("keydown", viewer.onKey);
  document.removeEventListener("fullscreenchange", viewer.onFull);
  viewer.scheme.removeEventListener("change", viewer.onScheme);
  viewer.observer.disconnect();
  if (active === viewer) active = null;
}

function openMenu(viewer, open) {
  viewer.find(".menu").hidden = !open;
  viewer.find('[data-do="more"]').ariaExpanded = String(open);
}

function openHelp(viewer, open) {
  const help = viewer.find(".help");
  help.hidden = !open;
  if (open) help.querySelector("button").focus(); else viewer.root.focus({ preventScroll: true });
}

function onKey(viewer, event) {
  if (!viewer.root.isConnected) return viewer.close();
  if (!active?.root.isConnected) active = viewer;
  if (active !== viewer || event.ctrlKey || event.metaKey || event.altKey || !viewer.data) return;
  const target = event.composedPath()[0];
  if (event.key === "Escape") {
    if (!viewer.find(".help").hidden) openHelp(viewer, false);
    return openMenu(viewer, false);
  }
  const typing = target instanceof Element && target.closest("input:not([type=range]), textarea, select, [contenteditable], [role=combobox], [role=listbox]");
  const elsewhere = target instanceof Element && !viewer.root.contains(target) && target.closest("[role=dialog]");
  if (typing || elsewhere) return;
  const onSlider = target instanceof Element && target.matches("input[type=range], [role=slider]");
  const onButton = target instanceof Element && target.closest("button, a, summary, [role=button], [role=radio], [role=tab]");
  const named = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
  if ((named === "previous" || named === "next") && (onSlider || (onButton && !viewer.root.contains(onButton)))) return;
  if (named === "blink" && onButton) return;
  if (event.repeat && !["previous", "next"].includes(named) && named) return event.preventDefault();
  if (named) viewer.act(named);
  else if ("+=-_".includes(event.key)) {
    const slider = viewer.find("#threshold"), now = viewer.state.position ?? slider.valueAsNumber / 1000;
    viewer.set(now + ("+=".includes(event.key) ? 0.005 : -0.005));
  } else return;
  event.preventDefault();
}

function watchCanvas(viewer, canvas) {   // wheel, drag, pinch and hover of one canvas
  const held = new Map();
  const place = (event) => {
    const around = canvas.getBoundingClientRect();
    const box = placed(viewer.state.view, around.width, around.height, viewer.aspect);
    return { x: (event.clientX - around.left - box.x) / box.width, y: (event.clientY - around.top - box.y) / box.height, box, around };
  };
  const zoom = (event, factor) => {
    const { view } = viewer.state, at = place(event);
    const scale = clamp(view.scale * factor, 1, 40), grown = scale / view.scale;
    viewer.look(scale, at.x - (at.x - view.cx) / grown, at.y - (at.y - view.cy) / grown);
  };
  const point = (at) => {        // the cross of every pane, and the numbers under it; no canvas is redrawn
    viewer.state.cursor = at;
    viewer.root.querySelectorAll(".stage").forEach((stage) => {
      const cross = stage.querySelector(".cross"), own = stage.firstElementChild;
      cross.hidden = !at;
      if (!at) return;
      const box = placed(viewer.state.view, own.clientWidth, own.clientHeight, viewer.aspect);
      cross.style.transform = `translate(${box.x + at.x * box.width}px, ${box.y + at.y * box.height}px)`;
    });
    showReadout(viewer);
  };
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(event, Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)));
  }, { passive: false });
  canvas.addEventListener("dblclick", () => viewer.act("reset"));
  canvas.addEventListener("pointerdown", (event) => {
    held.set(event.pointerId, event);
    if (viewer.state.view.scale > 1 || held.size > 1) canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (before && held.size === 2) {
      const other = [...held.values()].find((one) => one.pointerId !== event.pointerId);
      const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      zoom(other, apart(event) / (apart(before) || 1));
    } else if (before && viewer.state.view.scale > 1) {
      const { view } = viewer.state, { box } = place(event);
      viewer.look(view.scale, view.cx - (event.clientX - before.clientX) / box.width, view.cy - (event.clientY - before.clientY) / box.height);
    }
    if (before) held.set(event.pointerId, event);
    const at = place(event), within = at.x >= 0 && at.x < 1 && at.y >= 0 && at.y < 1;
    point(within ? { x: at.x, y: at.y } : null);
  });
  const release = (event) => held.delete(event.pointerId);
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, release);
  canvas.addEventListener("pointerleave", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) release(event);
    point(null);
  });
}
