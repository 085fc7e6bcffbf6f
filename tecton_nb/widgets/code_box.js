async function write(text, code) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  // Without a secure address there is only the selection.
  getSelection().selectAllChildren(code);
  if (!document.execCommand("copy")) throw new Error("refused");
}

function render({ model, el }) {
  el.classList.add("tnb-code");
  const code = document.createElement("pre");
  code.tabIndex = 0;
  code.setAttribute("role", "region");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "jupyter-button widget-button tnb-copy";
  button.textContent = "Copy";
  const said = document.createElement("span");
  said.setAttribute("role", "status");
  const show = () => {
    code.textContent = model.get("text");
    code.setAttribute("aria-label", model.get("label"));
    button.setAttribute("aria-label", `Copy ${model.get("label")}`);
    said.textContent = "";
  };
  button.addEventListener("click", async () => {
    try {
      await write(model.get("text"), code);
      said.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(code);
      said.textContent = "Selected; copy it with the keyboard.";
    }
  });
  model.on("change:text", show);
  model.on("change:label", show);
  show();
  el.append(button, said, code);
  return () => { model.off("change:text", show); model.off("change:label", show); };
}

export default { render };
