// One note: writing, changing under `If-Match`, trashing, restoring.

import { api } from "./api.js";
import { AttachmentsPanel } from "./attachments.js";
import { button, clearFieldErrors, el, field, moment, notify, plural, showFieldErrors, whileBusy } from "./dom.js";
import { openHistory } from "./history.js";

const FIELDS = ["title", "body", "tags", "notify"];
const EMPTY = { title: "", body: "", tags: [], notify: [] };
const SEPARATOR = { tags: /[,\n]/, notify: /[\s,;]+/ };

/** The editor in `place`. It tells of what happens by `saved`, `removed`, `closed` and `tagChosen`. */
export class Editor {
  constructor(place, events) {
    this.place = place;
    this.events = events;
    /** The note as the API last gave it; without an id it is not stored yet; `null` when nothing is open. */
    this.note = null;
    /** Counts what was opened, so that a late answer for another note is dropped. */
    this.turn = 0;
  }

  isOpen() {
    return this.note !== null;
  }

  openId() {
    return this.note?.id ?? null;
  }

  isDirty() {
    return this.note !== null && !this.note.deleted_at && Object.keys(this.changes()).length > 0;
  }

  mayLeave() {
    return !this.isDirty() || confirm("This note has changes that are not saved. Leave it?");
  }

  close() {
    this.leave();
    this.note = null;
    this.place.replaceChildren(el("p", { class: "empty" }, "Choose a note, or write a new one."));
    this.events.closed();
  }

  create() {
    if (!this.mayLeave()) return;
    this.leave();
    this.draft = null;
    this.show({ ...EMPTY }, null);
    this.form.elements.title.focus();
  }

  async open(id) {
    if (id === this.openId() || !this.mayLeave()) return;
    this.leave();
    const turn = this.turn;
    try {
      const { body, headers } = await api("GET", `/notes/${id}`);
      if (turn !== this.turn) return;
      this.show(body, headers.get("etag"));
      this.form.elements.title.focus({ preventScroll: true });
    } catch (error) {
      notify(error.message, "error");
      // What was shown has been left, so it must not look as if it were still watched over.
      if (turn === this.turn) this.close();
    }
  }

  leave() {
    this.turn += 1;
    this.attachments?.stop();
    this.attachments = null;
  }

  show(note, etag) {
    this.attachments?.stop();
    this.note = note;
    this.etag = etag;
    this.form = this.buildForm();
    const isStored = Boolean(note.id);
    this.attachments = isStored ? new AttachmentsPanel(note, (by) => this.counted(by)) : null;
    this.place.replaceChildren(this.head(), this.form, ...(isStored ? [this.tagLinks(), this.attachments.element, this.facts()] : []));
    this.events.saved(note);
  }

  head() {
    const title = this.note.deleted_at ? "In the trash" : this.note.id ? "Edit note" : "New note";
    const back = button("← All notes", () => this.mayLeave() && this.close(), { class: "quiet back" });
    return el("div", { class: "pane-head" }, el("div", { class: "title-row" }, back, el("h2", {}, title)), el("div", { class: "actions" }, this.actions()));
  }

  actions() {
    if (!this.note.id) return [];
    const forGood = button("Delete for good", () => this.deleteForGood(), { class: "danger" });
    const history = this.note.version > 1 ? button("History", () => openHistory(this.note, (version) => this.goBackTo(version)), { class: "quiet" }) : null;
    if (this.note.deleted_at) return [history, button("Restore", () => this.restore()), forGood];
    return [history, button("Move to trash", () => this.trash())];
  }

