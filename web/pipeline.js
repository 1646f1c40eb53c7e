// The pipeline view: the picture, the tables behind it, the clock, the faults.

import { control } from "./api.js";
import { FaultsPanel } from "./faults.js";
import { InvocationLog } from "./log.js";
import { LEGEND, Picture, queueParts, shortName } from "./picture.js";
import { Table } from "./table.js";
import { button, byId, closeDialog, debounced, el, field, milliseconds, moment, notify, openDialog, plural, whileBusy } from "./dom.js";

/** Between two looks at the host while nothing is invoked, and the least between two while much is. */
const LOOK_MILLISECONDS = 2_000;
const SOON_MILLISECONDS = 250;
const TICK_MILLISECONDS = 1_000;
const HOUR = 3_600;
const DAY = 24 * HOUR;

const NOTHING = { functions: [], queues: [], sources: [], schedules: [] };

let picture;
let tables;
let log;
let faults;
let isShown = false;
let isLooking = false;
/** What the last look found. */
let state = NOTHING;
/** How far the host's clock is ahead of this page's, in milliseconds. */
let clockLead = null;

const lookSoon = debounced(SOON_MILLISECONDS, () => look());

export function startPipeline() {
  picture = new Picture(byId("picture"), { openQueue: peek, openLogs: showLogs });
  byId("legend").append(...Object.entries(LEGEND).map(([kind, text]) => el("li", { class: `key ${kind}` }, text)));
  buildTables();
  log = new InvocationLog(byId("log"), byId("log-actions"));
  faults = new FaultsPanel(byId("faults"), byId("fault-form"), byId("fault-actions"));
  byId("clock-actions").append(
    button("+1 hour", () => advance(HOUR)),
    button("+1 day", () => advance(DAY)),
    button("Set…", askForTime),
  );
  setInterval(() => isShown && !document.hidden && look(), LOOK_MILLISECONDS);
  setInterval(showClock, TICK_MILLISECONDS);
}

export function showPipeline(shown) {
  isShown = shown;
  if (shown) look();
}

/** One finished invocation, from the event stream. */
export function invoked(invocation) {
  log.add(invocation);
  if (!isShown) return;
  picture.pulse(invocation);
  lookSoon();
}

export function missed(count) {
  log.missed(count);
}

async function look() {
  if (isLooking) return;
  isLooking = true;
  const names = Object.keys(NOTHING);
  const answers = await Promise.allSettled([...names, "clock", "faults"].map((path) => control("GET", path)));
  isLooking = false;
  const [clock, faultList] = answers.slice(names.length);
  // What cannot be had now stays as it was last seen, under a banner that says so.
  state = Object.fromEntries(names.map((name, index) => [name, answers[index].value ?? state[name]]));
  if (clock.value) clockLead = Date.parse(clock.value.now) - Date.now();
  showClock(clock.value?.offset_seconds);
  showTrouble(answers.filter(({ reason }) => reason).map(({ reason }) => reason.message));
  picture.update(state);
  for (const name of names) tables[name].update(state[name]);
  faults.update(faultList.value ?? []);
}

function showTrouble(messages) {
  const banner = byId("pipeline-error");
  banner.textContent = [...new Set(messages)].join(" · ");
  banner.hidden = !messages.length;
}

