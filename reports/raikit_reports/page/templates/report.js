
// The page reads without this script. It remembers the theme, marks the section in view, unfolds what is asked for, builds tables
// when they are opened, and draws figures: those in folds when they are opened, others again with tooltips.
(() => {
  "use strict";
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  const make = (name, text, kind) => {
    const node = document.createElement(name);
    if (text !== undefined && text !== null) node.textContent = text;
    if (kind) node.className = kind;
    return node;
  };
  const parsed = new Map();
  const data = (id) => {
    if (!parsed.has(id)) parsed.set(id, JSON.parse(byId(id).textContent));
    return parsed.get(id);
  };

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
  all("main > section[id]").forEach((section) => watch.observe(section));
  nav.addEventListener("click", (event) => {
    if (event.target.closest("a") && nav.matches(":popover-open")) nav.hidePopover();
  });

  // Folded parts open for a link that leads into them.
  const unfold = () => {
    let node = byId(decodeURIComponent(location.hash.slice(1)));
    const target = node;
    for (; node; node = node.parentElement) if (node.localName === "details") node.open = true;
    if (target && target.closest("details")) target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  if (location.hash) unfold();

  // Tables: rows are made when a fold is opened, 50 at a time; a column sorts, a field filters, a button saves.
  const PAGE = 50;
  const compare = (one, other) => {
    if (one === other) return 0;
    if (one === null || one === undefined) return 1;
    if (other === null || other === undefined) return -1;
    return typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other), "en", { numeric: true });
  };
  const quoted = (value) => {
    let text = value === null || value === undefined ? "" : String(value);
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = "'" + text; // a spreadsheet would run it
    return /[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  };
  const save = (name, heads, rows) => {
    const lines = [heads, ...rows].map((row) => row.map(quoted).join(","));
    const link = make("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff" + lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
    link.download = name.replace(/[^\w.-]+/g, "-") + ".csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  const plain = (value) => Array.isArray(value) ? value.join(" ") : value === null || value === undefined ? "" : String(value);

  // A table of columns {head, right, value(row), text(row), code}; `search(row)` is what the filter looks through.
  const build = (fold, label, columns, rows, search, heads, cells) => {
    const box = make("div", null, "box"), table = make("table"), body = make("tbody"), head = make("tr"), tools = make("div", null, "tools");
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", label);
    const field = make("input"), more = make("button", null, "nx"), csv = make("button", "Save as CSV", "nx"), count = make("span", null, "quiet");
    let by = null, up = true, shown = PAGE, texts = null, found = rows;
    field.type = "search";
    field.placeholder = "Filter by words";
    field.setAttribute("aria-label", "Filter: " + label);
    count.setAttribute("role", "status");
    more.type = csv.type = "button";
    const draw = () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      if (words.length) texts ??= rows.map((row) => search(row).toLowerCase());
      found = words.length ? rows.filter((_, place) => words.every((word) => texts[place].includes(word))) : rows;
      if (by) found = found.toSorted((one, other) => compare(by.value(one), by.value(other)) * (up ? 1 : -1));
      body.replaceChildren(...found.slice(0, shown).map((row) => {
        const line = make("tr");
        columns.forEach((column, place) => {
          const value = column.text(row), heads = !place && plain(value).trim() !== ""; // a row without a name has no head
          const cell = make(heads ? "th" : "td", null, column.right ? "r" : "");
          if (heads) cell.scope = "row";
          if (column.code) cell.append(make("code", value));
          else if (Array.isArray(value)) cell.append(value[0], make("small", value[1]));
          else cell.textContent = value;
          line.append(cell);
        });
        return line;
      }));
      more.hidden = found.length <= shown;
      more.textContent = `Show ${Math.min(PAGE, found.length - shown)} more of ${(found.length - shown).toLocaleString("en")}`;
      count.textContent = `${found.length.toLocaleString("en")} ${found.length === 1 ? "row" : "rows"}`;
      for (const cell of head.children) cell.removeAttribute("aria-sort");
      if (by) head.children[columns.indexOf(by)].setAttribute("aria-sort", up ? "ascending" : "descending");
    };
    for (const column of columns) {
      const cell = make("th", null, column.right ? "r" : ""), button = make("button", column.head, "sort");
      cell.scope = "col";
      button.type = "button";
      button.addEventListener("click", () => { up = by === column ? !up : true; by = column; draw(); });
      cell.append(button);
      head.append(cell);
    }
    field.addEventListener("input", () => { shown = PAGE; draw(); });
    more.addEventListener("click", () => { shown += PAGE; draw(); });
    csv.addEventListener("click", () => save(label, heads, found.map(cells)));
    if (rows.length > 8) tools.append(field);
    tools.append(csv, count);
    const top = make("thead");
    top.append(head);
    table.append(top, body);
    box.append(table);
    fold.append(tools, box, more);
    draw();
  };

  const once = (fold, fill) => fold.addEventListener("toggle", () => {
    if (!fold.open || fold.dataset.made) return;
    fold.dataset.made = "yes";
    fill();
  });

  for (const fold of all("details[data-section]")) once(fold, () => {
    const { texts, formats, rows, name } = data("numbers");
    const number = (row, value) => {
      const [decimals, scale] = formats[row[6]];
      return value === null ? "" : (value * scale).toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals }).replace("-", "\u2212");
    };
    const address = (row) => texts[row[8]] + texts[row[9]];
    const column = (head, place, right, text) => ({ head, right, value: (row) => row[place], text });
    const word = (head, place) => ({ head, value: (row) => texts[row[place]], text: (row) => texts[row[place]] });
    const columns = [
      word("Measure", 0), word("Group", 1),
      column("Value", 2, true, (row) => row[2] === null ? "undefined" : number(row, row[2]) + formats[row[6]][2]),
      column("CI, low", 3, true, (row) => number(row, row[3])), column("high", 4, true, (row) => number(row, row[4])),
      column("n", 5, true, (row) => row[5] === null ? "" : row[5].toLocaleString("en")), word("Method and notes", 7),
      { head: "Address", code: true, value: address, text: address },
    ];
    const cells = (row) => [texts[row[0]], texts[row[1]], row[2], row[3], row[4], row[5], formats[row[6]][2].trim(), texts[row[7]], address(row)];
    const search = (row) => [texts[row[0]], texts[row[1]], address(row)].join(" ");
    const heads = ["measure", "group", "value", "low", "high", "n", "unit", "notes", "address"];
    build(fold, `${name} ${fold.dataset.section}`, columns, rows[fold.dataset.section], search, heads, cells);
  });

  const asTable = (fold, label, heads, right, rows, text, more) => {
    const columns = heads.map((head, place) => ({ head, right: right[place], value: (row) => Array.isArray(row[place]) ? row[place][0] : row[place], text: (row) => text(row[place]) }));
    build(fold, label, columns, rows, (row) => row.map(plain).join(" "), heads, (row) => row.map(plain));
    if (more) fold.append(make("p", `${more.toLocaleString("en")} more rows are in audit.json.`, "quiet"));
  };
  for (const fold of all("details[data-table]")) once(fold, () => {
    const table = data("tables")[fold.dataset.table];
    asTable(fold, fold.querySelector("summary").textContent, table.heads, table.right, table.rows, (cell) => cell, table.more);
  });
  const figure = (id) => {
    const { names, columns, many, spec } = data("specs").figures[id] ?? { names: [], columns: [], many: 0 };
    const whole = columns.map((column) => Array.isArray(column) ? column : column.places.map((place) => column.texts[place]));
    return { names, spec, rows: Array.from({ length: many }, (_, row) => whole.map((column) => column[row])) };
  };
  const rounded = (value) => typeof value === "number" ? value.toLocaleString("en", { maximumSignificantDigits: 4 }) : plain(value);
  for (const fold of all("details[data-figure]")) once(fold, () => {
    const { names, rows } = figure(fold.dataset.figure);
    const right = names.map((_, place) => rows.every((row) => row[place] === null || typeof row[place] === "number"));
    asTable(fold, fold.closest("figure").querySelector("b").textContent, names.map((name) => name.replaceAll("_", " ")), right, rows, rounded, 0);
  });

  // A group pointed at, or chosen in a list by keyboard, stands out in all figures of its section.
  const parts = (node) => node.dataset.group.split(" \u00d7 ");
  for (const section of all("section.pil, .foreign")) {
    const marked = all("[data-group]", section), figures = new Set(marked.map((node) => node.closest("figure")));
    if (figures.size < 2) continue;
    const show = (name) => {
      for (const node of marked) node.classList.toggle("dim", Boolean(name) && !parts(node).some((part) => part === name) && node.dataset.group !== name);
    };
    const names = [...new Set(marked.flatMap(parts))];
    const field = make("label", "Mark a group "), select = make("select");
    for (const name of ["", ...names]) {
      const option = make("option", name || "none");
      option.value = name;
      select.append(option);
    }
    field.className = "mark";
    field.append(select);
    section.querySelector(".folds").append(field);
    select.addEventListener("input", () => show(select.value));
    for (const node of marked) {
      node.addEventListener("pointerenter", () => show(parts(node)[0]));
      node.addEventListener("pointerleave", () => show(select.value));
    }
  }

  // Another threshold, other costs, another reference group: all rates stand in the data of the figures; only differences and
  // costs are computed.
  const svg = (name, attributes) => {
    const node = document.createElementNS(document.querySelector("svg").namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  const percent = (value) => value === null || value === undefined ? "" : (100 * value).toFixed(1);
  const points = (value) => (value < 0 ? "\u2212" : "+") + Math.abs(100 * value).toFixed(1);
  const bar = (row, base) => {
    const box = svg("svg", { viewBox: "0 0 400 20", class: "draw", "aria-hidden": "true" });
    box.append(svg("path", { class: "axis", d: "M0 10H400" }));
    if (base) box.append(svg("path", { class: "ref", d: `M${400 * base.value} 1V19` }));
    if (row.low !== null) box.append(svg("path", { class: "ci", d: `M${400 * row.low} 10H${400 * row.high}` }));
    box.append(svg("circle", { class: "mk", cx: 400 * row.value, cy: 10, r: 4.5 }));
    return box;
  };
  const chooser = (label, options) => {
    const field = make("label", label + " "), select = make("select");
    options.forEach(([value, text]) => { const option = make("option", text); option.value = value; select.append(option); });
    field.append(select);
    return [field, select];
  };
  const price = (label) => {
    const field = make("label", label + " "), input = make("input");
    input.type = "number";
    input.min = 0;
    input.step = "any";
    input.value = 1;
    field.append(input);
    return [field, input];
  };
  const nearest = (values, wanted) => values.reduce((best, value, place) => Math.abs(value - wanted) < Math.abs(values[best] - wanted) ? place : best, 0);
  for (const fold of all("details.explore")) once(fold, () => {
    const ids = fold.dataset.figures.split(" ").filter((id) => byId(id));
    const [over, column] = chooser("Groups", ids.map((id) => [id, byId(id).querySelector("b").textContent]));
    const [what, measure] = chooser("Measure", []);
    const [whom, reference] = chooser("Reference group", []);
    const [ofMiss, miss] = price("Cost of a miss"), [ofAlarm, alarm] = price("Cost of a false alarm");
    const slide = make("input"), field = make("label", "Threshold "), said = make("p", null, "said"), table = make("table"), body = make("tbody");
    slide.type = "range";
    slide.min = 0;
    said.setAttribute("role", "status");
    field.append(slide);
    let rows = [], steps = [];
    const amount = (input) => Math.max(Number(input.value) || 0, 0);
    // What errors at a threshold cost in 100 cases of a group: misses among its positive cases, false alarms among the others.
    const costs = (step, group) => {
      const at = (name) => rows.find((row) => row.threshold === step && row.group === group && row.measure === name);
      const found = at("true positive rate"), invented = at("false positive rate"), share = (found ?? invented)?.positive;
      if (share === undefined || share === null) return null;
      if ((!found && share > 0) || (!invented && share < 1)) return null;
      return 100 * (amount(miss) * share * (1 - (found?.value ?? 1)) + amount(alarm) * (1 - share) * (invented?.value ?? 0));
    };
    const rounded1 = (value) => value.toLocaleString("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
    const fill = (select, texts) => {
      const before = select.value;
      select.replaceChildren(...texts.map((text) => { const option = make("option", text); option.value = text; return option; }));
      if (texts.includes(before)) select.value = before;
    };
    const load = () => {
      const { names, rows: found } = figure(column.value);
      rows = found.map((row) => Object.fromEntries(row.map((value, place) => [names[place], value])));
      steps = [...new Map(rows.map((row) => [row.selected ?? row.threshold, row])).values()].map((row) => row.threshold).toSorted((one, other) => one - other);
      const first = measure.options.length === 0;
      fill(measure, [...new Set(rows.map((row) => row.measure))]);
      if (first && rows.some((row) => row.measure === "true positive rate")) measure.value = "true positive rate";
      const single = rows.filter((row) => row.side === rows[0].side);
      fill(reference, [...new Set(single.map((row) => row.group))]);
      slide.max = steps.length - 1;
      slide.value = nearest(steps, fold.dataset.now ? Number(fold.dataset.now) : 0.5);
      draw();
    };
    const draw = () => {
      const step = steps[slide.value];
      const here = rows.filter((row) => row.threshold === step && row.measure === measure.value);
      const groups = here.filter((row) => row.side === rows[0].side).toSorted((one, other) => other.value - one.value);
      const gap = here.find((row) => row.side !== rows[0].side);
      const base = groups.find((row) => row.group === reference.value);
      const priced = new Map(groups.map((row) => [row.group, costs(step, row.group)]));
      const known = [...priced].filter(([, cost]) => cost !== null).toSorted(([, one], [, other]) => one - other);
      body.replaceChildren(...groups.map((row) => {
        const line = make("tr"), head = make("th", row.group), drawn = make("td", null, "at");
        head.scope = "row";
        drawn.append(bar(row, base));
        const interval = row.low === null ? "" : `${percent(row.low)} to ${percent(row.high)}`;
        line.append(head, drawn, make("td", percent(row.value) + "%", "r"), make("td", interval, "r"), make("td", base ? points(row.value - base.value) + " pp" : "", "r"));
        if (priceable) line.append(make("td", priced.get(row.group) === null ? "" : rounded1(priced.get(row.group)), "r"));
        return line;
      }));
      const selected = here[0]?.selected === undefined ? "" : `, ${percent(here[0].selected)}% of all decided positive`;
      const now = fold.dataset.now && Number(slide.value) === nearest(steps, Number(fold.dataset.now)) ? ", as decided now" : "";
      const spread = gap ? ` Largest gap in ${measure.value}: ${percent(gap.value)} pp` + (gap.low === null ? "." : `, CI ${percent(gap.low)} to ${percent(gap.high)}.`) : "";
      const [least, most] = [known[0], known.at(-1)];
      const dear = known.length < 2 ? "" : ` Errors cost ${rounded1(most[1])} in 100 ${fold.dataset.unit} of ${most[0]}, ${rounded1(least[1])} of ${least[0]}.`;
      said.textContent = `Threshold ${Number(step.toPrecision(3))}${selected}${now}.${spread}${dear}`;
      slide.setAttribute("aria-valuetext", `${Number(step.toPrecision(3))}${selected}${now}`);
    };
    const head = make("thead"), top = make("tr");
    const priceable = ids.some((id) => figure(id).names.includes("positive"));
    for (const text of ["Group", "From 0 to 100%", "Rate", "CI", "From reference", ...(priceable ? [`Cost in 100 ${fold.dataset.unit}`] : [])]) {
      const cell = make("th", text, /^(Group|From 0)/.test(text) ? "" : "r");
      cell.scope = "col";
      top.append(cell);
    }
    head.append(top);
    table.append(head, body);
    const box = make("div", null, "box"), tools = make("div", null, "tools");
    tools.append(over, what, whom, field, ...(priceable ? [ofMiss, ofAlarm] : []));
    box.append(table);
    fold.append(tools, said, box, make("p", "Measured on the cases of this audit, so a threshold chosen here looks better than it is.", "quiet"));
    column.addEventListener("change", load);
    for (const node of [measure, reference, slide, miss, alarm]) node.addEventListener("input", draw);
    load();
  });

  // Figures: what stands in the page is replaced when, and only when, the new drawing is complete.
  const source = byId("vega");
  if (!source) return;
  const tip = make("div");
  tip.id = "tip";
  tip.hidden = true;
  document.body.append(tip);
  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

  const show = (handler, event, item, value) => {
    tip.hidden = value === null || value === undefined || value === "";
    if (tip.hidden) return;
    tip.replaceChildren();
    if (typeof value === "object") {
      const list = make("dl");
      for (const [name, text] of Object.entries(value)) list.append(make("dt", name), make("dd", typeof text === "object" ? JSON.stringify(text) : String(text)));
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

  let ready = null;
  const unpack = async () => {
    const packed = Uint8Array.from(atob(source.textContent), (letter) => letter.charCodeAt(0));
    const script = make("script");
    window.vegaLogger = silent;
    script.textContent = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
    document.head.append(script); // its hash stands in the policy of this page
    return window.vegaEmbed;
  };
  const runtime = () => ready ??= unpack();

  const enliven = async (chart) => {
    const entry = figure(chart.closest("figure").id);
    if (!entry.spec) { chart.dataset.live = "no"; return; }
    const values = entry.rows.map((row) => Object.fromEntries(row.map((value, place) => [entry.names[place], value])));
    const spec = { config: data("specs").config, ...structuredClone(entry.spec), data: { name: "table", values } };
    const box = make("div");
    try {
      const embed = await runtime();
      await embed(box, spec, {
        mode: "vega-lite", renderer: "svg", ast: true, actions: false, defaultStyle: false, hover: false,
        tooltip: show, loader, logger: silent, logLevel: 0,
      });
      const drawn = box.querySelector("svg");
      if (!drawn || !drawn.querySelector("path, line, rect, text")) { chart.dataset.live = "no"; return; }
      drawn.setAttribute("aria-hidden", "true");
      chart.replaceChildren(box);
      chart.addEventListener("mouseleave", () => { tip.hidden = true; });
      chart.dataset.live = "yes";
    } catch {
      chart.dataset.live = "no"; // what stands there stays
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
