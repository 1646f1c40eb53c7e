// The live log: the last invocations, newest first.

import { button, clockTime, el, milliseconds } from "./dom.js";
import { shortName } from "./picture.js";

const KEPT = 200;
/** Under load, many events make one change of the page. */
const RENDER_MILLISECONDS = 150;

export class InvocationLog {
  constructor(place, actions) {
    this.pending = [];
    this.timer = null;
    this.isPaused = false;
    this.body = el("tbody");
    const heads = ["Time", "Function", "Source", "Batch", "Result", "Duration", "Request"];
    this.table = el("table", {}, el("caption", { class: "visually-hidden" }, "Invocations, newest first"),
      el("thead", {}, el("tr", {}, heads.map((title) => el("th", { scope: "col", class: isNumber(title) ? "number" : null }, title)))), this.body);
    this.empty = el("p", { class: "empty" }, "Waiting for the first invocation. Write a note, or run a schedule.");
    place.append(this.table, this.empty);
    this.pause = button("Pause", () => this.togglePause(), { class: "small", "aria-pressed": "false" });
    actions.append(this.pause, button("Clear", () => this.clear(), { class: "small" }));
    this.render();
  }

  add(invocation) {
    this.push(invocationRow(invocation));
  }

  missed(count) {
    this.push(el("tr", { class: "gap" }, el("td", { colspan: 7 }, `${count} events were missed: the page was too slow`)));
  }

  push(row) {
    this.pending.push(row);
    if (this.pending.length > KEPT) this.pending.shift();
    if (!this.isPaused) this.timer ??= setTimeout(() => this.render(), RENDER_MILLISECONDS);
  }

  render() {
    this.timer = null;
    this.body.prepend(...this.pending.reverse());
    this.pending = [];
    while (this.body.children.length > KEPT) this.body.lastElementChild.remove();
    this.table.hidden = !this.body.children.length;
    this.empty.hidden = !this.table.hidden;
  }

  togglePause() {
    this.isPaused = !this.isPaused;
    this.pause.setAttribute("aria-pressed", String(this.isPaused));
    this.pause.textContent = this.isPaused ? "Resume" : "Pause";
    if (!this.isPaused) this.render();
  }

  clear() {
    this.pending = [];
    this.body.replaceChildren();
    this.render();
  }
}

const isNumber = (title) => title === "Batch" || title === "Duration";
const RESULT_BADGES = { ok: "ready", partial: "pending" };

function invocationRow({ at, function: name, source, batch_size: size, result, duration_ms: duration, request_id: id, cold_start: isCold }) {
  return el("tr", {},
    el("td", {}, clockTime(at)),
    el("td", { title: name }, shortName(name), isCold ? el("span", { class: "badge cold" }, "cold") : null),
    el("td", {}, source),
    el("td", { class: "number" }, String(size)),
    el("td", {}, el("span", { class: `badge ${RESULT_BADGES[result] ?? "failed"}` }, result)),
    el("td", { class: "number" }, milliseconds(duration)),
    el("td", {}, el("code", { title: id }, id.slice(0, 8))));
}
