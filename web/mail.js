// The mail view: every e-mail that SES accepted.

import { control } from "./api.js";
import { button, byId, debounced, el, moment, notify, plural } from "./dom.js";

const LOOK_MILLISECONDS = 4_000;
const SOON_MILLISECONDS = 400;
/** A mail's HTML may show itself and reach for nothing. */
const MAIL_POLICY = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">`;
const FORMS = { text: "Text", html: "HTML", raw: "Raw" };

let mails = [];
let opened = null;
let form = "text";
let isShown = false;

const lookSoon = debounced(SOON_MILLISECONDS, () => look());

export function startMail() {
  byId("mail-actions").append(button("Refresh", look), button("Delete all", deleteAll));
  setInterval(() => isShown && !document.hidden && look(), LOOK_MILLISECONDS);
  renderPreview();
  look();
}

export function showMail(shown) {
  isShown = shown;
  if (shown) look();
}

/** Something ran, so that there may be new mail. */
export function mailMayHaveCome() {
  lookSoon();
}

async function look() {
  const banner = byId("mail-error");
  try {
    const found = await control("GET", "mail");
    banner.hidden = true;
    const isSame = found.length === mails.length && found[0]?.id === mails[0]?.id;
    mails = found;
    if (!isSame || !mails.length) renderList();
  } catch (error) {
    banner.textContent = error.message;
    banner.hidden = false;
  }
}

function renderList() {
  const count = byId("mail-count");
  count.textContent = String(mails.length);
  count.hidden = !mails.length;
  byId("mail-list").replaceChildren(...mails.map(listItem));
  byId("mail-list-state").textContent = mails.length ? "" : "No mail yet. Create a note with addresses to notify.";
  byId("mail-list-state").hidden = mails.length > 0;
  if (opened && !mails.some(({ id }) => id === opened.id)) show(null);
}

function listItem(mail) {
  return el("li", {}, el("button", { type: "button", class: "item", "data-id": mail.id, "aria-current": String(mail.id === opened?.id), onclick: () => show(mail) },
    el("span", { class: "item-title" }, mail.subject || "(no subject)"),
    el("span", { class: "item-text" }, `to ${mail.to.join(", ")}`),
    el("span", { class: "item-facts" }, moment(mail.sent_at))));
}

function show(mail) {
  opened = mail;
  for (const item of byId("mail-list").querySelectorAll(".item")) item.setAttribute("aria-current", String(item.dataset.id === mail?.id));
  renderPreview();
}

function renderPreview() {
  const place = byId("mail-preview");
  byId("mail-panes").classList.toggle("opened", opened !== null);
  if (!opened) {
    place.replaceChildren(el("p", { class: "empty" }, "Choose an e-mail."));
    return;
  }
  const available = Object.keys(FORMS).filter((name) => opened[name]);
  const shown = available.includes(form) ? form : available[0];
  place.replaceChildren(
    el("div", { class: "pane-head" }, el("div", { class: "title-row" }, button("← All mail", () => show(null), { class: "quiet back" }), el("h2", {}, opened.subject || "(no subject)")), formButtons(available, shown)),
    el("dl", { class: "mail-head" }, mailHead()),
    content(shown));
}

function mailHead() {
  const rows = [["From", opened.from], ["To", opened.to.join(", ")], ["Sent", moment(opened.sent_at)], ["Id", opened.id]];
  return rows.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
}

function formButtons(available, shown) {
  const buttons = available.map((name) => el("button", { type: "button", "aria-pressed": String(name === shown), onclick: () => choose(name) }, FORMS[name]));
  return el("div", { class: "segments", role: "group", "aria-label": "Shown as" }, buttons);
}

function choose(name) {
  form = name;
  renderPreview();
  byId("mail-preview").querySelector('.segments [aria-pressed="true"]').focus();
}

function content(shown) {
  if (shown === "html") return el("iframe", { class: "mail-html", sandbox: "", srcdoc: MAIL_POLICY + opened.html, title: "The e-mail's HTML" });
  return el("pre", { class: `mail-text ${shown}`, tabindex: 0 }, opened[shown] ?? "");
}

async function deleteAll() {
  if (!mails.length || !confirm(`Delete ${plural(mails.length, "e-mail")}?`)) return;
  await control("DELETE", "mail");
  await look();
  notify("The mailbox is empty.");
}
