// Keys of the keyboard, and the table that tells of them.

import { element } from "./controls.js";

/** `shortcuts` are [keys, what they do, action]; without an action they are only told of. `dialog` shows them in its table. */
export function wireKeys(shortcuts, dialog) {
  const table = dialog.querySelector("table");
  for (const [keys, what] of shortcuts) {
    const row = table.insertRow();
    row.insertCell().append(element("kbd", {}, keys));
    row.insertCell().textContent = what;
  }
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input[type=number], select") || dialog.open || event.altKey) return;
    const found = shortcuts.find(([keys, , action]) => action && keys === nameOf(event));
    if (!found) return;
    event.preventDefault();
    found[2]();
  });
}

function nameOf(event) {
  const name = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  if (event.ctrlKey || event.metaKey) return name === "Z" && event.shiftKey ? "Ctrl+Y" : `Ctrl+${name}`;
  return { "=": "+", Escape: "Esc" }[name] ?? name;
}
