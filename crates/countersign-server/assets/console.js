// Copying, where the browser can: without this the text is there to be selected.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}

// A part of the page that could not be renewed stays as it was, and that is said.
const stale = (is) => document.getElementById("stale")?.toggleAttribute("hidden", !is);
document.addEventListener("htmx:error", () => stale(true));
document.addEventListener("htmx:after:request", (event) => {
  stale(event.detail.ctx.response.status >= 400);
  // What is searched for stands in the address, so that it can be reloaded and kept.
  const form = event.target.closest?.("form.filter");
  if (form) history.replaceState(null, "", `?${new URLSearchParams(new FormData(form))}`);
});
