// The files of one note: upload by presigned URL, wait for the check, show thumbnail or reason.

import { api, ApiError } from "./api.js";
import { button, bytes, el, notify } from "./dom.js";
import { placeholder } from "./placeholder.js";

/** What a browser sets itself and refuses to have set. */
const FORBIDDEN_HEADERS = new Set(["host", "content-length", "connection", "expect", "transfer-encoding"]);
const FIRST_POLL_MILLISECONDS = 200;
const LONGEST_POLL_MILLISECONDS = 3_000;
const SHOWN_THUMBNAIL = 480;

/** The panel for `note`; tells by `counted` how many attachments more there are. */
export class AttachmentsPanel {
  constructor(note, counted) {
    this.path = `/notes/${note.id}/attachments`;
    this.counted = counted;
    this.isReadOnly = Boolean(note.deleted_at);
    this.stopped = new AbortController();
    this.cards = el("ul", { class: "files" });
    this.state = el("p", { class: "hint", role: "status" });
    this.element = el("section", { class: "attachments", "aria-label": "Files" },
      el("h3", {}, "Files"), this.cards, this.state, this.isReadOnly ? null : this.chooser());
    this.load();
  }

  /** Ends polling; uploads under way go on, since their files were chosen to be on the note. */
  stop() {
    this.stopped.abort();
  }

  chooser() {
    const input = el("input", { type: "file", multiple: true, class: "visually-hidden", id: "file-input" });
    input.addEventListener("change", () => {
      this.add(input.files);
      input.value = "";
    });
    const zone = el("label", { class: "drop", for: "file-input" }, el("strong", {}, "Choose files"), " or drop them here · up to 25 MiB each");
    const over = (isOver) => (event) => {
      event.preventDefault();
      zone.classList.toggle("over", isOver);
    };
    zone.addEventListener("dragover", over(true));
    zone.addEventListener("dragleave", over(false));
    zone.addEventListener("drop", (event) => {
      over(false)(event);
      this.add(event.dataTransfer.files);
    });
    return el("div", { class: "chooser" }, input, zone);
  }

  async load() {
    try {
      const { body } = await api("GET", this.path, { signal: this.stopped.signal });
      for (const attachment of body.items) this.follow(attachment, this.card());
    } catch (error) {
      if (error.name !== "AbortError") this.state.textContent = `The files cannot be listed: ${error.message}`;
    }
  }

  card() {
    const card = el("li", { class: "file" });
    this.cards.append(card);
    return card;
  }

  add(files) {
    for (const file of files) this.upload(file, this.card());
  }

  async upload(file, card) {
    const bar = el("progress", { max: 1, value: 0, "aria-label": `Uploading ${file.name}` });
    card.replaceChildren(fileName(file.name), bar, el("p", { class: "hint" }, bytes(file.size)));
    try {
      const request = { filename: file.name, content_type: file.type || "application/octet-stream", size: file.size, sha256: await sha256(file) };
      const { body } = await api("POST", this.path, { body: request });
      this.count(1);
      await send(body.upload, file, bar);
      await this.follow(body.attachment, card);
    } catch (error) {
      this.showError(card, file.name, error);
    }
  }

  showError(card, name, error) {
    // The note may have been left, and the card with it.
    if (!card.isConnected) notify(`${name}: ${reasonOf(error)}`, "error");
    const dismiss = button("Dismiss", () => card.remove(), { class: "small" });
    card.replaceChildren(fileName(name), badge("failed"), el("p", { class: "field-error" }, reasonOf(error)), dismiss);
  }

  /** Shows an attachment, and asks for it until it is ready or failed. */
  async follow(attachment, card) {
    this.render(attachment, card);
    let pause = FIRST_POLL_MILLISECONDS;
    while (attachment.status === "pending" && !this.stopped.signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(pause * 1.5, LONGEST_POLL_MILLISECONDS);
      try {
        attachment = (await api("GET", `${this.path}/${attachment.id}`, { signal: this.stopped.signal })).body;
      } catch (error) {
        if (error.name !== "AbortError") this.showError(card, attachment.filename, error);
        return;
      }
      if (attachment.status !== "pending") this.render(attachment, card);
    }
  }

