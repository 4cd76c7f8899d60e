// Menus: a button, and entries that unfold below it.

export function wireMenus() {
  document.addEventListener("click", (event) => {
    const opened = event.target.closest(".menu > button")?.parentElement;
    for (const menu of document.querySelectorAll(".menu")) unfold(menu, menu === opened && !menu.classList.contains("open"));
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector(".menu.open");
    if (!menu) return;
    event.stopImmediatePropagation(); // elsewhere the key cancels what is being answered
    unfold(menu, false);
    menu.firstElementChild.focus();
  });
}

function unfold(menu, open) {
  menu.classList.toggle("open", open);
  menu.firstElementChild.setAttribute("aria-expanded", open);
}
