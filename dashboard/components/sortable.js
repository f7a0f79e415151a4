// A table that a header sorts; nothing is asked of the server until a row is chosen.

const LIVES = new WeakMap();

class Sortable {
  constructor(root) {
    this.root = root;
    this.scroll = root.querySelector(".scroll");
    this.told = root.querySelector(".told");
    this.scroll.onscroll = () => root.classList.toggle("moved", this.scroll.scrollLeft > 0);
    root.querySelector(".copy").onclick = () => this.copy();
    root.querySelector(".save").onclick = () => this.save();
  }

  show(data, pick) {
    this.pick = pick;
    if (JSON.stringify(this.data) === JSON.stringify(data)) return;
    const same = this.data && JSON.stringify(this.data.columns) === JSON.stringify(data.columns);
    if (!same || this.data.start !== data.start) this.sort = data.sort === null ? null : { by: data.sort, down: data.down };
    this.data = data;
    this.build();
  }

  build() {
    const { columns, rows, caption, current } = this.data, table = element("table");
    this.root.style.setProperty("--most", this.data.most);
    this.scroll.ariaLabel = caption;
    table.createCaption().textContent = caption;
    const head = table.createTHead().insertRow();
    this.heads = columns.map((column, place) => {
      const cell = element("th", placed(column)), button = element("button");
      cell.scope = "col";
      button.type = "button";
      if (column.help) button.title = column.help;
      if (column.over) {
        const over = element("span", "over");
        if (column.colour) over.append(dot(column.colour));
        over.append(column.over);
        button.append(over);
      }
      button.append(element("span", "title", column.title));
      button.onclick = () => this.by(place);
      cell.append(button);
      head.append(cell);
      return cell;
    });
    this.body = table.createTBody();
    this.lines = rows.filter((row) => !row.fixed).map((row) => ({ row, line: this.line(row, current) }));
    this.fixed = rows.filter((row) => row.fixed);
    const foot = this.fixed.length ? table.createTBody() : null;
    if (foot) foot.className = "fixed";
    for (const row of this.fixed) foot.append(this.line(row, current));
    this.root.querySelector(".foot").hidden = !this.data.csv;
    this.arrange();
    this.scroll.replaceChildren(table);
  }

  by(place) {
    const again = this.sort?.by === place, column = this.data.columns[place];
    this.sort = { by: place, down: again ? !this.sort.down : !column.rising };
    this.arrange();
    this.told.textContent = `Sorted by ${name(column)}, ${this.sort.down ? "highest" : "lowest"} first`;
  }

  arrange() {
    this.heads.forEach((cell, place) => {
      cell.ariaSort = this.sort?.by === place ? (this.sort.down ? "descending" : "ascending") : null;
    });
    this.body.append(...this.ordered().map((one) => one.line));
  }

  ordered() {
    if (!this.sort) return this.lines;
    const { by, down } = this.sort, missing = (value) => value === null || value === "";
    return this.lines.map((one, place) => ({ ...one, place })).sort((a, b) => {
      const x = a.row.cells[by].sort ?? null, y = b.row.cells[by].sort ?? null;
      if (missing(x) || missing(y)) return missing(x) - missing(y) || a.place - b.place;
      const order = typeof x === "number" && typeof y === "number" ? x - y
        : String(x).localeCompare(String(y), undefined, { numeric: true, sensitivity: "base" });
      return (down ? -order : order) || a.place - b.place;
    });
  }

  line(row, current) {
    const line = element("tr", row.quiet ? "quiet" : "");
    line.dataset.row = row.id;
    if (row.id === current) line.ariaCurrent = "true";
    const goes = !row.fixed && (this.data.picks || row.href);
    row.cells.forEach((cell, place) => {
      const part = element(place ? "td" : "th", placed(this.data.columns[place]));
      if (!place) part.scope = "row";
      this.fill(part, cell, place ? cell.href : cell.href || (goes ? row.href || "#" : ""), !place);
      line.append(part);
    });
    if (goes) {
      line.classList.add("goes");
      line.onclick = (event) => {
        const link = event.target.closest("a");
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button > 0) return;
        if (link && !link.classList.contains("first")) return;
        if (this.data.picks) {
          event.preventDefault();
          for (const one of this.root.querySelectorAll("tr[aria-current]")) one.ariaCurrent = null;
          line.ariaCurrent = "true";
          this.pick({ row: row.id });
        } else if (!link) line.querySelector("a.first").click();
      };
    }
    return line;
  }

  fill(part, cell, href, first) {
    if (cell.help) part.title = cell.help;
    let inside = part;
    if (href) {
      inside = element("a", first ? "first" : "");
      inside.href = href;
      inside.target = "_self";
      part.append(inside);
    }
    if (cell.colour) inside.append(dot(cell.colour));
    if (cell.ground) {
      const heat = element("span", "heat");
      heat.style.background = cell.ground;
      heat.textContent = cell.text;
      inside.append(heat);
    } else inside.append(cell.text);
    for (const chip of cell.chips ?? []) part.append(element("span", "chip", chip));
    if (cell.bar) {
      const bar = element("span", "bar");
      bar.ariaHidden = "true";
      for (const [share, colour] of cell.bar) {
        const piece = element("i");
        piece.style.width = `${100 * share}%`;
        piece.style.background = colour;
        bar.append(piece);
      }
      part.append(bar);
    }
    if (cell.below) part.append(element("span", "below", cell.below));
    if (cell.mark) part.append(element("span", "mark", cell.mark));
  }

  csv() {
    const { columns } = this.data;
    const rows = [...this.ordered().map((one) => one.row), ...this.fixed];
    const second = columns.map((_, place) => rows.some((row) => row.cells[place].below));
    const head = columns.flatMap((column, place) => (second[place] ? [name(column), `${name(column)}: ${column.below}`] : [name(column)]));
    const lines = rows.map((row) => row.cells.flatMap((cell, place) => {
      const value = typeof cell.sort === "number" ? cell.sort : cell.text === "–" ? "" : cell.text;
      return second[place] ? [value, cell.below ?? ""] : [value];
    }));
    return [head, ...lines].map((line) => line.map(quoted).join(",")).join("\r\n") + "\r\n";
  }

  async copy() {
    const text = this.csv();
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    this.told.textContent = "Copied, in the order shown";
  }

  save() {
    const link = element("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", this.csv()], { type: "text/csv" }));
    link.download = this.data.csv;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    this.told.textContent = `Saved as ${this.data.csv}`;
  }
}

function element(tag, className = "", text = null) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== null) made.textContent = text;
  return made;
}

function placed(column) {
  return `${column.left ? "left" : ""} ${column.apart ? "apart" : ""}`.trim();
}

function dot(colour) {
  const made = element("span", "dot");
  made.style.background = colour;
  made.ariaHidden = "true";
  return made;
}

function name(column) {
  return column.over ? `${column.title}, ${column.over}` : column.title;
}

function quoted(value) {
  // a text that a spreadsheet would read as a formula is kept a text
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export default function component({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".sortable");
  if (!LIVES.has(root)) LIVES.set(root, new Sortable(root));
  LIVES.get(root).show(data, (row) => setTriggerValue("pick", row));
}
