// What the page does besides showing: it follows what comes, copies commands, and tells times of here. All of it works without.
"use strict";

const state = document.getElementById("live");
const parts = ["groups", "captures", "callers"];

function say(text, how) {
  state.hidden = false;
  state.textContent = text;
  state.className = "live " + how;
}

// localTimes puts the local time beside each time in UTC.
function localTimes(root) {
  for (const t of root.querySelectorAll("time[datetime]")) {
    t.title = new Date(t.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
  }
}

// refresh fetches this page again and takes over the parts that change, so that there is one place that makes them: the server.
async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
  if (!answer.ok) throw new Error("status " + answer.status);
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  const focused = document.activeElement;
  const href = focused && focused.getAttribute("href");
  for (const id of parts) {
    const old = document.getElementById(id), now = next.getElementById(id);
    if (!old || !now) continue;
    for (const row of now.querySelectorAll("tr[id]")) {
      if (!document.getElementById(row.id)) row.classList.add("new");
    }
    const held = old.contains(focused);
    old.replaceChildren(...now.childNodes);
    localTimes(old);
    if (held && href) {
      const again = [...old.querySelectorAll("a[href]")].find((a) => a.getAttribute("href") === href);
      if (again) again.focus({ preventScroll: true });
    }
  }
}

// follow listens while the page is seen. Many events at once make one refresh a second.
function follow(address) {
  let events = null, due = null, busy = false, again = false;
  async function update() {
    due = null;
    if (busy) { again = true; return; }
    busy = true;
    try {
      await refresh();
      say("Live", "on");
    } catch {
      say("Not live", "off");
    }
    busy = false;
    if (again) { again = false; soon(); }
  }
  function soon() {
    if (due === null) due = setTimeout(update, 1000);
  }
  let lost = false;
  function open() {
    events = new EventSource(address);
    events.onopen = () => {
      say("Live", "on");
      if (lost) soon(); // something may have come meanwhile
      lost = false;
    };
    events.onerror = () => {
      lost = true;
      say(events.readyState === EventSource.CLOSED ? "Not live" : "Connecting", "off");
    };
    events.addEventListener("capture", () => { if (due === null) due = setTimeout(update, 150); });
    events.addEventListener("index", soon);
  }
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      if (events) events.close();
      events = null;
      lost = true;
    } else if (!events) {
      open();
    }
  });
  addEventListener("pagehide", () => { if (events) events.close(); events = null; lost = true; });
  addEventListener("pageshow", () => { if (!events && !document.hidden) open(); });
  if (!document.hidden) open();
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select it by hand";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}

localTimes(document);
const live = document.querySelector("[data-live]");
if (live) follow(live.dataset.live);
