// JupyterLab takes arrow keys and letters from lists and check boxes: plain keys end at the panel's edge.
const modified = (event) => event.ctrlKey || event.metaKey || event.altKey;

function keep(event) {
  const isOutermost = !event.currentTarget.parentElement?.closest(".tnb-panel");
  if (isOutermost && !modified(event) && !(event.shiftKey && event.key === "Enter")) event.stopPropagation();
}

// Seen on the way down, because text inputs let no key out.
function enter(event) {
  const typed = event.target instanceof HTMLInputElement && event.target.type === "text";
  if (event.key === "Enter" && !event.shiftKey && !modified(event) && typed && event.target.closest(".tnb-enter")) {
    const button = event.currentTarget.querySelector(".tnb-fetch");
    // After the change that Enter itself reports.
    setTimeout(() => button?.click(), 0);
  }
}

// The kernel may take in a click before the edit that came first: they travel by different ways. So a click on
// a button that sends what is entered waits until the kernel has heard every edit, for a second and a half at most.
const PATIENCE_MS = 1500;

function orderly(root, model) {
  let wanted = 0;
  let isLate = false;
  const isCounted = (input) => input.matches("input, select") && input.closest(".tnb-heard");
  const changed = (event) => {
    if (isCounted(event.target)) wanted = Math.max(wanted, model.get("heard")) + 1;
  };
  // An input is left with the click on a button, not with the press before: what is said of its text below it would
  // move the button away from under the pointer, and the click would be lost.
  const pressed = (event) => {
    const isTyping = root.contains(document.activeElement) && document.activeElement.matches("input, textarea");
    if (isTyping && event.button === 0 && event.target.closest?.("button")) event.preventDefault();
  };
  const clicked = (event) => {
    // Enter clicks too, and leaves the focus where it is.
    if (event.isTrusted) event.target.closest?.("button")?.focus();
    const button = event.target.closest?.(".tnb-sends");
    if (!button || isLate || model.get("heard") >= wanted) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    const go = () => {
      clearTimeout(timer);
      model.off("change:heard", heard);
      wanted = 0;
      isLate = true;
      button.click();
      isLate = false;
    };
    const heard = () => { if (model.get("heard") >= wanted) go(); };
    const timer = setTimeout(go, PATIENCE_MS);
    model.on("change:heard", heard);
  };
  const listeners = [["change", changed], ["mousedown", pressed], ["click", clicked]];
  for (const [kind, listener] of listeners) root.addEventListener(kind, listener, true);
  return () => { for (const [kind, listener] of listeners) root.removeEventListener(kind, listener, true); };
}

// What ipywidgets has no trait for: roles of the places that change by themselves, and names of look-alike boxes.
function describe(root) {
  for (const [name, role] of [["tnb-status", "status"], ["tnb-alert", "alert"]]) {
    for (const place of root.querySelectorAll(`.${name}`)) if (!place.hasAttribute("role")) place.setAttribute("role", role);
  }
  for (const picture of root.querySelectorAll("img.widget-image")) {
    // The sentence that stands above it.
    picture.alt = picture.closest(".tnb-panel").querySelector(".tnb-status")?.textContent ?? "";
  }
  for (const table of root.querySelectorAll(".tnb-scroll")) {
    if (table.hasAttribute("tabindex")) continue;
    table.setAttribute("tabindex", "0");
    table.setAttribute("role", "region");
    table.setAttribute("aria-label", table.querySelector("caption")?.textContent ?? "table");
  }
  for (const box of root.querySelectorAll(".tnb-null")) {
    const input = box.querySelector("input");
    const named = box.querySelector("[title]") || box;
    if (input && named.title && input.getAttribute("aria-label") !== named.title) input.setAttribute("aria-label", named.title);
  }
  for (const field of root.querySelectorAll(".tnb-field")) {
    const wrong = field.classList.contains("tnb-wrong") ? "true" : "false";
    for (const input of field.querySelectorAll(".tnb-control input, .tnb-control textarea")) {
      if (input.getAttribute("aria-invalid") !== wrong) input.setAttribute("aria-invalid", wrong);
    }
  }
}

function attach(el, model) {
  const root = el.closest(".tnb-panel");
  if (!root) return null;
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", model.get("label"));
  root.addEventListener("keydown", keep);
  root.addEventListener("keydown", enter, true);
  const observer = new MutationObserver(() => describe(root));
  observer.observe(root, { childList: true, subtree: true, attributes: true, attributeFilter: ["class", "title"] });
  describe(root);
  const release = orderly(root, model);
  return () => { release(); root.removeEventListener("keydown", keep); root.removeEventListener("keydown", enter, true); observer.disconnect(); };
}

function render({ model, el }) {
  let detach = null;
  let timer = null;
  // A view is made before it is put into its panel.
  const wait = () => { detach = attach(el, model); if (!detach) timer = setTimeout(wait, 30); };
  wait();
  return () => { clearTimeout(timer); detach?.(); };
}

export default { render };
