// Keeps the part of a page that changes up to date: <div data-live="URL" data-every="SECONDS">.
// The server renders that part; nothing is computed here, and the page works without this script.
"use strict";

for (const part of document.querySelectorAll("[data-live]")) {
  const pause = 1000 * Number(part.dataset.every || 10);
  let shown = null;

  const note = document.createElement("p");
  note.className = "quiet live-note";
  note.setAttribute("role", "status");
  part.after(note);

  const refresh = async () => {
    if (document.hidden) return; // a page that nobody looks at asks for nothing
    try {
      const answer = await fetch(part.dataset.live, { headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      const text = await answer.text();
      if (text !== shown) {
        const open = document.activeElement && part.contains(document.activeElement);
        if (!open) {
          part.innerHTML = text; // from our own server, rendered with everything escaped
          shown = text;
        }
      }
      part.dataset.updated = new Date().toISOString();
      note.textContent = "";
    } catch {
      note.textContent = "This page could not be brought up to date just now; trying again.";
    }
  };

  setInterval(refresh, pause);
  document.addEventListener("visibilitychange", refresh);
}
