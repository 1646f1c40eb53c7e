// Draws the plan of the pipeline and lets it live: counts in the boxes, a pulse and a moving dot for each invocation.

import { milliseconds, plural, svg } from "./dom.js";
import { planOf } from "./plan.js";

/** Under load, more would only cost time and show nothing. */
const MOST_DOTS = 40;
const DOT_MILLISECONDS = 600;
const PULSE_MILLISECONDS = 900;
const SHORTEST_BETWEEN_PULSES = 90;
/** Characters that fit into a box; a name is longer only in other templates than ours. */
const TITLE_CHARACTERS = 16;

/** What the lines mean, by their style. */
export const LEGEND = { event: "invokes", data: "writes", failure: "fails to" };

const wantsCalm = matchMedia("(prefers-reduced-motion: reduce)");

/** The picture in `place`; a click on a box asks for its messages or its log. */
export class Picture {
  constructor(place, { openQueue, openLogs }) {
    this.place = place;
    this.open = { queue: openQueue, function: openLogs };
    this.boxes = new Map();
    this.dots = 0;
    this.drawnPlan = "";
  }

  update(state) {
    const plan = planOf(state);
    const signature = JSON.stringify(plan);
    if (signature !== this.drawnPlan) this.draw(plan);
    this.drawnPlan = signature;
    this.fillFunctions(state);
    this.fillQueues(state.queues);
    this.fillSchedules(state.schedules);
  }

  draw({ boxes, ways, width, height }) {
    this.ways = ways.map((way) => ({ ...way, element: svg("path", { class: `way ${way.kind}`, d: way.path, "marker-end": "url(#arrow)" }) }));
    this.boxes.clear();
    const groups = boxes.map((each) => this.drawBox(each));
    this.dotLayer = svg("g");
    const arrow = svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 6, markerHeight: 6, orient: "auto" }, svg("path", { d: "M0 0 L8 4 L0 8 z" }));
    this.place.replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "The pipeline", style: `min-width:${Math.round(width * 0.8)}px; max-width:${Math.round(width * 1.25)}px` },
      svg("defs", {}, arrow), this.ways.map(({ element }) => element), this.dotLayer, groups));
  }

  drawBox(each) {
    const { x, y, width, height } = each;
    const name = each.title ?? shortName(each.of);
    const middle = y + height / 2;
    const note = svg("text", { class: "box-note", x: x + 12, y: middle + 12 }, each.note ?? "");
    const count = svg("text", { class: "box-count", x: x + width - 10, y: each.kind === "function" ? y + 4 : middle + 5, "text-anchor": "end" });
    const shape = svg("rect", { x, y, width, height, rx: each.kind === "queue" ? height / 2 : 9 });
    const open = this.open[each.kind];
    const group = svg("g", { class: `box ${each.kind}${open ? " opens" : ""}`, onclick: open ? () => open(each.of) : null },
      svg("title", {}, each.of ?? name), shape,
      svg("text", { class: "box-title", x: x + 12, y: middle - 3 }, shortened(name)), note, count);
    this.boxes.set(`${each.kind} ${each.of}`, { ...each, group, shape, note, count, pulsedAt: 0 });
    return group;
  }

  fillFunctions({ functions }) {
    for (const each of functions) {
      const found = this.boxes.get(`function ${each.name}`);
      if (!found) continue;
      const failed = each.errors + each.timeouts + each.throttles;
      found.note.textContent = each.invocations ? `${plural(each.invocations, "call")} · ${milliseconds(each.p50_ms)}` : "idle";
      found.count.textContent = failed ? `${failed} ✕` : "";
      found.group.classList.toggle("failing", failed > 0);
    }
  }

  fillQueues(queues) {
    const deadLetterTargets = new Set(queues.map((queue) => queue.dead_letter_target));
    for (const queue of queues) {
      const found = this.boxes.get(`queue ${queue.name}`);
      if (!found) continue;
      const total = queue.visible + queue.in_flight + queue.delayed;
      found.note.textContent = total ? boxNote(queue, total) : "empty";
      found.count.textContent = total ? String(total) : "";
      found.group.classList.toggle("holding", total > 0);
      found.group.classList.toggle("failing", total > 0 && deadLetterTargets.has(queue.name));
    }
  }

  fillSchedules(schedules) {
    for (const schedule of schedules) {
      const found = this.boxes.get(`schedule ${schedule.name}`);
      if (found) found.note.textContent = schedule.expression;
    }
  }

  /** Shows one finished invocation. */
  pulse({ function: name, source, result }) {
    const found = this.boxes.get(`function ${name}`);
    const now = performance.now();
    if (!found || document.hidden || now - found.pulsedAt < SHORTEST_BETWEEN_PULSES) return;
    found.pulsedAt = now;
    const kind = result === "ok" ? "good" : "bad";
    found.shape.animate([{ stroke: `var(--${kind})`, fill: `var(--${kind}-soft)` }, {}], { duration: PULSE_MILLISECONDS, easing: "ease-out" });
    for (const way of this.ways) {
      if (way.to === found.id && way.kind === source) this.sendDot(way, kind);
    }
  }

  sendDot({ path, element }, kind) {
    element.animate([{ stroke: `var(--${kind})` }, {}], { duration: PULSE_MILLISECONDS });
    if (wantsCalm.matches || this.dots >= MOST_DOTS) return;
    const dot = svg("circle", { class: `dot ${kind}`, r: 4.5 });
    dot.style.offsetPath = `path("${path}")`;
    this.dots += 1;
    this.dotLayer.append(dot);
    const movement = dot.animate([{ offsetDistance: "0%" }, { offsetDistance: "100%" }], { duration: DOT_MILLISECONDS, easing: "ease-in-out" });
    movement.finished.finally(() => {
      dot.remove();
      this.dots -= 1;
    });
  }
}

/** As `queueParts`, in as few letters as a box has room for. */
const boxNote = (queue, total) => (queue.visible && queue.visible < total ? `${queue.visible} of ${total} waiting` : queueParts(queue).split(", ")[0]);

export function queueParts({ visible, in_flight: inFlight, delayed }) {
  const parts = [[visible, "waiting"], [inFlight, "in flight"], [delayed, "delayed"]];
  return parts.filter(([count]) => count).map(([count, what]) => `${count} ${what}`).join(", ");
}

/** `notes-DeadLettersQueue` → `dead letters`, `SendEmailFunction` → `send-email`. */
export function shortName(name) {
  const isFunction = name.endsWith("Function");
  const own = name.replace(/^[a-z0-9]+-(?=[A-Z])/, "").replace(/(?<=.)(Function|Queue)$/, "");
  return own.replace(/(?<=[a-z0-9])(?=[A-Z])/g, isFunction ? "-" : " ").toLowerCase();
}

const shortened = (name) => (name.length > TITLE_CHARACTERS ? `${name.slice(0, TITLE_CHARACTERS - 1)}…` : name);
