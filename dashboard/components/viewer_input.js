// What a person does: mouse, touch, keyboard. `viewer` is the Viewer of viewer.js.

let active = null;               // the viewer that the keyboard means

function wire(viewer) {          // sliders, buttons, keyboard, size, theme
  const threshold = viewer.find("#threshold"), opacity = viewer.find("#opacity"), select = viewer.find("select");
  threshold.oninput = () => viewer.set(threshold.valueAsNumber / 1000);
  opacity.oninput = () => {
    viewer.state.opacity = opacity.valueAsNumber;
    viewer.find("output.opacity").textContent = `${viewer.state.opacity} %`;
    remember(viewer.state);
    viewer.draw();
  };
  select.onchange = () => {
    if (select.value === "") viewer.set(threshold.valueAsNumber / 1000);
    else { viewer.state.position = null; viewer.state.level = select.value; viewer.classes(); viewer.draw(); }
  };
  viewer.root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) viewer.act(button.dataset.do, button.dataset.value);
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
  viewer.onScheme = () => setTimeout(() => { if (viewer.data) { viewer.classes(); viewer.marks(); viewer.draw(); } }, 300);
  viewer.scheme.addEventListener("change", viewer.onScheme);
  active ??= viewer;
}

function onKey(viewer, event) {
  if (!viewer.root.isConnected) return viewer.close();
  if (!active?.root.isConnected) active = viewer;
  if (active !== viewer || event.ctrlKey || event.metaKey || event.altKey || !viewer.data) return;
  const target = event.composedPath()[0];
  const typing = target instanceof Element && target.closest("input:not([type=range]), textarea, select, [contenteditable], [role=combobox], [role=listbox], [role=dialog]");
  if (typing) return;
  const onSlider = target instanceof Element && target.matches("input[type=range], [role=slider]");
  const onButton = target instanceof Element && target.closest("button, a, summary, [role=button], [role=radio], [role=tab]");
  const named = { ArrowLeft: "previous", ArrowRight: "next", t: "truth", T: "truth", f: "full", F: "full", " ": "blink", 0: "reset" }[event.key];
  if ((named === "previous" || named === "next") && (onSlider || (onButton && !viewer.root.contains(onButton)))) return;
  if (named === "blink" && onButton) return;
  if (event.repeat && !["previous", "next"].includes(named) && named) return event.preventDefault();
  if (named) viewer.act(named);
  else if ("+=-_".includes(event.key) && event.key) {
    const slider = viewer.find("#threshold");
    viewer.set((slider.valueAsNumber + ("+=".includes(event.key) ? 5 : -5)) / 1000);
    slider.value = Math.round(viewer.state.position * 1000);
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
    viewer.state.cursor = within ? { x: at.x, y: at.y } : null;
    viewer.readout();
    viewer.draw();
  });
  const release = (event) => held.delete(event.pointerId);
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, release);
  canvas.addEventListener("pointerleave", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) release(event);
    viewer.state.cursor = null;
    viewer.readout();
    viewer.draw();
  });
}
