// A table that is updated in place, so that the focus on a button in it survives the next look at the host.

import { el } from "./dom.js";

/** Columns are `{title, numeric?, text(row)}` or, for what is built once and asks for its row when used,
 * `{title, build(row)}`; `text` may give a node too. `keyOf` tells rows apart. */
export class Table {
  constructor(place, { caption, columns, keyOf, empty }) {
    Object.assign(this, { place, columns, keyOf });
    this.rows = new Map();
    this.body = el("tbody");
    const head = columns.map(({ title, numeric }) => el("th", { scope: "col", class: numeric ? "number" : null }, title));
    this.table = el("table", {}, el("caption", { class: "visually-hidden" }, caption), el("thead", {}, el("tr", {}, head)), this.body);
    this.empty = el("p", { class: "empty" }, empty);
    place.append(this.table, this.empty);
  }

  update(values) {
    const keys = new Set(values.map(this.keyOf));
    for (const [key, { element }] of this.rows) {
      if (keys.has(key)) continue;
      element.remove();
      this.rows.delete(key);
    }
    values.forEach((value, index) => this.put(value, index));
    this.table.hidden = values.length === 0;
    this.empty.hidden = values.length > 0;
  }

  put(value, index) {
    const key = this.keyOf(value);
    let row = this.rows.get(key);
    if (!row) {
      row = { element: el("tr", {}, this.columns.map((column) => this.cell(column, value))), shown: [] };
      this.rows.set(key, row);
    }
    this.columns.forEach((column, place) => column.text && show(row, place, column.text(value)));
    // Moving an element takes its focus away, so only what is out of place is moved.
    if (this.body.children[index] !== row.element) this.body.insertBefore(row.element, this.body.children[index] ?? null);
  }

  cell({ numeric, build }, value) {
    return el("td", { class: numeric ? "number" : null }, build ? build(value) : null);
  }
}

function show(row, place, content) {
  const text = content instanceof Node ? content.outerHTML : String(content);
  if (row.shown[place] === text) return;
  row.shown[place] = text;
  row.element.children[place].replaceChildren(content);
}
