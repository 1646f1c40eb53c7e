// The earlier versions of one note: a dialog to look at them, and to go back to one.

import { api } from "./api.js";
import { button, closeDialog, el, moment, openDialog } from "./dom.js";

const PAGE_SIZE = 10;

/** Shows the history of `note`; tells by `restore` which version it is to go back to, unless it is in the trash. */
export async function openHistory(note, restore) {
  const list = el("ul", { class: "messages" });
  const state = el("p", { class: "empty", role: "status", hidden: true });
  const more = button("Load more", () => load(), { hidden: true });
  let cursor = null;
  const load = async () => {
    const query = new URLSearchParams({ limit: PAGE_SIZE });
    if (cursor) query.set("cursor", cursor);
    const { body } = await api("GET", `/notes/${note.id}/versions?${query}`);
    list.append(...body.items.map((version) => entry(note, version, restore)));
    cursor = body.next_cursor;
    more.hidden = !cursor;
    state.hidden = list.childElementCount > 0;
    state.textContent = cursor ? "Nothing yet; there is more to look through." : "Nothing was replaced so far.";
  };
  await load();
  openDialog(`Earlier versions of “${note.title}”`, el("p", { class: "hint" }, "What a change replaced, for a year and 50 versions back."), list, state, more);
}

function entry(note, version, restore) {
  const text = el("pre", {}, "…");
  const whole = el("details", {}, el("summary", {}, "Whole text"), text);
  // Lists hold the beginning only.
  whole.addEventListener("toggle", () => fill(text, note, version), { once: true });
  const back = button("Restore this version", async () => {
    await restore(version.version);
    closeDialog();
  }, { class: "small" });
  return el("li", {},
    el("div", { class: "message-head" }, el("strong", {}, `Version ${version.version}`), moment(version.updated_at), note.deleted_at ? null : back),
    el("p", { class: "item-title" }, version.title),
    version.excerpt ? el("p", { class: "item-text" }, version.excerpt) : null,
    version.tags.length ? el("p", { class: "tags" }, version.tags.map((tag) => el("span", { class: "tag" }, tag))) : null,
    whole);
}

async function fill(text, note, version) {
  try {
    const { body } = await api("GET", `/notes/${note.id}/versions/${version.version}`);
    text.textContent = body.body || "(empty)";
  } catch (error) {
    text.textContent = error.message;
  }
}
