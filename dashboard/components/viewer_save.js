// The picture a person downloads: all panes beside each other, with names, numbers and legend.

function composed(scene, canvases) {
  const gap = 16, top = 62, bottom = 78, side = 640;
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
    const copy = pane && { ...pane, under: null };           // layers of the screen stay as they are
    drawPane(canvas, { ...scene, shared: { name: "saved" }, state: { ...scene.state, blink: false } }, copy, 1.4);
    context.drawImage(canvas, x, top);
    write(title, x, top - 10, ink, "600 14px");
    write(told, x, top + height + 20, dim, "13px");
  });
  const y = top + height + 38, heat = scene.state.heat && n > 1;
  if (heat) {
    drawLegend(context, gap, y, 360, 10, scene.stops, scene.calibrated);
    write(scene.legendWords, gap, y + 28, dim, "13px", 380);
  }
  let x = heat ? gap + 400 : gap;
  for (const k of scene.marks) {
    const path = new Path2D(), colour = classColour(k, scene.colours);
    path.moveTo(x, y + 6);
    path.lineTo(x + 30, y + 6);
    stroke(context, path, [[halo(colour), 4, []], [colour, 2.4, DASH[k]]]);
    write(scene.words[k], x + 38, y + 11, dim, "13px", 110);
    x += 150;
  }
  return out;
}

async function savePicture(viewer) {
  const { data, state } = viewer;
  const scene = {
    ...viewer.scene(), stops: viewer.stops, caption: data.caption || data.id, calibrated: viewer.calibrated,
    legendWords: viewer.legendWords, words: viewer.words, dark: viewer.dark(), font: getComputedStyle(viewer.root).fontFamily,
    marks: state.regions === "none" ? [] : viewer.kinds,
  };
  const all = [[null, "Picture", ""], ...viewer.panes.map((pane) => [pane, [pane.label, pane.note].filter(Boolean).join(" · "), viewer.toldOf(pane)])];
  const blob = await composed(scene, all).convertToBlob({ type: "image/png" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${data.id.replace(/[^\w.-]+/g, "_").slice(-80)}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
