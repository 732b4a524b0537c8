// Tables: a click on a column's head sorts, a button below copies. Plain HTML without this script.
(function () {
  "use strict";

  const SELECTOR = ".bd-article table.dataframe, .bd-article table.table";
  const LEFT_OUT = ".dlmo-parameters, .dlmo-strategy";
  const SCROLLERS = ".dlmo-scroll, .pst-scrollable-table-container, .output";
  // Characters; a longer first column would leave no room for the others on a phone.
  const LONGEST_LABEL = 40;

  function text(cell) {
    return cell ? cell.textContent.trim().replace(/\s+/g, " ") : "";
  }

  // A cell's leading number: "−0.21 (−0.50 to +0.08)" is −0.21, "9,405" is 9405.
  function number(said) {
    const found = said.replace(/\u2212/g, "-").replace(/,(?=\d{3})/g, "").match(/^[+-]?\d+(\.\d+)?/);
    return found ? parseFloat(found[0]) : NaN;
  }

  function compare(one, other) {
    const numbers = [number(one), number(other)];
    if (numbers.every(Number.isFinite)) return numbers[0] - numbers[1];
    // Numbers first, then words: what is not measured stands below what is.
    if (numbers.some(Number.isFinite)) return Number.isFinite(numbers[0]) ? -1 : 1;
    return one.localeCompare(other, "en");
  }

  function sort(table, head, column) {
    const descending = head.getAttribute("aria-sort") === "ascending";
    const body = table.tBodies[0];
    const known = (row) => Number.isFinite(number(text(row.cells[column])));
    const rows = [...body.rows].sort(function (one, other) {
      const order = compare(text(one.cells[column]), text(other.cells[column]));
      return descending && known(one) === known(other) ? -order : order;
    });
    body.append(...rows);
    table.querySelectorAll("[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  }

  function sortable(table) {
    const heads = table.tHead ? [...table.tHead.rows[table.tHead.rows.length - 1].cells] : [];
    const rows = table.tBodies.length === 1 ? [...table.tBodies[0].rows] : [];
    const plain = rows.every((row) => row.cells.length === heads.length);
    const taken = heads.some((head) => head.colSpan > 1 || head.querySelector("button"));
    if (rows.length < 2 || !plain || taken) return;
    heads.forEach(function (head, column) {
      if (!text(head)) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "dlmo-sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(table, head, column));
    });
  }

  // A head that spans columns is repeated above each, so that every column keeps its name.
  function line(row) {
    return [...row.cells].flatMap((cell) => Array(cell.colSpan).fill(text(cell))).join("\t");
  }

  function copy(written) {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(written);
    const area = document.createElement("textarea");
    area.value = written;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    return Promise.resolve();
  }

  // A table's number and caption, or the line of the folded entry that it stands in.
  function caption(table) {
    const head = table.caption ?? table.closest("figure.dlmo-table")?.querySelector("figcaption");
    const said = head && [...head.querySelectorAll(".caption-number, .caption-text")].map(text);
    const line = table.closest(".dlmo-entry")?.querySelector(".dlmo-entry-title");
    return said?.length ? said.join(" ") : text(head) || text(line);
  }

  // No two tables of a page share a name: the second of one entry is its "table 2".
  const named = new Map();

  function name(table) {
    const said = caption(table);
    const count = (named.get(said) ?? 0) + 1;
    named.set(said, count);
    if (!said) return `table ${count} of those without a caption`;
    return count > 1 ? `${said}, table ${count}` : said;
  }

  // The box that scrolls with this table and no other: what belongs to a table stands below that.
  function box(table) {
    const found = table.closest(SCROLLERS);
    return found?.querySelectorAll("table").length === 1 ? found : table;
  }

  function copyable(table) {
    const tools = document.createElement("p");
    tools.className = "dlmo-table-tools";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy table";
    button.setAttribute("aria-label", `Copy table: ${name(table)}`);
    const said = document.createElement("span");
    said.setAttribute("role", "status");
    tools.append(button, said);
    button.addEventListener("click", function () {
      copy([...table.rows].map(line).join("\n")).then(
        () => (said.textContent = "Copied, with tabs between the columns."),
        () => (said.textContent = "This browser does not let a page copy."),
      );
    });
    box(table).after(tools);
  }

  // A first column of short words names its rows, and stays in sight while the others scroll.
  function labelled(table) {
    const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
    const columns = rows[0]?.cells.length ?? 0;
    const plain = rows.every(
      ({ cells }) => cells.length === columns && text(cells[0]).length <= LONGEST_LABEL,
    );
    if (columns > 2 && plain) table.classList.add("dlmo-labelled");
  }

  document.querySelectorAll(SELECTOR).forEach(function (table) {
    if (table.closest(LEFT_OUT)) return;
    sortable(table);
    labelled(table);
    copyable(table);
  });
})();
