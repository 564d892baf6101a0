
// The page reads without this script. It remembers the theme, marks the section in view, unfolds what is asked for,
// filters long tables, and puts tooltips on the figures.
(() => {
  "use strict";
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);

  // Theme: a file on a disk may have no storage, then the choice lasts as long as the page.
  const kept = "raikit-report-theme";
  try {
    const radio = byId("theme-" + localStorage.getItem(kept));
    if (radio) radio.checked = true;
  } catch {}
  document.querySelector(".theme").addEventListener("change", (event) => {
    try { localStorage.setItem(kept, event.target.value); } catch {}
  });

  // Contents
  const nav = byId("contents");
  const links = all("li a", nav);
  const mark = (id) => {
    for (const link of links) {
      if (link.hash === "#" + id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };
  const watch = new IntersectionObserver((seen) => {
    for (const entry of seen) if (entry.isIntersecting) mark(entry.target.id);
  }, { rootMargin: "-10% 0px -80%" });
  all("main section[id]").forEach((section) => watch.observe(section));
  nav.addEventListener("click", (event) => {
    if (event.target.closest("a") && nav.matches(":popover-open")) nav.hidePopover();
  });

  // Folded parts open for a link that leads into them, and for paper.
  const unfold = () => {
    let node = byId(decodeURIComponent(location.hash.slice(1)));
    const target = node;
    for (; node; node = node.parentElement) if (node.localName === "details") node.open = true;
    if (target && target.closest("details")) target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  if (location.hash) unfold();
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])");
    closed.forEach((part) => { part.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((part) => { part.open = false; }));

  // Long tables
  for (const field of all(".filter input")) {
    const rows = all("tbody tr", field.closest("details"));
    field.addEventListener("input", () => {
      const parts = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !parts.every((part) => text.includes(part));
      }
    });
  }

  // Figures: the drawing that stands in the page is replaced when, and only when, the interactive one is complete.
  const source = byId("vega");
  if (!source) return;
  const specs = JSON.parse(byId("specs").textContent);
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  document.body.append(tip);
  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

  const show = (handler, event, item, value) => {
    tip.hidden = value === null || value === undefined || value === "";
    if (tip.hidden) return;
    tip.replaceChildren();
    if (typeof value === "object") {
      const list = document.createElement("dl");
      for (const [name, text] of Object.entries(value)) {
        const term = document.createElement("dt");
        const data = document.createElement("dd");
        term.textContent = name;
        data.textContent = typeof text === "object" ? JSON.stringify(text) : String(text);
        list.append(term, data);
      }
      tip.append(list);
    } else tip.textContent = String(value);
    const box = tip.getBoundingClientRect();
    const room = document.documentElement;
    tip.style.left = Math.max(4, Math.min(event.clientX + 14, room.clientWidth - box.width - 4)) + "px";
    tip.style.top = Math.max(4, Math.min(event.clientY + 14, room.clientHeight - box.height - 4)) + "px";
  };

  const refuse = () => Promise.reject(new Error("a report loads nothing"));
  const loader = {
    load: refuse, http: refuse, file: refuse,
    sanitize: (uri) => String(uri).startsWith("data:image/") ? Promise.resolve({ href: uri }) : refuse(),
  };
  const silent = { level: () => silent, error: () => silent, warn: () => silent, info: () => silent, debug: () => silent };

  let ready = false;
  const runtime = () => {
    if (!ready) {
      const script = document.createElement("script");
      script.textContent = source.textContent; // its hash stands in the policy of this page
      document.head.append(script);
      ready = true;
    }
    return window.vegaEmbed;
  };

  const enliven = async (chart) => {
    const spec = specs[chart.closest("figure").id];
    if (!spec) return;
    const box = document.createElement("div");
    try {
      await runtime()(box, spec, {
        mode: "vega", renderer: "svg", ast: true, actions: false, defaultStyle: false, hover: false,
        tooltip: show, loader, logger: silent, logLevel: 0,
      });
      const drawn = box.querySelector("svg");
      if (!drawn || !drawn.querySelector("path, line, rect, text")) return;
      drawn.setAttribute("aria-hidden", "true");
      chart.replaceChildren(box);
      chart.addEventListener("mouseleave", () => { tip.hidden = true; });
      chart.dataset.live = "yes";
    } catch {
      chart.dataset.live = "no"; // the drawing stays
    }
  };
  const near = new IntersectionObserver((seen) => {
    for (const entry of seen) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      (window.requestIdleCallback ?? setTimeout)(() => enliven(entry.target));
    }
  }, { rootMargin: "200px" });
  all(".chart").forEach((chart) => near.observe(chart));
})();
