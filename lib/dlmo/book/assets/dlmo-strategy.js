// Recommends a file for a device, by the rule and with the words of lib/dlmo/report/strategy.py.
(function () {
  "use strict";

  const fill = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  function listing(words, link = "and") {
    if (words.length < 2) return words.join("");
    return `${words.slice(0, -1).join(", ")} ${link} ${words[words.length - 1]}`;
  }

  // The first by a list of keys, each a number or a name; what is not known comes last.
  function first(items, keys) {
    const order = (a, b) => {
      const [own, other] = [keys(a), keys(b)];
      const at = own.findIndex((value, place) => value !== other[place]);
      return at < 0 ? 0 : own[at] < other[at] ? -1 : 1;
    };
    return [...items].sort(order)[0] ?? null;
  }

  const last = (value) => (value === null ? Infinity : value);

  class Adviser {
    constructor(data, limits) {
      this.data = data;
      this.limits = { lacking: [], integers: false, runtime: "linux", ...limits };
      this.words = data.words;
    }

    advise() {
      this.dataset = this.chosenDataset();
      if (this.dataset === null) return { dataset: null, sentence: this.words.empty };
      const all = this.data.candidates;
      this.pool = all.filter((one) => one.dataset === this.dataset);
      this.failed = new Map(this.pool.map((one) => [one.name, this.failures(one)]));
      this.kept = this.pool.filter((one) => !this.failed.get(one.name).length);
      Object.assign(this, this.choose(this.kept));
      return this.answer();
    }

    answer() {
      const ties = this.kept.filter(
        (one) => this.choice && one !== this.choice && this.pair(this.choice, one).tie
      );
      const missed = this.pool.filter((one) => this.failed.get(one.name).length);
      return {
        dataset: this.dataset,
        satisfying: this.kept.map((one) => one.name),
        front: this.front.map((one) => one.name),
        choice: this.choice && this.choice.name,
        best: this.best && this.best.name,
        ties: ties.map((one) => one.name),
        failures: Object.fromEntries(missed.map((one) => [one.name, this.failed.get(one.name)[0]])),
        sentence: this.sentence(),
        reason: this.reason(),
        changes: this.changes(),
        paper: this.paper(),
      };
    }

    chosenDataset() {
      const names = Object.keys(this.data.datasets);
      if (this.limits.dataset) return this.limits.dataset;
      const wanted = this.limits.classes ?? 0;
      return first(names, (name) => {
        const classes = this.data.datasets[name].classes;
        const count = this.data.candidates.filter((one) => one.dataset === name).length;
        return [Number(classes < wanted), wanted ? Math.abs(classes - wanted) : 0, -count, name];
      });
    }

    failures(one) {
      const limits = this.limits;
      const above = (value, limit) => limit != null && (value === null || value > limit);
      const said = {
        flash: above(one.flash, limits.flash),
        ram: above(one.ram[limits.runtime], limits.ram),
        latency: above(one.latency, limits.latency),
        accuracy: limits.accuracy != null && one.validation < limits.accuracy,
        operators: one.operators.some((name) => limits.lacking.includes(name)),
        integers: limits.integers && one.floats,
        runtime: limits.runtime === "microcontroller" && one.refusal !== null,
      };
      return Object.keys(this.data.limits).filter((limit) => said[limit]);
    }

    pair(one, other) {
      const [a, b] = [one, other].map((each) => this.data.candidates.indexOf(each));
      const [difference, tie, there, back] = this.data.pairs[a < b ? `${a},${b}` : `${b},${a}`];
      return a < b ? { difference, tie, said: there } : { difference: -difference, tie, said: back };
    }

    costs(one) {
      const { flash, time } = one;
      return { validation: -one.validation, flash, ram: one.ram[this.limits.runtime], time };
    }

    objectives(kept) {
      const known = (name) => kept.every((one) => this.costs(one)[name] !== null);
      return Object.keys(this.data.objectives).filter(known);
    }

    pareto(kept) {
      const names = this.objectives(kept);
      const costs = kept.map((one) => names.map((name) => this.costs(one)[name]));
      const beats = (other, own) =>
        other.every((value, at) => value <= own[at]) && other.some((value, at) => value !== own[at]);
      return kept.filter((_, at) => !costs.some((other) => beats(other, costs[at])));
    }

    choose(kept) {
      const front = this.pareto(kept);
      const best = first(front, (one) => [-one.validation, one.flash, one.name]);
      const close = (pair) => pair.tie && Math.abs(pair.difference) <= this.data.margin;
      const near = front.filter((one) => one === best || close(this.pair(best, one)));
      const dear = (one) => [one.flash, last(this.costs(one).ram), last(one.time), one.name];
      return { front, best, choice: first(near, dear) };
    }

    other(kept) {
      const { choice } = this.choose(kept);
      return choice ? choice.name : this.words.nothing;
    }

    sentence() {
      const title = this.data.datasets[this.dataset].title;
      if (!this.choice) return fill(this.words.none, { dataset: title });
      const said = this.choice.said;
      return fill(this.words.choice, { ...said, ram: said[this.limits.runtime] });
    }

    reason() {
      if (!this.choice) return fill(this.words.missed, { all: this.pool.length, counts: this.counts() });
      const { title, classes } = this.data.datasets[this.dataset];
      const counted = fill(this.words.count, {
        dataset: title,
        classes,
        satisfying: this.kept.length,
        all: this.pool.length,
        front: this.front.length,
        objectives: listing(this.objectives(this.kept).map((name) => this.data.objectives[name])),
      });
      if (this.choice === this.best) return `${counted} ${this.words.best}`;
      const names = { best: this.best.name, name: this.choice.name };
      const difference = this.pair(this.choice, this.best).said;
      return `${counted} ${fill(this.words.tied, { ...names, difference })}`;
    }

    counts() {
      const missed = [...this.failed.values()];
      const said = Object.entries(this.data.limits).map(([limit, word]) => {
        const count = missed.filter((failed) => failed.includes(limit)).length;
        return count ? `${word} (${count})` : "";
      });
      return listing(said.filter(Boolean));
    }

    changes() {
      const said = this.choice ? this.tighter(this.choice) : [];
      for (const [limit, what] of Object.entries(this.data.limits)) {
        const failed = (one) => this.failed.get(one.name);
        if (!this.pool.some((one) => failed(one).includes(limit))) continue;
        const others = this.pool.filter((one) => failed(one).every((each) => each === limit));
        const other = this.other(others);
        const same = other === this.words.nothing || (this.choice && other === this.choice.name);
        if (!same) said.push(fill(this.words.without, { what, other }));
      }
      return said;
    }

    tighter(choice) {
      const runtime = this.limits.runtime;
      const among = (keeps) => this.other(this.kept.filter(keeps));
      const below = (value, what, keeps) =>
        fill(this.words.below, { value, what, other: among(keeps) });
      const said = [below(choice.said.flash, "flash", (one) => one.flash < choice.flash)];
      const ram = choice.ram[runtime];
      if (ram !== null) {
        said.push(below(choice.sizes[runtime], "RAM", (one) => last(one.ram[runtime] || null) < ram));
      }
      if (choice.latency !== null) {
        const other = among((one) => last(one.latency || null) < choice.latency);
        said.push(fill(this.words.faster, { value: choice.said.ratio, other }));
      }
      const other = among((one) => one.validation > choice.validation);
      return [...said, fill(this.words.better, { other })];
    }

    service() {
      const { flash, ram, latency, accuracy } = this.limits;
      if ([flash, ram, latency, accuracy].every((limit) => limit == null)) return null;
      if (latency == null) return "low-end";
      return accuracy == null ? "mid-end" : "high-end";
    }

    paper() {
      const service = this.service();
      if (service === null) return this.words.unlimited;
      const names = this.data.paper[service];
      const advised = this.pool.filter((one) => names.includes(one.technique));
      const said = fill(this.words.service, { service, advice: listing(names, "or") });
      return `${said} ${this.asHere(advised)}`;
    }

    asHere(advised) {
      if (!advised.length) return this.words.absent;
      const kept = advised.filter((one) => !this.failed.get(one.name).length);
      const one = this.choose(kept.length ? kept : advised).choice;
      const missed = this.failed.get(one.name);
      if (missed.length) {
        const what = missed.map((limit) => (limit === "runtime" ? one.refusal : this.data.limits[limit]));
        return fill(this.words.failed, { name: one.name, what: listing(what) });
      }
      if (one === this.choice) return this.words.same;
      const difference = this.pair(one, this.choice).said;
      return fill(this.words.kept, { name: one.name, difference, flash: one.said.flash });
    }
  }

  // The form ------------------------------------------------------------------------------------

  function number(form, name, factor) {
    const field = form.elements[name];
    const value = field.value.trim() === "" ? null : Number(field.value);
    const wrong = value !== null && !(value >= 0);
    field.setAttribute("aria-invalid", String(wrong));
    return value === null || wrong ? null : value * factor;
  }

  const whole = (value) => (value === null ? null : Math.round(value));

  function read(form) {
    const lacking = [...form.querySelectorAll("[name=lacking]:checked")];
    return {
      dataset: form.elements.dataset.value,
      runtime: form.elements.runtime.value,
      flash: whole(number(form, "flash", 1000)),
      ram: whole(number(form, "ram", 1000)),
      latency: number(form, "latency", 1) || null,
      accuracy: number(form, "accuracy", 0.01),
      integers: form.elements.integers.checked,
      lacking: lacking.map((box) => box.value),
    };
  }

  function preset(form, data, limits) {
    const shown = (value, factor) => (value == null ? "" : String(value / factor));
    form.elements.dataset.value = new Adviser(data, limits).chosenDataset();
    form.elements.runtime.value = limits.runtime ?? "linux";
    form.elements.flash.value = shown(limits.flash, 1000);
    form.elements.ram.value = shown(limits.ram, 1000);
    form.elements.latency.value = shown(limits.latency, 1);
    form.elements.accuracy.value = shown(limits.accuracy, 0.01);
    form.elements.integers.checked = limits.integers ?? false;
    form.querySelectorAll("[name=lacking]").forEach((box) => (box.checked = false));
  }

  function element(kind, content, attributes = {}) {
    const made = document.createElement(kind);
    made.append(...[content].flat());
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  // A candidate's name without its dataset, which is chosen above; the profile stays, if any.
  function short(one, data) {
    return one.name.replace(` on ${data.datasets[one.dataset].title}`, "");
  }

  function verdict(one, advice, data) {
    const marks = [
      [one.name === advice.choice, "recommended"],
      [advice.front.includes(one.name), "front"],
      [advice.ties.includes(one.name), "tie"],
      [one.name in advice.failures, `fails: ${data.limits[advice.failures[one.name]]}`],
    ];
    return marks.filter(([holds]) => holds).map(([, word]) => word).join(", ");
  }

  function row(one, advice, data, runtime) {
    const { said } = one;
    const size = one.sizes[runtime];
    const cells = [said.flash, size ?? "–", said.test, one.latency === null ? "–" : said.ratio];
    const made = element("tr", [
      element("th", short(one, data), { scope: "row" }),
      ...[...cells, verdict(one, advice, data)].map((cell) => element("td", cell)),
    ]);
    if (one.name === advice.choice) made.className = "dlmo-strategy-choice";
    return made;
  }

  // The recommended one, the front, what else keeps the limits, the rest: each by accuracy.
  function ordered(advice, data) {
    const { choice, front, failures } = advice;
    const rank = ({ name }) =>
      name === choice ? 0 : front.includes(name) ? 1 : name in failures ? 3 : 2;
    return data.candidates
      .filter((one) => one.dataset === advice.dataset)
      .sort((one, other) => rank(one) - rank(other) || other.validation - one.validation);
  }

  function table(rows, label) {
    const heads = ["Candidate", "Flash", "RAM", "Test accuracy", "Latency", "Verdict"];
    const head = element("tr", heads.map((word) => element("th", word, { scope: "col" })));
    const made = element("table", [element("thead", head), element("tbody", rows)]);
    made.className = "table dlmo-labelled";
    const region = { class: "dlmo-strategy-wide", role: "region", tabindex: "0" };
    return element("div", made, { ...region, "aria-label": label });
  }

  const SHOWN = 12;

  function candidates(advice, data, runtime) {
    const rows = ordered(advice, data).map((one) => row(one, advice, data, runtime));
    const first = table(rows.slice(0, SHOWN), "Candidates");
    const rest = rows.slice(SHOWN);
    if (!rest.length) return [first];
    const count = element("summary", `${rest.length} more candidates`);
    return [first, element("details", [count, table(rest, "More candidates")])];
  }

  function show(widget, data) {
    const form = widget.querySelector("form");
    const limits = read(form);
    const advice = new Adviser(data, limits).advise();
    widget.querySelector("output").replaceChildren(
      element("p", element("strong", advice.sentence)),
      element("p", advice.reason ?? ""),
      element("p", advice.paper ?? "")
    );
    const more = widget.querySelector(".dlmo-strategy-more");
    if (advice.dataset === null) return more.replaceChildren();
    const changes = advice.changes.map((line) => element("li", line));
    const open = more.querySelector("details")?.open ?? false;
    more.replaceChildren(
      element("p", "What would change the advice:"),
      element("ul", changes),
      ...candidates(advice, data, limits.runtime)
    );
    // Who has unfolded the rest keeps it in sight while the limits change.
    more.querySelector("details")?.toggleAttribute("open", open);
    return advice;
  }

  function begin(widget) {
    const data = JSON.parse(widget.querySelector("script").textContent);
    const form = widget.querySelector("form");
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => show(widget, data));
    for (const button of form.querySelectorAll("button[data-service]")) {
      button.addEventListener("click", () => {
        preset(form, data, data.services[button.dataset.service] ?? {});
        show(widget, data);
      });
    }
    show(widget, data);
    // For tests, and for who wants the answer as data.
    widget.advise = (limits) => new Adviser(data, limits).advise();
    widget.dataset.ready = "true";
  }

  document.querySelectorAll(".dlmo-strategy").forEach(begin);
})();
