// A grid of pictures; a click gives the picture's key back, a middle click follows its link.

const GRIDS = new WeakMap();

class Grid {
  constructor(root) {
    this.root = root;
    this.cells = root.querySelector(".cells");
    this.cells.addEventListener("keydown", (event) => this.move(event));
  }

  show(data, open) {
    this.open = open;
    this.root.classList.toggle("plain", !data.outlines);
    this.cells.classList.toggle("small", Boolean(data.small));
    this.cells.ariaLabel = data.caption;
    const ids = data.items.map((item) => item.key).join("\n");
    if (ids !== this.ids) {
      this.ids = ids;
      this.cards = data.items.map((item) => this.card(item));
      this.cells.replaceChildren(...this.cards);
    } else {                                   // pictures that were not ready, and changed words
      data.items.forEach((item, place) => this.fill(this.cards[place], item));
    }
  }

  card(item) {
    const link = element("a", "card");
    link.append(element("span", "picture"), element("span", "said"));
    link.onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault();
      this.open(link.dataset.key);
    };
    this.fill(link, item);
    return link;
  }

  fill(link, item) {
    const told = JSON.stringify(item);
    if (link.told === told) return;
    link.told = told;
    link.href = item.href;
    link.dataset.key = item.key;
    link.title = item.key;
    link.classList.toggle("flawed", Boolean(item.flawed));
    link.classList.toggle("out", Boolean(item.out));
    link.classList.toggle("current", Boolean(item.current));
    const picture = link.firstChild, said = link.lastChild;
    const name = `${item.title}, ${item.lines.join(", ")}`;
    if (item.photo) {
      picture.replaceChildren(image(item.photo, name, ""), ...(item.outline ? [image(item.outline, "", "outline")] : []));
    } else {
      picture.replaceChildren(element("span", "none", item.none));
    }
    picture.classList.toggle("waits", !item.photo && item.waits === true);
    said.replaceChildren(element("b", "", item.title), ...item.lines.map((line) => element("span", "line", line)));
    if (item.chips?.length) {
      const chips = element("span", "chips");
      chips.append(...item.chips.map(([text, tone]) => element("span", `chip ${tone}`, text)));
      said.append(chips);
    }
  }

  move(event) {
    const place = this.cards.indexOf(event.target);
    const columns = getComputedStyle(this.cells).gridTemplateColumns.split(" ").length;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const next = this.cards[place + (steps[event.key] ?? NaN)];
    if (place < 0 || !next) return;
    event.preventDefault();
    next.focus();
  }
}

function element(tag, className = "", text = null) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== null) made.textContent = text;
  return made;
}

function image(source, alt, className) {
  const made = element("img", className);
  made.loading = "lazy";
  made.decoding = "async";
  made.alt = alt;
  made.src = source;
  return made;
}

export default function component({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".grid");
  if (!GRIDS.has(root)) GRIDS.set(root, new Grid(root));
  GRIDS.get(root).show(data, (key) => setTriggerValue("open", { key }));
}