function buildTables() {
  tables = {
    functions: new Table(byId("functions"), {
      caption: "Functions", empty: "There are no functions.", keyOf: ({ name }) => name,
      columns: [
        { title: "Function", text: ({ name }) => nameCell(name) },
        { title: "Environments", text: ({ environments }) => environmentsText(environments) },
        { title: "Queued", numeric: true, text: ({ queued }) => queued },
        { title: "Invocations", numeric: true, text: ({ invocations }) => invocations },
        { title: "Errors", numeric: true, text: (row) => failures(row) },
        { title: "Cold starts", numeric: true, text: ({ cold_starts: count }) => count },
        { title: "p50", numeric: true, text: (row) => percentile(row, row.p50_ms) },
        { title: "p99", numeric: true, text: (row) => percentile(row, row.p99_ms) },
        { title: "", build: ({ name }) => button("Log", () => showLogs(name), { class: "small", "aria-label": `Log of ${name}` }) },
      ],
    }),
    queues: new Table(byId("queues"), {
      caption: "Queues", empty: "There are no queues.", keyOf: ({ name }) => name,
      columns: [
        { title: "Queue", text: ({ name }) => nameCell(name) },
        { title: "Waiting", numeric: true, text: ({ visible }) => visible },
        { title: "In flight", numeric: true, text: ({ in_flight: count }) => count },
        { title: "Delayed", numeric: true, text: ({ delayed }) => delayed },
        { title: "", build: (queue) => queueActions(queue) },
      ],
    }),
    sources: new Table(byId("sources"), {
      caption: "Event sources", empty: "There are no event sources.", keyOf: ({ id }) => id,
      columns: [
        { title: "Source", text: ({ id, kind }) => stacked(shortSource(id), kind, id) },
        { title: "State", text: (source) => stateCell(source) },
        { title: "Records", numeric: true, text: ({ records }) => records },
        { title: "Failures", numeric: true, text: (source) => warned(source.failures) },
        { title: "Given up", numeric: true, text: ({ discarded }) => warned(discarded) },
        { title: "Held", numeric: true, text: ({ lag }) => lag },
      ],
    }),
    schedules: new Table(byId("schedules"), {
      caption: "Schedules", empty: "There are no schedules.", keyOf: ({ name }) => name,
      columns: [
        { title: "Schedule", text: ({ name, expression, time_zone: zone, enabled }) => stacked(shortSource(name), `${expression} ${zone}${enabled ? "" : " (disabled)"}`, name) },
        { title: "Next run", text: ({ next_run: next, last_run: last }) => el("span", {}, moment(next), el("span", { class: "second" }, "last ", moment(last))) },
        { title: "", build: ({ name }) => button("Run now", () => runSchedule(name), { class: "small", "aria-label": `Run ${name} now` }) },
      ],
    }),
  };
}

const nameCell = (name) => el("span", { title: name }, shortName(name));
const stacked = (first, second, title) => el("span", { title }, first, second ? el("span", { class: "second" }, second) : null);
const warned = (count) => (count ? el("span", { class: "warned" }, String(count)) : "0");
const percentile = ({ invocations }, value) => (invocations ? milliseconds(value) : "—");
const shortSource = (id) => id.split(".").map(shortName).join(" · ");

function environmentsText({ idle, busy, starting }) {
  const parts = [[busy, "busy"], [starting, "starting"], [idle, "idle"]].filter(([count]) => count);
  return parts.map(([count, what]) => `${count} ${what}`).join(", ") || "none";
}

function failures({ errors, timeouts, throttles }) {
  const parts = [[errors, "errors"], [timeouts, "timeouts"], [throttles, "throttles"]];
  const sum = errors + timeouts + throttles;
  if (!sum) return "0";
  return el("span", { class: "warned", title: parts.map(([count, what]) => `${count} ${what}`).join(", ") }, String(sum));
}

function stateCell({ state: text, last_error: error, next_due: due }) {
  const kind = text === "running" ? "ready" : "pending";
  const detail = [error && `last error: ${error}`, due && `next due ${due}`].filter(Boolean).join("\n");
  return el("span", { class: `badge ${kind}`, title: detail || null }, text);
}

/** A dead-letter queue is one that another queue gives its failures to. */
const takesDeadLetters = (name) => state.queues.some((queue) => queue.dead_letter_target === name);

function queueActions({ name }) {
  const peekButton = button("Peek", () => peek(name), { class: "small", "aria-label": `Peek into ${name}` });
  if (!takesDeadLetters(name)) return el("div", { class: "actions" }, peekButton);
  return el("div", { class: "actions" }, button("Replay", () => replay(name), { class: "small", "aria-label": `Replay all of ${name}` }), peekButton);
}

async function replay(name, messageId) {
  const { replayed } = await control("POST", `queues/${encodeURIComponent(name)}/replay`, messageId ? { message_id: messageId } : undefined);
  notify(replayed ? `Sent ${plural(replayed, "message")} back to where it failed.` : "There is nothing to replay.");
  look();
}