  render(attachment, card) {
    const size = [bytes(attachment.size), attachment.width ? `${attachment.width} × ${attachment.height}` : null];
    const remove = button("Remove", () => this.remove(attachment, card), { class: "small quiet", "aria-label": `Remove ${attachment.filename}` });
    card.replaceChildren(
      preview(attachment),
      fileName(attachment.filename),
      el("p", { class: "hint" }, size.filter(Boolean).join(" · ")),
      attachment.reason ? el("p", { class: "field-error" }, attachment.reason) : "",
      el("div", { class: "file-foot" }, badge(attachment.status), this.isReadOnly ? null : remove));
  }

  async remove(attachment, card) {
    if (!confirm(`Remove ${attachment.filename}?`)) return;
    await api("DELETE", `${this.path}/${attachment.id}`);
    card.remove();
    this.count(-1);
    notify(`Removed ${attachment.filename}.`);
  }

  count(by) {
    if (!this.stopped.signal.aborted) this.counted(by);
  }
}

const STATUS_TEXT = { pending: "being checked", ready: "ready", failed: "failed" };
const badge = (status) => el("span", { class: `badge ${status}` }, STATUS_TEXT[status] ?? status);
const fileName = (name) => el("p", { class: "file-name", title: name }, name);

function preview({ status, filename, thumbnails, placeholder: hash, download_url: url }) {
  const thumbnail = thumbnails.find(({ size }) => size === SHOWN_THUMBNAIL) ?? thumbnails.at(-1);
  const picture = thumbnail
    ? [hash ? placeholder(hash) : null, image(thumbnail)]
    : el("span", { class: "no-picture", "aria-hidden": "true" }, status === "pending" ? "…" : extension(filename));
  if (!url) return el("div", { class: `preview ${status}` }, picture);
  return el("a", { class: "preview", href: url, target: "_blank", rel: "noreferrer", "aria-label": `Download ${filename}` }, picture);
}

/** Over the placeholder, which stays where the thumbnail cannot be loaded. */
function image({ url, width, height }) {
  const img = el("img", { alt: "", width, height });
  img.addEventListener("load", () => img.parentElement?.querySelector("canvas")?.remove());
  img.addEventListener("error", () => img.remove());
  img.src = url;
  return img;
}

const extension = (name) => (name.includes(".") ? name.split(".").pop().slice(0, 5).toUpperCase() : "FILE");

function reasonOf(error) {
  const fields = (error.errors ?? []).map(({ field, message }) => `${field} ${message}`);
  return fields.length ? fields.join("; ") : error.message;
}

async function sha256(file) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return btoa(String.fromCharCode(...digest));
}

/** Sends a file as the presigned request wants it; fetch has no upload progress, hence XMLHttpRequest. */
function send({ method, url, headers }, file, bar) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) {
      if (!FORBIDDEN_HEADERS.has(name.toLowerCase())) request.setRequestHeader(name, value);
    }
    request.upload.addEventListener("progress", ({ loaded, total }) => (bar.value = total ? loaded / total : 0));
    request.addEventListener("load", () => (request.status < 300 ? resolve() : reject(refusal(request))));
    request.addEventListener("error", () => reject(new ApiError(0, "The upload did not get through: the store does not answer, or does not take uploads from this page's origin.")));
    request.send(file);
  });
}

/** S3 says in XML why it refuses. */
function refusal(request) {
  const document = new DOMParser().parseFromString(request.responseText, "application/xml");
  const said = ["Code", "Message"].map((name) => document.querySelector(name)?.textContent).filter(Boolean);
  return new ApiError(request.status, `The store refused the upload (${request.status}): ${said.join(": ") || "no reason given"}`);
}
