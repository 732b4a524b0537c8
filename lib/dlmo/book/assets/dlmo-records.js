// The page of the records: all of them, filtered and sorted; one of them when its key is asked for.
// The address says which: #KEY is one record, #from-NAME are those behind a number of a page.
(function () {
  "use strict";

  const root = document.getElementById("dlmo-records");
  if (!root) return;
  const FOLDER = new URL("../_records/", window.location.href).href;
  const FILTERS = ["kind", "dataset", "network", "technique", "profile", "seed"];
  const HEADS = {
    key: "Key", kind: "Kind", dataset: "Dataset", network: "Network", technique: "Technique",
    profile: "Profile", seed: "Seed", what: "What", result: "Result", machine: "Machine", made: "Made (UTC)",
  };
  const SHOWN = ["key", "kind", "dataset", "network", "technique", "profile", "seed", "what", "result"];
  const PER_PAGE = 100;
  const state = { page: 0, sort: null, down: false, chosen: {}, words: "" };
  let all, rows, byKey;

  // Elements ------------------------------------------------------------------------------------

  const SVG = "http://www.w3.org/2000/svg";
  const DRAWN = new Set(["svg", "path", "line", "text", "g"]);

  function el(tag, attributes, ...children) {
    const made = DRAWN.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
    }
    made.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return made;
  }

  function load(name) {
    return new Promise(function (resolve, reject) {
      const script = el("script", { src: FOLDER + name, onload: resolve, onerror: reject });
      document.head.append(script);
    });
  }

  function download(name, content) {
    const url = URL.createObjectURL(new Blob([content], { type: "text/csv" }));
    el("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  // The list --------------------------------------------------------------------------------------

  function address() {
    return decodeURIComponent(window.location.hash.slice(1));
  }

  function inSet() {
    const places = all.sets[address()];
    return places ? places.map((place) => rows[place]) : rows;
  }

  function wanted() {
    const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    return inSet().filter(
      (row) =>
        FILTERS.every((name) => !state.chosen[name] || String(row[name]) === state.chosen[name]) &&
        words.every((word) => row.text.includes(word))
    );
  }

  function number(value) {
    const found = typeof value === "number" ? value : parseFloat(String(value).replace(/,/g, ""));
    return Number.isNaN(found) ? null : found;
  }

  function compare(one, other) {
    const [a, b] = [one[state.sort], other[state.sort]];
    if (state.sort === "seed" || state.sort === "result") {
      const [x, y] = [number(a), number(b)];
      if (x !== null && y !== null && x !== y) return x - y;
    }
    return String(a).localeCompare(String(b), "en");
  }

  function ordered(found) {
    if (!state.sort) return found;
    const sorted = [...found].sort(compare);
    return state.down ? sorted.reverse() : sorted;
  }

  function csv(found) {
    const cell = (value) => (/[",\n]/.test(value) ? '"' + String(value).replace(/"/g, '""') + '"' : value);
    const lines = found.map((row) => all.columns.map((name) => cell(row[name])).join(","));
    return [all.columns.join(","), ...lines].join("\n") + "\n";
  }

  function filter(name) {
    const values = [...new Set(rows.map((row) => String(row[name])))];
    values.sort((a, b) => (name === "seed" ? a - b : a.localeCompare(b, "en")));
    const options = ["", ...values].map((value) => el("option", { value }, value || "all"));
    const choose = (event) => {
      state.chosen[name] = event.target.value;
      refresh();
    };
    return el("label", {}, HEADS[name], el("select", { onchange: choose }, options));
  }

  function search() {
    const type = (event) => {
      state.words = event.target.value;
      refresh();
    };
    return el("label", {}, "Words or key", el("input", { type: "search", oninput: type }));
  }

  function refresh() {
    state.page = 0;
    drawRows();
  }

  function head(name) {
    const sorted = state.sort === name;
    const sort = () => {
      state.down = sorted && !state.down;
      state.sort = name;
      drawRows(name);
    };
    const arrow = sorted ? (state.down ? " ↓" : " ↑") : "";
    const order = sorted ? (state.down ? "descending" : "ascending") : null;
    const button = el("button", { type: "button", onclick: sort, "data-sort": name }, HEADS[name],
      el("span", { "aria-hidden": "true" }, arrow));
    return el("th", { scope: "col", "aria-sort": order }, button);
  }

  function line(row) {
    const cells = SHOWN.slice(1).map((name) => el("td", {}, String(row[name])));
    return el("tr", {}, el("th", { scope: "row" }, el("a", { href: "#" + row.key }, row.key.slice(0, 8))), cells);
  }

  function pager(count) {
    const last = Math.max(0, Math.ceil(count / PER_PAGE) - 1);
    if (!last) return null;
    const go = (step) => () => {
      state.page = Math.min(last, Math.max(0, state.page + step));
      drawRows();
    };
    const first = state.page * PER_PAGE;
    return el("p", { class: "dlmo-pager" },
      el("button", { type: "button", onclick: go(-1), disabled: state.page === 0 ? "" : null }, "Previous"),
      `${first + 1} to ${Math.min(count, first + PER_PAGE)}`,
      el("button", { type: "button", onclick: go(1), disabled: state.page === last ? "" : null }, "Next"));
  }

  function drawRows(focused) {
    const found = ordered(wanted());
    const part = found.slice(state.page * PER_PAGE, (state.page + 1) * PER_PAGE);
    root.querySelector(".dlmo-count").textContent =
      `${found.length} ${found.length === 1 ? "record" : "records"} of ${rows.length}`;
    root.querySelector(".dlmo-list").replaceChildren(
      el("table", { class: "table" },
        el("caption", {}, "Records; a heading sorts by its column."),
        el("thead", {}, el("tr", {}, SHOWN.map(head))),
        el("tbody", {}, part.map(line))),
    );
    root.querySelector(".dlmo-pages").replaceChildren(...[pager(found.length)].filter(Boolean));
    if (focused) root.querySelector(`[data-sort="${focused}"]`).focus();
    window.dispatchEvent(new Event("resize"));
  }

  function printed(names) {
    const link = (name) =>
      el("a", { href: FOLDER + "tables/" + name + ".csv", download: "" },
        "Table " + Number(name.slice(6)) + " of the paper (CSV)");
    return names.flatMap((name) => [", ", link(name)]);
  }

  function introduction() {
    const name = address();
    if (!(name in all.sets)) return null;
    return el("p", { class: "dlmo-from" },
      el("strong", {}, "Only what the number, table or figure rests on that you came from"),
      printed(all.tables[name] || []), ". ", el("a", { href: "#all" }, "Show all records"), ".");
  }

  function drawList() {
    const take = () => download("records.csv", csv(ordered(wanted())));
    root.replaceChildren(
      ...[
        introduction(),
        el("div", { class: "dlmo-filters", role: "search", "aria-label": "Records" }, FILTERS.map(filter), search()),
        el("p", { class: "dlmo-downloads" },
          el("span", { class: "dlmo-count", role: "status" }),
          el("button", { type: "button", onclick: take }, "Download these (CSV)"),
          el("a", { href: FOLDER + "records.csv", download: "" }, "All, a row a record (CSV)"),
          el("a", { href: FOLDER + "trials.csv", download: "" }, "All, a row a trial (CSV)")),
        el("div", { class: "dlmo-list pst-scrollable-table-container", role: "region", "aria-label": "The records" }),
        el("div", { class: "dlmo-pages" }),
      ].filter(Boolean)
    );
    for (const [at, name] of FILTERS.entries()) {
      root.querySelectorAll(".dlmo-filters select")[at].value = state.chosen[name] || "";
    }
    root.querySelector(".dlmo-filters input").value = state.words;
    drawRows();
  }

  // One record ------------------------------------------------------------------------------------

  const waiting = {};

  window.dlmoRecord = function (found) {
    waiting[found.record.key] = found;
  };

  function terms(pairs) {
    const shown = pairs.filter(([, said]) => said !== null && said !== undefined && said !== "");
    return el("dl", { class: "dlmo-head" }, shown.map(([term, said]) => [el("dt", {}, term), el("dd", {}, said)]).flat());
  }

  function flat(value, prefix) {
    return Object.entries(value || {}).flatMap(([name, inner]) =>
      inner !== null && typeof inner === "object" && !Array.isArray(inner)
        ? flat(inner, prefix + name + ".")
        : [[prefix + name, inner === null ? "none" : String(inner)]]
    );
  }

  function section(title, ...children) {
    const shown = children.flat().filter(Boolean);
    return shown.length ? [el("h3", {}, title), ...shown] : [];
  }

  function code(said) {
    return el("code", {}, said);
  }

  function links(places) {
    if (!places.length) return null;
    return el("ul", {}, places.map((place) => {
      const row = rows[place];
      const name = `${row.dataset}/${row.network}/${row.technique}/${row.profile}/${row.seed}`;
      return el("li", {}, el("a", { href: "#" + row.key }, row.key), ` ${row.kind}, ${row.what}: ${row.result} (${name})`);
    }));
  }

  function provenance(record) {
    const made = record.provenance, machine = made.machine;
    const versions = Object.entries(made.versions).map((pair) => pair.join(" ")).join(", ");
    return terms([
      ["Made", `${made.started}, in ${made.seconds} s with ${made.threads} thread${made.threads === 1 ? "" : "s"}`],
      ["Commit", el("span", {}, code(made.commit), made.clean ? ", unchanged" : ", with changes")],
      ["Machine", `${machine.processor}, ${machine.cores} cores, ${(machine.memory / 1e9).toFixed(1)} GB, ${machine.system}`],
      ["Instruction sets", machine.instruction_sets.join(", ")],
      ["Versions", `Python ${machine.python}, ${versions}`],
    ]);
  }

  function settings(record) {
    const identity = record.identity;
    const recipe = identity.recipe || identity.settings;
    const own = ["step", "conversion", "instrument", "revision", "architecture", "checksum", "build"];
    const said = Object.fromEntries(own.filter((name) => name in identity).map((name) => [name, identity[name]]));
    return terms([...flat(said, ""), ...flat(recipe, "")]);
  }

  const FIELDS = ["bytes", "zipped_bytes", "nonzero", "pruned_nonzero", "operators", "float_operators",
    "input_type", "output_type", "output", "preprocessing", "parameters", "macs", "sha256", "weights_sha256", "reason", "predictions"];

  function says(record) {
    const own = Object.fromEntries(FIELDS.filter((name) => record[name] !== undefined && record[name] !== null)
      .map((name) => [name, record[name]]));
    const values = Object.fromEntries(Object.entries(record.values || {}).filter(([name]) => !["confusion", "ratios"].includes(name)));
    return terms([...flat(own, ""), ...flat(values, "")]);
  }

  function kept(found) {
    const record = found.record;
    if (record.identity.kind === "measurement" || record.reason !== undefined) return null;
    if (!found.file) {
      return el("p", {}, record.identity.kind === "weights"
        ? "These weights are not kept with the report: only a new training can check them."
        : "This file is not kept with the report: only a new training can check it.");
    }
    const name = found.file.split("/").pop();
    return el("p", {}, el("a", { href: FOLDER + "models/" + found.file.split("/").map(encodeURIComponent).join("/"), download: "" }, name),
      record.identity.kind === "weights" ? ". Checksum of the numbers in it: " : ". SHA-256: ", code(record.sha256));
  }

  // Curves: accuracy by epoch, in training and on the validation images.
  function curve(history) {
    const series = [["accuracy", "training images"], ["validation_accuracy", "validation images"]]
      .filter(([name]) => history.every((row) => typeof row[name] === "number"));
    if (history.length < 2 || !series.length) return null;
    const values = history.flatMap((row) => series.map(([name]) => row[name]));
    const low = Math.floor(Math.min(...values) * 20) / 20, high = Math.ceil(Math.max(...values) * 20) / 20;
    const x = (at) => 44 + (560 * at) / (history.length - 1);
    const y = (value) => 190 - (170 * (value - low)) / (high - low || 1);
    const percent = (value) => `${(100 * value).toFixed(0)} %`;
    const path = (name) => history.map((row, at) => `${at ? "L" : "M"}${x(at).toFixed(1)} ${y(row[name]).toFixed(1)}`).join("");
    const said = series.map(([name, of]) => `${of} from ${percent(history[0][name])} to ${percent(history[history.length - 1][name])}`);
    const label = `Accuracy by epoch over ${history.length} epochs: ${said.join("; ")}.`;
    return el("figure", {},
      el("svg", { viewBox: "0 0 620 222", class: "dlmo-curve", role: "img", "aria-label": label },
        [low, (low + high) / 2, high].map((value) => el("g", {},
          el("line", { x1: 44, x2: 604, y1: y(value), y2: y(value) }),
          el("text", { x: 38, y: y(value) + 4, "text-anchor": "end" }, percent(value)))),
        series.map(([name], at) => el("path", { d: path(name), class: `dlmo-line-${at}` })),
        el("text", { x: 44, y: 212 }, "epoch 1"),
        el("text", { x: 604, y: 212, "text-anchor": "end" }, String(history.length))),
      el("figcaption", {}, "Accuracy by epoch: ", series.map(([, of], at) => [at ? "; " : "", el("span", { class: `dlmo-key-${at}` }, at ? "dashed" : "solid"), " " + of]).flat(), "."),
      epochs(history));
  }

  function grid(caption, heads, lines) {
    return el("div", { class: "pst-scrollable-table-container", role: "region", "aria-label": caption },
      el("table", { class: "table dlmo-grid" }, el("caption", {}, caption),
        el("thead", {}, el("tr", {}, heads.map((said) => el("th", { scope: "col" }, said)))),
        el("tbody", {}, lines.map((cells) => el("tr", {}, cells)))));
  }

  function epochs(history) {
    const names = Object.keys(history[0]);
    const lines = history.map((row) => names.map((name) => el("td", {}, String(row[name]))));
    return el("details", {}, el("summary", {}, "Every epoch in numbers"), grid("Every epoch", names, lines));
  }

  // Confusion: all counts up to 20 classes, else what is mistaken most often.
  function confusion(counts, names) {
    const name = (at) => (names && names[at]) || `class ${at}`;
    if (counts.length > 20) return mistakes(counts, name);
    const lines = counts.map((line, truth) => [el("th", { scope: "row" }, name(truth)),
      ...line.map((count, said) => el("td", { class: count && said === truth ? "dlmo-right" : null }, String(count)))]);
    return grid("Test images by their class (rows) and what the file says (columns)",
      ["", ...counts.map((_, at) => name(at))], lines);
  }

  function mistakes(counts, name) {
    const cells = counts.flatMap((line, truth) => line.map((count, said) => [count, truth, said]));
    const worst = cells.filter(([count, truth, said]) => count && truth !== said).sort((a, b) => b[0] - a[0]).slice(0, 20);
    return grid("The most frequent mistakes on the test images", ["Class", "taken for", "images"],
      worst.map(([count, truth, said]) => [name(truth), name(said), String(count)].map((text) => el("td", {}, text))));
  }

  function commands(found) {
    return terms(Object.entries(found.commands).map(([does, said]) => [does, code(said)]));
  }

  function raw(record) {
    return el("details", {}, el("summary", {}, "The record as it is"),
      el("pre", { tabindex: "0" }, JSON.stringify(record, null, 1)));
  }

  function drawOne(found) {
    const record = found.record, place = byKey[record.key];
    const children = rows.map((_, at) => at).filter((at) => all.parents[at].includes(place));
    const counts = record.values && record.values.confusion;
    const title = el("h2", { tabindex: "-1" }, `${rows[place].kind}: ${found.trial}`);
    root.replaceChildren(
      title,
      el("p", { class: "dlmo-from" }, el("a", { href: "#all" }, "All records")),
      terms([["Key", code(record.key)], ["About", `${rows[place].what}: ${rows[place].result}`],
        ["Record", code(found.place)], ["Digest", code(record.digest)]]),
      ...section("How it was made", provenance(record)),
      ...section(record.identity.kind === "weights" ? "Recipe" : "Settings", settings(record)),
      ...section("What it says", says(record)),
      ...section("Training", record.history && curve(record.history)),
      ...section("Confusion", counts && confusion(counts, all.classes[record.trial.dataset])),
      ...section("The file", kept(found)),
      ...section("Check it again", commands(found)),
      ...section("Made from", links(all.parents[place])),
      ...section("Made from it", links(children)),
      raw(record));
    title.focus({ preventScroll: true });
    title.scrollIntoView({ block: "start" });
    window.dispatchEvent(new Event("resize"));
  }

  function complain(said) {
    root.replaceChildren(el("p", { role: "alert" }, said, " ", el("a", { href: "#all" }, "All records"), "."));
  }

  function open() {
    const key = address();
    if (!/^[0-9a-f]{16}$/.test(key)) return drawList();
    if (!(key in byKey)) return complain(`There is no record ${key} in this build.`);
    return (key in waiting ? Promise.resolve() : load(key + ".js")).then(
      () => drawOne(waiting[key]),
      () => complain(`The record ${key} cannot be read.`)
    );
  }

  window.dlmoRecords = function (given) {
    all = given;
    rows = all.rows.map(function (values) {
      const row = Object.fromEntries(all.columns.map((name, at) => [name, values[at]]));
      row.text = values.join(" ").toLowerCase();
      return row;
    });
    byKey = Object.fromEntries(rows.map((row, at) => [row.key, at]));
    open();
    root.dataset.drawn = "true";
    window.addEventListener("hashchange", open);
  };

  load("all.js").catch(() => complain("The list of the records cannot be read."));
})();
