// Parts of the document, made from records.  What members choose becomes text only:
// nothing here takes markup, and the policy of the page would not let it.

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

function filledIn(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function make(tag, attributes = {}, ...children) {
  return filledIn(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return filledIn(document.createElementNS(SVG, tag), attributes, children);
}

// Set a text where it is another one: a live region speaks of what is set.
function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

function setHidden(element, isHidden) {
  if (element.hidden !== isHidden) {
    element.hidden = isHidden;
  }
}

function shape(path, attributes = {}) {
  const use = draw("use", { href: `#shape-${path}`, x: "-8", y: "-8", width: "16", height: "16" });
  return draw("svg", { class: `shape ${path}`, "aria-hidden": "true", viewBox: "-8 -8 16 16", ...attributes }, use);
}

// A time of the last day as one of the clock, an earlier one as a date.
function clock(text, now) {
  const seconds = age(text, now);
  if (seconds === null) {
    return UNKNOWN;
  }
  const then = new Date(text);
  return seconds < 86400 ? then.toLocaleTimeString("en-GB") : then.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
}

function timeOf(text, now) {
  const then = moment(text);
  const known = then === null ? {} : { datetime: text, title: new Date(then).toLocaleString("en-GB") };
  return make("time", known, clock(text, now));
}

function nameButton(name, explain) {
  const made = make("button", { type: "button", class: "name" }, name);
  made.addEventListener("click", () => explain(name));
  return made;
}

function showLegend() {
  for (const [path, [word, text]] of PATHS) {
    $("legend").append(make("li", { title: text }, shape(path), path.startsWith("relay_") ? `${word} via another` : word));
  }
}

function showProblems(status, now, explain) {
  const rows = status.problems.map((problem) => {
    const isCritical = problem.severity === "critical";
    const about = problem.node === null ? "mesh" : nameButton(problem.node, explain);
    return make(
      "li",
      {},
      make("span", { class: isCritical ? "critical" : "warning" }, isCritical ? "✖ critical" : "▲ warning"),
      make("span", {}, about),
      make("span", { class: "text", title: problem.code }, problem.text),
      make("span", { class: "since quiet" }, `for ${duration(age(problem.since, now))}`),
    );
  });
  for (const words of hiddenProblems(status)) {
    rows.push(make("li", { class: "plain quiet" }, words));
  }
  if (rows.length === 0) {
    rows.push(make("li", { class: "plain ok" }, "✔ None."));
  }
  replaceKeepingFocus($("problems"), rows);
}

// Replace the children of a list; the focus stays at the button of the same name.
function replaceKeepingFocus(list, rows) {
  const held = list.contains(document.activeElement) ? document.activeElement.textContent : null;
  list.replaceChildren(...rows);
  if (held !== null) {
    [...list.querySelectorAll("button")].find((button) => button.textContent === held)?.focus();
  }
}

// The table of nodes.  Rows are kept by the names of their nodes, and of a row that is
// kept only what has changed is set.
class Table {
  constructor(explain) {
    this.explain = explain;
    this.rows = new Map();
    this.column = "name";
    this.isDown = false;
    for (const [column, title, , , style] of COLUMNS) {
      const button = make("button", { type: "button", "data-column": column }, title);
      button.addEventListener("click", () => this.sortBy(column));
      $("head").append(make("th", { scope: "col", class: style }, button));
    }
    this.onSort = () => {};
  }

  sortBy(column) {
    this.isDown = column === this.column ? !this.isDown : column !== "name";
    this.column = column;
    this.onSort();
  }

  show(nodes, filter, now) {
    const found = sorted(filtered(nodes, filter), this.column, this.isDown);
    const shown = found.slice(0, MOST_ROWS);
    const rows = new Map();
    for (const node of shown) {
      const row = this.rows.get(node.name) ?? this.newRow(node.name);
      this.fill(row, node, now);
      rows.set(node.name, row);
    }
    this.rows = rows;
    this.arrange($("rows"), [...rows.values()].map((row) => row.element));
    for (const head of $("head").children) {
      if (head.firstChild.dataset.column === this.column) {
        head.setAttribute("aria-sort", this.isDown ? "descending" : "ascending");
      } else {
        head.removeAttribute("aria-sort");
      }
    }
    const more = found.length - shown.length;
    const all = found.length === nodes.length ? counted(nodes.length, "node") : `${found.length} of ${counted(nodes.length, "node")}`;
    setText($("count"), more > 0 ? `${all}, the first ${shown.length} are shown` : all);
  }

  // Put rows in an order; those in their place stay, so that the focus does, too.
  arrange(body, elements) {
    const wanted = new Set(elements);
    for (const element of [...body.children]) {
      if (!wanted.has(element)) {
        element.remove();
      }
    }
    const held = body.contains(document.activeElement) ? document.activeElement : null;
    let next = body.firstElementChild;
    let isMoved = false;
    for (const element of elements) {
      if (element === next) {
        next = next.nextElementSibling;
      } else {
        body.insertBefore(element, next);
        isMoved = true;
      }
    }
    if (isMoved && held !== null && held !== document.activeElement) {
      held.focus({ preventScroll: true });
    }
  }

  newRow(name) {
    const cells = COLUMNS.map(([column, , , , style]) => {
      if (column === "name") {
        return make("th", { scope: "row" }, nameButton(name, this.explain));
      }
      return make("td", { class: style });
    });
    return { element: make("tr", {}, ...cells), cells, texts: [], path: null };
  }

  fill(row, node, now) {
    COLUMNS.forEach(([column, , , text], place) => {
      const words = text(node, now);
      if (column === "name" || row.texts[place] === words && (column !== "path" || row.path === pathOf(node))) {
        return;
      }
      row.texts[place] = words;
      if (column === "path") {
        row.path = pathOf(node);
        row.cells[place].replaceChildren(shape(row.path), words);
      } else {
        row.cells[place].textContent = words;
      }
    });
  }
}

// The last events, the newest first.
class Events {
  constructor() {
    this.most = 50;
    this.waiting = [];
    this.isPaused = false;
    this.last = 0;
  }

  clear() {
    this.waiting = [];
    this.last = 0;
    $("events").replaceChildren();
  }

  add(event) {
    if (event.seq > this.last || event.kind === "gap") {
      this.last = Math.max(this.last, event.seq);
      this.waiting.push(event);
      this.waiting.splice(0, this.waiting.length - this.most);
    }
  }

  show(now) {
    if (this.isPaused) {
      setText($("following"), this.waiting.length > 0 ? `${counted(this.waiting.length, "new event")} held back` : "held");
      return;
    }
    const style = $("events").children.length > 0 ? "fresh" : "";
    const rows = this.waiting.splice(0).map((event) => this.row(event, style, now));
    if (rows.length > 0) {
      $("events").prepend(...rows.reverse());
      while ($("events").children.length > this.most) {
        $("events").lastElementChild.remove();
      }
    }
  }

  row(event, style, now) {
    const kind = LOSSES.has(event.kind) ? "loss" : GAINS.has(event.kind) ? "gain" : "";
    const isNamed = event.node === null || event.text.startsWith(event.node);
    const words = isNamed ? event.text : `${event.node}: ${event.text}`;
    return make("li", { class: style }, timeOf(event.at, now), make("span", { class: kind }, event.kind), make("span", { class: "text" }, words));
  }
}
