// Puts the page together: the views behind the tabs, and the stream of events that all of them follow.

import { byId, notify, startDialog } from "./dom.js";
import { mailMayHaveCome, showMail, startMail } from "./mail.js";
import { startNotes } from "./notes.js";
import { invoked, missed, showPipeline, startPipeline } from "./pipeline.js";

const VIEWS = { notes: null, pipeline: showPipeline, mail: showMail };
const LIVE_TEXT = { connecting: "Connecting", live: "Live", lost: "Host not reachable" };

function showView() {
  const asked = location.hash.slice(1);
  const current = Object.hasOwn(VIEWS, asked) ? asked : "notes";
  for (const [name, show] of Object.entries(VIEWS)) {
    byId(`view-${name}`).hidden = name !== current;
    show?.(name === current);
  }
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.dataset.view === current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function follow() {
  const stream = new EventSource("/_local/events");
  stream.addEventListener("open", () => showLive("live"));
  // The browser connects again by itself, unless the answer was no event stream at all.
  stream.addEventListener("error", () => {
    showLive("lost");
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 3_000);
  });
  stream.addEventListener("invocation", ({ data }) => {
    invoked(JSON.parse(data));
    mailMayHaveCome();
  });
  stream.addEventListener("missed", ({ data }) => missed(data));
}

function showLive(state) {
  byId("live").dataset.state = state;
  byId("live-text").textContent = LIVE_TEXT[state];
}

startDialog();
// What nothing else has reported is reported here.
addEventListener("unhandledrejection", ({ reason }) => notify(reason?.message ?? String(reason), "error"));
startNotes();
startPipeline();
startMail();
addEventListener("hashchange", showView);
showView();
follow();
