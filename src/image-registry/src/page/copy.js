// A button that copies, beside each command. Without scripts, or where the browser does not let pages copy, the field alone is there.
if (navigator.clipboard) {
  for (const input of document.querySelectorAll(".command input")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy: ${input.value}`);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(input.value);
        button.textContent = "Copied";
      } catch {
        input.select();
        button.textContent = "Press Ctrl+C";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    input.after(button);
  }
}
for (const input of document.querySelectorAll(".command input")) {
  input.addEventListener("focus", () => input.select());
}
