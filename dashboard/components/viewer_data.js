// What the server sends: cases, and blobs (pictures, maps, masks) under the name of their content.
//
// A message is "FSV1", the length of its JSON, the JSON, the blobs. A blob comes once; both the
// viewer and the cases sent ahead of it find it here, decoded before it is wanted.

const SHELF = globalThis.flawscopeShelf ??= { blobs: new Map(), cases: new Map(), bytes: 0 };
const MOST_BYTES = 320 * 2 ** 20, MOST_CASES = 64;

function unpack(message) {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength), size = view.getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(message.subarray(8, 8 + size)));
  for (const [name, [kind, start, length]] of Object.entries(header.blobs)) {
    if (!SHELF.blobs.has(name)) shelve(name, kind, message.slice(8 + size + start, 8 + size + start + length));
  }
  const { blobs, ...data } = header;
  SHELF.cases.delete(`${data.key} ${data.id}`);
  SHELF.cases.set(`${data.key} ${data.id}`, data);
  while (SHELF.cases.size > MOST_CASES) SHELF.cases.delete(SHELF.cases.keys().next().value);
  return data;
}

function shelve(name, kind, bytes) {         // decoding starts at once, off this thread where it can
  const entry = { bytes: bytes.length };
  entry.value = decoders[kind](bytes).catch((problem) => { console.warn(name, problem); return null; });
  SHELF.blobs.set(name, entry);
  entry.value.then((value) => {
    entry.bytes = value ? (value.codes ? 6 : 4) * (value.w ?? value.width) * (value.h ?? value.height) : 0;
    SHELF.bytes += entry.bytes;
    for (const [old, one] of SHELF.blobs) {
      if (SHELF.bytes <= MOST_BYTES || old === name) break;
      SHELF.bytes -= one.bytes;
      SHELF.blobs.delete(old);
    }
  });
}

function blob(name) {            // its promise, now the most recently used; undefined when it is gone
  const entry = SHELF.blobs.get(name);
  if (!entry) return undefined;
  SHELF.blobs.delete(name);
  SHELF.blobs.set(name, entry);
  return entry.value;
}

const namesOf = (data) => [data.picture, data.truth, ...data.panes.map((pane) => pane.map)].filter(Boolean);
const complete = (data) => namesOf(data).every((name) => SHELF.blobs.has(name));
const kept = (key, id) => SHELF.cases.get(`${key} ${id}`);

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const size = (bytes) => {        // width and height stand before the compressed part
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return [view.getUint32(0, true), view.getUint32(4, true)];
};

const decoders = {
  async map(bytes) {             // two planes of zigzag differences to left, above and above-left
    const [w, h] = size(bytes), planes = await inflate(bytes.subarray(8)), n = w * h;
    const codes = new Uint16Array(n);
    let low = 65535, high = 0;
    for (let y = 0, i = 0; y < h; y++) {
      for (let x = 0, run = 0; x < w; x++, i++) {
        const z = planes[i] | planes[n + i] << 8;
        run = (run + ((z >>> 1) ^ -(z & 1))) & 0xffff;
        const code = codes[i] = (run + (y ? codes[i - w] : 0)) & 0xffff;
        if (code >= LOWEST && code <= HIGHEST) {
          if (code < low) low = code;
          if (code > high) high = code;
        }
      }
    }
    return { w, h, codes, low: Math.min(low, high), high };
  },
  async mask(bytes) {            // eight pixels a byte, the first in its highest bit
    const [w, h] = size(bytes), bits = await inflate(bytes.subarray(8)), on = new Uint8Array(w * h);
    for (let i = 0; i < on.length; i++) on[i] = (bits[i >> 3] >> (7 - (i & 7))) & 1;
    return { w, h, on, sizes: new Map() };
  },
  picture: (bytes) => createImageBitmap(new Blob([bytes])),
};

function truthAt(mask, w, h) {   // true pixels at the size of a map, nearest pixel; made once a size
  const name = `${w}x${h}`;
  if (!mask.sizes.has(name)) mask.sizes.set(name, truthOf(fitted(mask, w, h), w, h));
  return mask.sizes.get(name);
}

function fitted(mask, w, h) {
  if (mask.w === w && mask.h === h) return mask.on;
  const out = new Uint8Array(w * h);
  for (let y = 0; y < h; y++) {
    const row = Math.floor((y + 0.5) * mask.h / h) * mask.w;
    for (let x = 0; x < w; x++) out[y * w + x] = mask.on[row + Math.floor((x + 0.5) * mask.w / w)];
  }
  return out;
}

// Cases sent ahead wait in a queue that another, empty component fills; see viewer.py. What drawing
// them will need is worked out while nothing else is to be done.
function takeAhead() {
  const queue = globalThis.flawscopeAhead ??= [];
  const take = (message) => { const data = unpack(message); whenIdle(() => readied(data)); };
  while (queue.length) take(queue.shift());
  queue.push = (...messages) => { messages.forEach(take); return 0; };
}

const whenIdle = globalThis.requestIdleCallback ? (work) => requestIdleCallback(work, { timeout: 800 }) : (work) => setTimeout(work, 50);

async function readied(data) {
  const mask = data.truth ? await blob(data.truth) : null;
  for (const pane of data.panes) {
    const map = await blob(pane.map);
    if (!map) continue;
    map.tiles ??= tiled(map.codes, map.w, map.h);
    if (mask) truthAt(mask, map.w, map.h);
  }
}
takeAhead();
