// Charts tell their numbers by <title>, which browsers show late and small; this shows them at once.
(() => {
  const tip = document.body.appendChild(document.createElement("div"));
  tip.id = "tip";
  tip.hidden = true;
  for (const title of document.querySelectorAll("svg.chart title")) {
    title.parentNode.dataset.tip = title.textContent;
    title.remove();
  }
  const hide = () => { tip.hidden = true; };
  document.addEventListener("pointermove", (event) => {
    const told = event.target.dataset?.tip;
    if (!told) return hide();
    tip.textContent = told;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = Math.min(Math.max(event.clientX + 14, 4), innerWidth - box.width - 4);
    const above = event.clientY - box.height - 14;
    tip.style.transform = `translate(${left}px, ${above > 4 ? above : event.clientY + 20}px)`;
  });
  document.addEventListener("pointerleave", hide);
  addEventListener("scroll", hide, { passive: true });
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
})();
