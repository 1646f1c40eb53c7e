// The notes view: signing in, the list with its filters, and which note is open.

import { api, currentSession, signIn, signOut } from "./api.js";
import { openReport, openSettings } from "./account.js";
import { Editor } from "./editor.js";
import { button, byId, clearFieldErrors, closeDialog, debounced, el, field, moment, notify, plural, showFieldErrors, whileBusy } from "./dom.js";

const PAGE_SIZE = 20;
const TYPING_PAUSE_MILLISECONDS = 250;
const EXCERPT_CHARACTERS = 200;

let editor;
let items = [];
let nextCursor = null;
let showsTrash = false;
/** The request of the list under way: a newer one makes it worthless. */
let listing;

export function startNotes() {
  editor = new Editor(byId("editor"), { saved, removed, closed: () => selectInList(null), tagChosen });
  buildSignIn();
  byId("account-actions").append(
    button("Daily report", openReport),
    button("Settings", openSettings),
    button("Sign out", leave, { class: "quiet" }),
  );
  const reload = debounced(TYPING_PAUSE_MILLISECONDS, () => loadList());
  byId("search").addEventListener("input", reload);
  byId("tag-filter").addEventListener("input", reload);
  byId("show-live").addEventListener("click", () => show(false));
  byId("show-trash").addEventListener("click", () => show(true));
  byId("new-note").addEventListener("click", () => editor.create());
  const more = byId("more-notes");
  more.addEventListener("click", () => whileBusy(more, () => loadList(nextCursor)));
  addEventListener("beforeunload", (event) => {
    if (editor.isDirty()) event.preventDefault();
  });
  showSession();
}

function buildSignIn() {
  const form = byId("sign-in-form");
  const name = el("input", { name: "sub", autocomplete: "username", required: true, maxlength: 128 });
  const email = el("input", { name: "email", type: "email", autocomplete: "email" });
  const submit = el("button", { class: "primary" }, "Sign in");
  form.append(field("Name", name), field("E-mail", email, "Where your own reports go. Optional."), submit);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearFieldErrors(form);
    if (!name.value.trim()) {
      showFieldErrors(form, [{ field: "sub", message: "must not be empty" }]);
      return;
    }
    whileBusy(submit, async () => {
      await signIn(name.value.trim(), email.value.trim());
      showSession();
      byId("search").focus();
    });
  });
}

function showSession() {
  const session = currentSession();
  byId("sign-in").hidden = session !== null;
  byId("workspace").hidden = session === null;
  if (!session) return;
  byId("who").textContent = session.email ? `${session.name} (${session.email})` : session.name;
  editor.close();
  show(false);
}

function leave() {
  if (!editor.mayLeave()) return;
  editor.close();
  closeDialog();
  signOut();
  listing?.abort();
  // The next one to sign in must not see them, not even while their own are loading.
  items = [];
  nextCursor = null;
  renderList();
  showSession();
}

function show(trash) {
  showsTrash = trash;
  byId("show-live").setAttribute("aria-pressed", String(!trash));
  byId("show-trash").setAttribute("aria-pressed", String(trash));
  return loadList();
}

function tagChosen(tag) {
  byId("tag-filter").value = tag;
  loadList();
}

const filters = () => ({ q: byId("search").value.trim(), tag: byId("tag-filter").value.trim() });
const isFiltered = () => Object.values(filters()).some(Boolean);

function listPath(cursor) {
  const query = new URLSearchParams({ limit: PAGE_SIZE });
  for (const [name, value] of Object.entries(filters())) if (value) query.set(name, value);
  if (showsTrash) query.set("trash", "true");
  if (cursor) query.set("cursor", cursor);
  return `/notes?${query}`;
}

/** Loads the first page, or the page at `cursor` after what is there. */
async function loadList(cursor = null) {
  listing?.abort();
  const mine = (listing = new AbortController());
  if (!items.length) tell("Loading…");
  try {
    const { body } = await api("GET", listPath(cursor), { signal: mine.signal });
    items = cursor ? [...items, ...body.items] : body.items;
    nextCursor = body.next_cursor;
    renderList();
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!cursor) items = [];
    nextCursor = cursor;
    renderList();
    tell(error.message, true);
  }
}

function renderList() {
  byId("note-list").replaceChildren(...items.map(listItem));
  byId("more-notes").hidden = !nextCursor;
  tell(items.length ? "" : emptyText());
  selectInList(editor.openId());
}

function emptyText() {
  // A page may hold nothing although there is more: the filter had nothing to keep of what it looked at.
  if (nextCursor) return "Nothing yet; there is more to look through.";
  if (isFiltered()) return "No note matches.";
  return showsTrash ? "The trash is empty." : "No notes yet. Write the first one.";
}

function tell(text, isError = false) {
  const state = byId("note-list-state");
  state.textContent = text;
  state.hidden = !text;
  state.classList.toggle("failed", isError);
}

function listItem(note) {
  const facts = [moment(note.created_at)];
  if (note.attachments) facts.push(" · ", plural(note.attachments, "file"));
  if (note.notify.length) facts.push(` · notifies ${note.notify.length}`);
  return el("li", {},
    el("button", { type: "button", class: "item", "data-id": note.id, onclick: () => editor.open(note.id) },
      el("span", { class: "item-title" }, note.title),
      note.excerpt ? el("span", { class: "item-text" }, note.excerpt) : null,
      note.tags.length ? el("span", { class: "tags" }, note.tags.map((tag) => el("span", { class: "tag" }, tag))) : null,
      el("span", { class: "item-facts" }, facts)));
}

function selectInList(id) {
  for (const item of byId("note-list").querySelectorAll(".item")) {
    item.setAttribute("aria-current", String(item.dataset.id === id));
  }
  byId("note-panes").classList.toggle("opened", editor.isOpen());
}

/** A note was opened, created, changed or restored: the list follows without asking again. */
function saved(note, { isNew = false } = {}) {
  const summary = { ...note, excerpt: excerpt(note.body) };
  const place = items.findIndex((item) => item.id === note.id);
  const belongs = Boolean(note.deleted_at) === showsTrash;
  if (place >= 0 && belongs) items[place] = summary;
  else if (place >= 0) items.splice(place, 1);
  else if (isNew && belongs && !isFiltered()) items.unshift(summary);
  renderList();
}

function removed(id, text) {
  items = items.filter((item) => item.id !== id);
  renderList();
  notify(text);
}

function excerpt(body) {
  const line = body.trim().replace(/\s+/g, " ");
  return line.length > EXCERPT_CHARACTERS ? `${line.slice(0, EXCERPT_CHARACTERS)}…` : line;
}
