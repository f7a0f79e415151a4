// A table of tried images: a header sorts, a row is looked at. Sorting needs no server.

const LIVES = new WeakMap();

class Table {
  constructor(root) {
    this.root = root;
    this.sort = { by: null, down: false };
  }

  show(data, pick) {
    this.pick = pick;
    if (this.data?.id !== data.id) this.sort = { by: data.sort ?? null, down: data.down ?? false };
    this.data = data;
    this.build();
  }

  build() {
    const { columns, caption } = this.data;
    const table = document.createElement("table");
    table.createCaption().textContent = caption;
    const head = table.createTHead().insertRow();
    columns.forEach((column, place) => {
      const cell = document.createElement("th"), button = document.createElement("button");
      cell.scope = "col";
      if (column.left) cell.className = "left";
      button.type = "button";
      button.textContent = column.title;
      button.onclick = () => {
        const same = this.sort.by === place;
        this.sort = { by: place, down: same ? !this.sort.down : !column.left };
        this.build();
        this.root.querySelectorAll("th button")[place].focus();
      };
      if (this.sort.by === place) cell.ariaSort = this.sort.down ? "descending" : "ascending";
      cell.append(button);
      head.append(cell);
    });
    const body = table.createTBody();
    for (const row of this.sorted()) body.append(this.line(row));
    this.root.replaceChildren(table);
    this.root.querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest" });
  }

  sorted() {
    const { by, down } = this.sort, rows = [...this.data.rows];
    if (by === null) return rows;
    const missing = (value) => value === null || value === "";
    return rows.sort((a, b) => {
      const x = a.values[by], y = b.values[by];
      if (missing(x) || missing(y)) return missing(x) - missing(y) || a.row - b.row;
      const order = typeof x === "number" ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
      return (down ? -order : order) || a.row - b.row;
    });
  }

  line(row) {
    const line = document.createElement("tr");
    line.dataset.row = row.row;
    if (row.row === this.data.current) line.ariaCurrent = "true";
    row.texts.forEach((text, place) => {
      const column = this.data.columns[place], cell = line.insertCell();
      cell.className = [column.left ? "left" : "", column.kind ?? "", column.kind === "said" ? row.tone : ""].join(" ");
      if (place > 0) { cell.textContent = text; return; }
      const button = document.createElement("button"), name = document.createElement("span");
      button.type = "button";
      const picture = row.thumbnail ? Object.assign(new Image(), { src: row.thumbnail, alt: "", loading: "lazy" })
        : Object.assign(document.createElement("i"), { className: "none" });
      name.textContent = text;
      name.title = text;
      button.append(picture, name);
      cell.append(button);
    });
    line.onclick = () => this.pick({ row: row.row, trial: this.data.id });
    return line;
  }
}

export default function component({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".trial");
  if (!LIVES.has(root)) LIVES.set(root, new Table(root));
  LIVES.get(root).show(data, (row) => setTriggerValue("pick", row));
}
