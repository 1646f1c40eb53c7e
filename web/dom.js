// Small helpers around the DOM. Text from outside only ever becomes a text node or an attribute, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** Looks up an element that index.html promises. */
export const byId = (id) => document.getElementById(id);

/** Makes an element. `on*` properties are listeners, booleans switch attributes, `null` and `undefined` are left out. */
export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** The same for SVG. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** A button that shows that it works and reports what goes wrong. */
export function button(text, action, properties = {}) {
  const element = el("button", { type: "button", ...properties }, text);
  element.addEventListener("click", () => whileBusy(element, action));
  return element;
}

/** Runs `action` with `control` disabled; an error ends as a notice, never in silence. */
export async function whileBusy(control, action) {
  if (control.disabled) return;
  control.disabled = true;
  control.setAttribute("aria-busy", "true");
  try {
    await action();
  } catch (error) {
    notify(error.message, "error");
  } finally {
    control.disabled = false;
    control.removeAttribute("aria-busy");
  }
}

const NOTICE_MILLISECONDS = { info: 5_000, error: 12_000 };
const MOST_NOTICES = 4;

/** Shows a notice in the corner: `info` or `error`. */
export function notify(text, kind = "info") {
  const area = byId("notices");
  const dialog = byId("dialog");
  // What is outside an open modal dialog is dim, and silent to a screen reader.
  (dialog.open ? dialog : document.body).append(area);
  const notice = el("div", { class: `notice ${kind}`, role: kind === "error" ? "alert" : "status" }, el("p", {}, text));
  notice.append(el("button", { type: "button", class: "quiet", "aria-label": "Dismiss", onclick: () => notice.remove() }, "✕"));
  area.append(notice);
  if (area.children.length > MOST_NOTICES) area.firstElementChild.remove();
  setTimeout(() => notice.remove(), NOTICE_MILLISECONDS[kind]);
}

/** Makes the dialog of index.html close by its button and by a click beside it. */
export function startDialog() {
  const dialog = byId("dialog");
  byId("dialog-close").addEventListener("click", closeDialog);
  dialog.addEventListener("click", (event) => {
    // The dialog itself is only hit beside its content: on the backdrop.
    if (event.target === dialog && !isInside(dialog.getBoundingClientRect(), event)) closeDialog();
  });
  dialog.addEventListener("close", () => document.body.append(byId("notices")));
}

const isInside = ({ left, right, top, bottom }, { clientX: x, clientY: y }) => x >= left && x <= right && y >= top && y <= bottom;

/** Opens the dialog and gives its body, emptied. */
export function openDialog(title, ...content) {
  const dialog = byId("dialog");
  byId("dialog-title").textContent = title;
  byId("dialog-body").replaceChildren(...content);
  if (!dialog.open) dialog.showModal();
  return byId("dialog-body");
}

export function closeDialog() {
  byId("dialog").close();
}

/** A labelled field with a place for what is wrong with it. */
export function field(label, control, hint) {
  control.id ||= `field-${crypto.randomUUID()}`;
  const error = el("p", { class: "field-error", id: `${control.id}-error`, "data-error-of": control.name, hidden: true });
  control.setAttribute("aria-describedby", error.id);
  return el("div", { class: "field" }, el("label", { for: control.id }, label), control, hint ? el("p", { class: "hint" }, hint) : null, error);
}

/** Puts each message of a problem under its field; gives back what belongs to no field of the form. */
export function showFieldErrors(form, errors) {
  clearFieldErrors(form);
  const homeless = [];
  for (const { field: name, message } of errors) {
    // `tags[3]` belongs to the field `tags`.
    const base = name.replace(/\[.*$/, "");
    const place = form.querySelector(`[data-error-of="${CSS.escape(base)}"]`);
    if (!place) {
      homeless.push(`${name} ${message}`);
      continue;
    }
    place.textContent = [place.textContent, `${name} ${message}`].filter(Boolean).join("; ");
    place.hidden = false;
    form.elements[base]?.setAttribute("aria-invalid", "true");
  }
  form.querySelector("[aria-invalid]")?.focus();
  return homeless;
}

export function clearFieldErrors(form) {
  for (const place of form.querySelectorAll("[data-error-of]")) {
    place.textContent = "";
    place.hidden = true;
  }
  for (const control of form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

/** Calls `action` once after the last of a burst of calls. */
export function debounced(milliseconds, action) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, milliseconds);
  };
}

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

/** A moment for people, with the exact one as its title. */
export function moment(text, format = MOMENT) {
  const date = new Date(text);
  if (!text || Number.isNaN(date.getTime())) return el("span", { class: "dim" }, "—");
  return el("time", { datetime: date.toISOString(), title: text }, format.format(date));
}

export const clockTime = (text) => moment(text, TIME);

export function bytes(count) {
  if (count < 1024) return `${count} B`;
  const units = ["KiB", "MiB", "GiB"];
  const power = Math.min(Math.floor(Math.log2(count) / 10), units.length);
  return `${(count / 1024 ** power).toFixed(1)} ${units[power - 1]}`;
}

export function milliseconds(value) {
  if (value === null || value === undefined) return "—";
  if (value >= 1_000) return `${(value / 1_000).toFixed(2)} s`;
  return `${value >= 10 ? Math.round(value) : value.toFixed(1)} ms`;
}

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
