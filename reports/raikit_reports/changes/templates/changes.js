// The page reads without this script. It remembers the theme, and builds, sorts, filters and saves the table of all metrics.
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const kept = "raikit-report-theme";
  try {
    const radio = byId("theme-" + localStorage.getItem(kept));
    if (radio) radio.checked = true;
  } catch {}
  document.querySelector(".theme").addEventListener("change", (event) => {
    try { localStorage.setItem(kept, event.target.value); } catch {}
  });

  // A link into a fold opens it.
  const unfold = () => {
    const target = byId(decodeURIComponent(location.hash.slice(1)));
    const fold = target && (target.localName === "details" ? target : target.querySelector("details.all"));
    if (fold) fold.open = true;
  };
  addEventListener("hashchange", unfold);

  const place = byId("table");
  if (!place) return;
  const STEP = 100;
  const make = (name, text, parent) => {
    const node = document.createElement(name);
    if (text !== undefined) node.textContent = text;
    if (parent) parent.append(node);
    return node;
  };

  const build = () => {
    const data = JSON.parse(byId("numbers").textContent);
    const numeric = new Set(data.numeric);
    let rows = data.rows;
    let column = -1;
    let down = false;
    let shown = STEP;

    const tools = make("div", undefined, place);
    tools.className = "c-tools";
    const label = make("label", "Filter", tools);
    const field = make("input", undefined, label);
    field.type = "search";
    const save = make("button", "Save as CSV", tools);
    save.type = "button";
    const status = make("span", "", tools);
    status.setAttribute("role", "status");

    const scroll = make("div", undefined, place);
    scroll.className = "scroll";
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "Table of all compared metrics");
    const table = make("table", undefined, scroll);
    const head = make("tr", undefined, make("thead", undefined, table));
    const body = make("tbody", undefined, table);
    const more = make("button", "Show more", place);
    more.type = "button";
    more.className = "c-more-rows";

    const draw = () => {
      body.replaceChildren();
      for (const row of rows.slice(0, shown)) {
        const line = make("tr", undefined, body);
        row.t.forEach((text, index) => {
          const cell = make("td", text, line);
          if (numeric.has(index)) cell.className = "r";
        });
      }
      more.hidden = rows.length <= shown;
      status.textContent = `${rows.length} of ${data.rows.length} metrics`;
    };
    const arrange = () => {
      const parts = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      rows = data.rows.filter((row) => {
        const text = row.t.join(" ").toLowerCase();
        return parts.every((part) => text.includes(part));
      });
      if (column >= 0) {
        const way = down ? -1 : 1;
        rows.sort((one, other) => {
          const [a, b] = numeric.has(column) ? [one.k[column], other.k[column]] : [one.t[column], other.t[column]];
          if (a === null || b === null) return (a === null) - (b === null);
          return way * (typeof a === "number" ? a - b : a.localeCompare(b));
        });
      }
      shown = STEP;
      draw();
    };
    data.heads.forEach((name, index) => {
      const cell = make("th", undefined, head);
      cell.scope = "col";
      if (numeric.has(index)) cell.className = "r";
      const button = make("button", name, cell);
      button.type = "button";
      button.addEventListener("click", () => {
        down = column === index ? !down : numeric.has(index);
        column = index;
        for (const other of head.children) other.removeAttribute("aria-sort");
        cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        arrange();
      });
    });
    field.addEventListener("input", arrange);
    more.addEventListener("click", () => { shown += STEP; draw(); });

    // A spreadsheet would run a text that begins like a formula.
    const cell = (value) => {
      if (value === null) return "";
      if (typeof value !== "string") return String(value);
      const safe = /^[=+\-@\t\r]/.test(value) ? "'" + value : value;
      return /[",\n\r]/.test(safe) ? '"' + safe.replaceAll('"', '""') + '"' : safe;
    };
    save.addEventListener("click", () => {
      const lines = [data.csv, ...rows.map((row) => row.c)].map((values) => values.map(cell).join(","));
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
      link.download = "changes.csv";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    draw();
  };
  const fold = document.querySelector("details.all");
  fold.addEventListener("toggle", () => { if (fold.open && !place.children.length) build(); });
  if (location.hash) unfold();
})();