  buildForm() {
    const isReadOnly = Boolean(this.note.deleted_at);
    const common = { readonly: isReadOnly, autocomplete: "off" };
    const title = el("input", { ...common, name: "title" });
    const body = el("textarea", { ...common, name: "body", rows: 10, spellcheck: "true" });
    const tags = el("input", { ...common, name: "tags" });
    const watchers = el("input", { ...common, name: "notify", inputmode: "email", spellcheck: "false" });
    const save = el("button", { class: "primary" }, this.note.id ? "Save" : "Create note");
    const form = el("form", { class: "editor", novalidate: true },
      field("Title", title), field("Text", body, "Markdown"),
      el("div", { class: "two" }, field("Tags", tags, "Separated by commas"), field("Notify", watchers, "Addresses told of every change, separated by commas")),
      isReadOnly ? null : el("div", { class: "actions" }, save, el("span", { class: "hint" }, "Ctrl+S saves")));
    for (const name of FIELDS) form.elements[name].value = asText(this.note[name]);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!isReadOnly) whileBusy(save, () => this.save());
    });
    form.addEventListener("keydown", (event) => {
      if (!(event.ctrlKey || event.metaKey) || event.key !== "s") return;
      event.preventDefault();
      form.requestSubmit();
    });
    return form;
  }

  tagLinks() {
    if (!this.note.tags.length) return "";
    const links = this.note.tags.map((tag) => button(tag, () => this.events.tagChosen(tag), { class: "tag", title: `Show only notes with the tag ${tag}` }));
    return el("div", { class: "tags" }, links);
  }

  facts() {
    const { note } = this;
    return el("p", { class: "facts" },
      "Created ", moment(note.created_at), " · changed ", moment(note.updated_at), ` · version ${note.version}`,
      note.deleted_at ? [" · in the trash since ", moment(note.deleted_at)] : null);
  }

  /** What the form holds differently from the note: the body of a PATCH. */
  changes() {
    const changes = {};
    for (const name of FIELDS) {
      const value = asValue(name, this.form.elements[name].value);
      if (JSON.stringify(value) !== JSON.stringify(normal(this.note[name]))) changes[name] = value;
    }
    return changes;
  }

  async save() {
    clearFieldErrors(this.form);
    try {
      await (this.note.id ? this.saveChanges() : this.saveNew());
    } catch (error) {
      if (error.status === 412) return this.lostRace();
      const homeless = showFieldErrors(this.form, error.errors ?? []);
      if (!error.errors?.length) throw error;
      if (homeless.length) notify(homeless.join("; "), "error");
    }
  }

  async saveNew() {
    const content = Object.fromEntries(FIELDS.map((name) => [name, asValue(name, this.form.elements[name].value)]));
    const text = JSON.stringify(content);
    // The same draft sent again after a lost answer is the same request; a changed draft is another.
    if (this.draft?.text !== text) this.draft = { text, key: crypto.randomUUID() };
    const turn = this.turn;
    const { body, headers } = await api("POST", "/notes", { body: content, headers: { "idempotency-key": this.draft.key } });
    if (turn === this.turn) this.show(body, headers.get("etag"));
    this.events.saved(body, { isNew: true });
    notify(`Created “${body.title}”.`);
  }

  async saveChanges() {
    const changes = this.changes();
    if (!Object.keys(changes).length) {
      notify("Nothing was changed.");
      return;
    }
    const turn = this.turn;
    const headers = { "content-type": "application/merge-patch+json", "if-match": this.etag };
    const answer = await api("PATCH", `/notes/${this.note.id}`, { body: changes, headers });
    notify(`Saved “${answer.body.title}”.`);
    if (turn === this.turn) this.show(answer.body, answer.headers.get("etag"));
    else this.events.saved(answer.body);
  }

  /** Shows what the note has become, and keeps what was written here within reach. */
  async lostRace() {
    const unsaved = this.changes();
    const turn = this.turn;
    const { body, headers } = await api("GET", `/notes/${this.note.id}`);
    if (turn !== this.turn) return;
    this.show(body, headers.get("etag"));
    const yours = Object.entries(unsaved).map(([name, value]) => [el("dt", {}, name), el("dd", {}, asText(value) || "(empty)")]);
    this.form.before(el("div", { class: "banner", role: "alert" },
      el("p", {}, "It was changed meanwhile. This is the present version; yours was not saved."),
      yours.length ? el("details", {}, el("summary", {}, "What you wrote"), el("dl", {}, yours)) : null));
  }

  async trash() {
    if (!this.mayLeave()) return;
    const { id, title } = this.note;
    try {
      await api("DELETE", `/notes/${id}`, { headers: { "if-match": this.etag } });
    } catch (error) {
      if (error.status !== 412) throw error;
      return this.lostRace();
    }
    this.close();
    this.events.removed(id, `Moved “${title}” to the trash, where it stays for 30 days.`);
  }

  async deleteForGood() {
    const { id, title, attachments } = this.note;
    const files = attachments ? ` with ${plural(attachments, "file")}` : "";
    if (!confirm(`Delete “${title}”${files} for good? This cannot be undone.`)) return;
    await api("DELETE", `/notes/${id}?permanent=true`);
    this.close();
    this.events.removed(id, `Deleted “${title}” for good.`);
  }

  async restore() {
    const { body } = await api("POST", `/notes/${this.note.id}/restore`);
    this.close();
    this.events.removed(body.id, `Restored “${body.title}”.`);
  }

  /** Gives the note the content of an earlier version; what it held becomes one itself. */
  async goBackTo(version) {
    if (!this.mayLeave()) return;
    const turn = this.turn;
    try {
      const { body, headers } = await api("POST", `/notes/${this.note.id}/versions/${version}/restore`, { headers: { "if-match": this.etag } });
      notify(`“${body.title}” is as version ${version} was.`);
      if (turn === this.turn) this.show(body, headers.get("etag"));
      else this.events.saved(body);
    } catch (error) {
      if (error.status !== 412) throw error;
      return this.lostRace();
    }
  }

  /** There are `by` more files. */
  counted(by) {
    this.note.attachments += by;
    this.events.saved(this.note);
  }
}

const asText = (value) => (Array.isArray(value) ? value.join(", ") : value);
/** A textarea gives back line ends as plain newlines, whatever was stored. */
const normal = (value) => (Array.isArray(value) ? value : value.replace(/\r\n?/g, "\n"));

function asValue(name, text) {
  const separator = SEPARATOR[name];
  return separator ? text.split(separator).map((part) => part.trim()).filter(Boolean) : text;
}