async function peek(name) {
  try {
    const messages = await control("GET", `queues/${encodeURIComponent(name)}/messages`);
    const queue = state.queues.find((each) => each.name === name);
    openDialog(`Queue ${shortName(name)}`,
      el("p", { class: "dim" }, `${name} · ${queueParts(queue) || "empty"}`, queue.dead_letter_target ? ` · failures go to ${queue.dead_letter_target}` : ""),
      messages.length ? el("ul", { class: "messages" }, messages.map((message) => messageItem(name, message))) : el("p", { class: "empty" }, "There is no message in it."));
  } catch (error) {
    notify(error.message, "error");
  }
}

function messageItem(queue, message) {
  const attributes = Object.entries({ ...message.attributes, ...message.message_attributes });
  const again = takesDeadLetters(queue)
    ? button("Replay", async () => {
      await replay(queue, message.message_id);
      await peek(queue);
    }, { class: "small" })
    : null;
  return el("li", {},
    el("p", { class: "message-head" }, el("span", { class: "badge" }, message.state), " sent ", moment(message.sent_at), ` · received ${plural(message.receive_count, "time")}`, again),
    el("pre", {}, pretty(message.body)),
    el("details", {}, el("summary", {}, `Attributes of ${message.message_id}`),
      el("dl", {}, attributes.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]))));
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function showLogs(name) {
  try {
    const lines = await control("GET", `functions/${encodeURIComponent(name)}/logs`);
    const body = openDialog(`Log of ${shortName(name)}`, lines.length ? el("pre", { class: "lines", tabindex: 0 }, lines.join("\n")) : el("p", { class: "empty" }, "It has printed nothing yet."));
    body.scrollTop = body.scrollHeight;
  } catch (error) {
    notify(error.message, "error");
  }
}

async function runSchedule(name) {
  await control("POST", `schedules/${encodeURIComponent(name)}/run`);
  notify(`${shortSource(name)} runs.`);
  look();
}

async function moveClock(body) {
  await control("POST", "clock", body);
  await look();
}

const advance = (seconds) => moveClock({ advance_seconds: seconds });

function askForTime() {
  const now = new Date(Date.now() + (clockLead ?? 0)).toISOString().slice(0, 19);
  const input = el("input", { type: "datetime-local", name: "set", step: 1, value: now, required: true });
  const submit = el("button", { class: "primary" }, "Set the clock");
  const real = button("Back to real time", () => setClock(new Date()));
  const form = el("form", { novalidate: true },
    field("Time (UTC)", input, "Moves every timer of the host: visibility, delays, schedules, expiry of tokens and items."),
    el("div", { class: "actions" }, submit, real));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    whileBusy(submit, async () => {
      if (!input.value) throw new Error("Choose a time first.");
      await setClock(new Date(`${input.value}Z`));
    });
  });
  openDialog("Set the clock", form);
}

async function setClock(date) {
  await moveClock({ set: date.toISOString() });
  closeDialog();
}

function showClock(offsetSeconds) {
  if (clockLead === null) return;
  const now = new Date(Date.now() + clockLead).toISOString();
  const place = byId("clock-now");
  place.dateTime = now;
  place.textContent = `${now.slice(0, 10)} ${now.slice(11, 19)} UTC`;
  if (offsetSeconds === undefined) return;
  const badge = byId("clock-offset");
  badge.hidden = Math.abs(offsetSeconds) < 1;
  badge.textContent = `${span(Math.abs(offsetSeconds))} ${offsetSeconds < 0 ? "behind" : "ahead"}`;
}

function span(seconds) {
  const parts = [[Math.floor(seconds / DAY), "d"], [Math.floor((seconds % DAY) / HOUR), "h"], [Math.floor((seconds % HOUR) / 60), "min"]];
  const text = parts.filter(([count]) => count).map(([count, unit]) => `${count} ${unit}`).join(" ");
  return text || `${Math.round(seconds)} s`;
}
