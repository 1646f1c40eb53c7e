// Dialogs about the owner: e-mail settings and the daily report.

import { api, control } from "./api.js";
import { clearFieldErrors, closeDialog, el, field, notify, openDialog, showFieldErrors, svg, whileBusy } from "./dom.js";

export async function openSettings() {
  const { body: settings } = await api("GET", "/settings");
  const email = el("input", { name: "email", type: "email", autocomplete: "email", value: settings.email ?? "" });
  const notifications = checkbox("notifications", settings.notifications);
  const report = checkbox("daily_report", settings.daily_report);
  const save = el("button", { class: "primary" }, "Save settings");
  const form = el("form", { novalidate: true },
    field("E-mail", email),
    check("Tell me when a note that names me changes", notifications),
    check("Mail me the daily report", report),
    el("div", { class: "actions" }, save));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    whileBusy(save, () => saveSettings(form, { email: email.value.trim() || null, notifications: notifications.checked, daily_report: report.checked }));
  });
  openDialog("Settings", form);
}

const checkbox = (name, isOn) => el("input", { type: "checkbox", name, checked: isOn });
const check = (text, control) => el("label", { class: "check" }, control, el("span", {}, text));

async function saveSettings(form, settings) {
  clearFieldErrors(form);
  try {
    await api("PUT", "/settings", { body: settings });
  } catch (error) {
    const homeless = showFieldErrors(form, error.errors ?? []);
    if (!error.errors?.length) throw error;
    if (homeless.length) notify(homeless.join("; "), "error");
    return;
  }
  closeDialog();
  notify("Settings saved.");
}

export async function openReport() {
  const { now } = await control("GET", "clock");
  const yesterday = new Date(Date.parse(now) - 24 * 3600 * 1_000).toISOString().slice(0, 10);
  const date = el("input", { type: "date", name: "date", value: yesterday, required: true });
  const place = el("div", { class: "report", "aria-live": "polite" });
  const form = el("form", { class: "inline-form", novalidate: true }, field("Day (UTC)", date));
  form.addEventListener("submit", (event) => event.preventDefault());
  date.addEventListener("change", () => showReport(date.value, place));
  openDialog("Daily report", form, place);
  await showReport(yesterday, place);
}

async function showReport(date, place) {
  if (!date) return;
  try {
    const { body } = await api("GET", `/reports/${date}`);
    place.replaceChildren(chart(body.hours), counts(body.counts));
  } catch (error) {
    const text = error.status === 404 ? "There is no report of this day. The daily-report schedule writes the report of the day before it runs." : error.message;
    place.replaceChildren(el("p", { class: "empty" }, text));
  }
}

const CHART = { width: 552, height: 150, left: 26, bottom: 22, top: 10 };

function chart(hours) {
  const most = Math.max(1, ...hours);
  const step = (CHART.width - CHART.left) / hours.length;
  const room = CHART.height - CHART.bottom - CHART.top;
  const base = CHART.height - CHART.bottom;
  const bars = hours.map((count, hour) => {
    const height = (count / most) * room;
    return svg("rect", { class: "bar-mark", x: CHART.left + hour * step + 2, y: base - height, width: step - 4, height, rx: 2 },
      svg("title", {}, `${String(hour).padStart(2, "0")}:00 — ${count}`));
  });
  const labels = [0, 6, 12, 18].map((hour) => svg("text", { x: CHART.left + hour * step + 2, y: CHART.height - 5 }, `${String(hour).padStart(2, "0")}:00`));
  return svg("svg", { class: "chart", viewBox: `0 0 ${CHART.width} ${CHART.height}`, role: "img", "aria-label": `Changes by hour: ${hours.join(", ")}` },
    svg("line", { x1: CHART.left, x2: CHART.width, y1: base, y2: base }),
    svg("line", { class: "faint", x1: CHART.left, x2: CHART.width, y1: CHART.top, y2: CHART.top }),
    svg("text", { x: CHART.left - 6, y: CHART.top + 4, "text-anchor": "end" }, String(most)),
    svg("text", { x: CHART.left - 6, y: base, "text-anchor": "end" }, "0"),
    bars, labels);
}

const COUNT_LABELS = {
  created: "Created", updated: "Updated", trashed: "Moved to trash", restored: "Restored",
  purged: "Purged", attached: "Files attached", detached: "Files removed",
};

function counts(byKind) {
  const entries = Object.entries(byKind).map(([kind, count]) => el("div", {}, el("dt", {}, COUNT_LABELS[kind] ?? kind), el("dd", {}, String(count))));
  return el("dl", { class: "counts" }, entries);
}
