// Dark or light: what the reader chose last, else dark.

const KEPT = "cxrshift-theme";

/** Apply the kept theme, and let `button` change it. */
export function settleTheme(button) {
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.setAttribute("aria-pressed", String(theme === "light"));
  };
  apply(localStorage.getItem(KEPT) === "light" ? "light" : "dark");
  button.addEventListener("click", () => {
    const theme = document.documentElement.dataset.theme === "light" ? "dark" : "light";
    localStorage.setItem(KEPT, theme);
    apply(theme);
  });
}
