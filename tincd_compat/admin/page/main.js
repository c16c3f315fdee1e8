// What is asked, when, and where it is shown.  The exporter passes on what the daemon
// says; neither is asked while nobody looks at the page.

// Seconds between two looks at a net, by how many nodes it has: a list of thousands
// takes the daemon a while.  The graph is asked for when it has changed, and so often.
const LOOK_EVERY = [[300, 5], [2000, 15], [Infinity, 30]];
const GRAPH_EVERY = 60;
const NETS_EVERY = 15;
const RETRY_EVERY = 3;
const FOLLOW_AGAIN = 10;
const SHOW_EVERY = 1;
const PATIENCE = 25;

class Unanswered extends Error {}

class Page {
  constructor() {
    this.net = null;
    this.offset = 0;
    this.nodes = [];
    this.edges = [];
    this.status = null;
    this.folded = null;
    this.isGraphDue = true;
    this.graphAt = 0;
    this.graphTrouble = "";
    this.source = null;
    this.followAt = 0;
    this.turn = 0;
    this.asked = 0;
    this.events = new Events();
    const explain = (name) => this.explain(name);
    this.table = new Table(explain);
    this.map = new MeshMap(explain, (names) => this.find(names));
    this.table.onSort = () => this.showTable();
    showLegend();
    $("filter").addEventListener("input", () => {
      this.folded = null;
      this.showTable();
    });
    $("asking").addEventListener("submit", (submitted) => {
      submitted.preventDefault();
      const target = $("target").value.trim();
      if (target !== "") {
        this.explain(target);
      }
    });
    $("close").addEventListener("click", () => $("explanation").close());
    $("pause").addEventListener("click", () => this.pause());
    $("nets").addEventListener("change", () => {
      location.hash = encodeURIComponent($("nets").value);
    });
    window.addEventListener("hashchange", () => this.choose());
    document.addEventListener("visibilitychange", () => this.onVisibility());
  }

  now() {
    return Date.now() + this.offset;
  }

  // Ask the exporter; the clock of its host is the one that records are made with.
  async ask(target) {
    let response;
    try {
      response = await fetch(target, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE * 1000) });
      const date = Date.parse(response.headers.get("Date") ?? "");
      if (!Number.isNaN(date)) {
        // It has whole seconds only, so a small difference is none.
        const offset = date - Date.now();
        this.offset = Math.abs(offset) > 2000 ? offset : 0;
      }
      const text = await response.text();
      if (response.ok) {
        return text;
      }
      throw new Unanswered(JSON.parse(text).text);
    } catch (error) {
      if (error instanceof Unanswered) {
        throw error;
      }
      throw new Unanswered("The exporter does not answer: it has been stopped, or the network is down");
    }
  }

  async one(name, query = "") {
    return JSON.parse(await this.ask(`v1/${this.place()}/${name}${query}`));
  }

  async many(name, query = "") {
    const text = await this.ask(`v1/${this.place()}/${name}${query}`);
    return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  }

  place() {
    return encodeURIComponent(this.net === "" ? "." : this.net);
  }

  async findNets() {
    const { nets } = JSON.parse(await this.ask("v1/nets"));
    const known = [...$("nets").options].map((option) => option.value);
    const values = nets.map((net) => (net === "" ? "." : net));
    if (known.join("/") !== values.join("/")) {
      $("nets").replaceChildren(...values.map((value) => make("option", { value }, value === "." ? "(without a name)" : value)));
      setHidden($("choice"), values.length < 2);
    }
    if (nets.length === 0) {
      throw new Unanswered("No tincd with a control socket has been seen on this host yet");
    }
    return values.find((value) => `#${encodeURIComponent(value)}` === location.hash) ?? values[0];
  }

  // Begin with the net that the address names.
  choose() {
    this.turn += 1;
    this.look(this.turn).catch((error) => {
      this.fail("This page has failed: load it again");
      throw error;
    });
  }

  // Look again and again, until another turn begins.
  async look(turn) {
    let netsAt = -Infinity;
    while (turn === this.turn) {
      let wait = RETRY_EVERY;
      try {
        if (performance.now() - netsAt > NETS_EVERY * 1000) {
          const value = await this.findNets();
          netsAt = performance.now();
          $("nets").value = value;
          this.begin(value === "." ? "" : value);
        }
        if (turn === this.turn) {
          await this.refresh(turn);
          wait = LOOK_EVERY.find(([most]) => this.nodes.length <= most)[1];
        }
      } catch (error) {
        if (!(error instanceof Unanswered)) {
          throw error;
        }
        if (turn === this.turn) {
          this.fail(error.message);
        }
      }
      if (document.hidden) {
        return;
      }
      await this.sleep(wait, turn);
    }
  }

  // Wait, and a third of it once the graph has changed: one that changes all the time
  // is not to be asked for all the time.
  async sleep(seconds, turn) {
    const end = performance.now() + seconds * 1000;
    const soonest = performance.now() + Math.max(seconds / 3, RETRY_EVERY) * 1000;
    while (turn === this.turn && performance.now() < (this.isGraphDue ? Math.min(soonest, end) : end)) {
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }

  begin(net) {
    if (net === this.net) {
      return;
    }
    this.net = net;
    this.forget();
    this.nodes = [];
    this.edges = [];
    $("filter").value = "";
    this.folded = null;
  }

  // The daemon is another one: its events are numbered anew.
  forget() {
    this.status = null;
    this.isGraphDue = true;
    this.unfollow();
    this.events.clear();
  }

  async refresh(turn) {
    const status = await this.one("status");
    if (this.status !== null && this.status.started !== status.started) {
      this.forget();
    }
    const [nodes, links] = [await this.many("nodes"), await this.many("links")];
    const isDue = this.isGraphDue || performance.now() - this.graphAt > GRAPH_EVERY * 1000;
    if (isDue) {
      this.isGraphDue = false;
      this.graphAt = performance.now();
    }
    const edges = isDue ? await this.graph() : this.edges;
    if (turn !== this.turn) {
      return;
    }
    this.status = status;
    this.nodes = withLinks(nodes, links);
    this.edges = edges;
    this.show();
    this.follow();
  }

  // The edges; of a graph that is longer than what is passed on there is no map, and all
  // else is shown.
  async graph() {
    this.graphTrouble = "";
    try {
      return await this.many("edges");
    } catch (error) {
      if (!(error instanceof Unanswered)) {
        throw error;
      }
      this.graphTrouble = `There is no map: ${error.message}.`;
      return [];
    }
  }

  show() {
    const [status, now] = [this.status, this.now()];
    const title = this.net === "" ? "tinc" : this.net;
    const found = status.problems.length;
    setText($("title"), title);
    document.title = found === 0 ? `${title} – tinc` : `${title}: ${counted(found, "problem")} – tinc`;
    setText($("summary"), summaryOf(status, now));
    setText($("live"), `${status.nodes.known - status.nodes.none} of ${status.nodes.known} reachable, ${found === 0 ? "no problem" : counted(found, "problem")}.`);
    setHidden($("trouble"), true);
    document.body.classList.remove("stale");
    this.showProblems(status, now);
    this.showTable();
    this.showMap();
  }

  // What is the same as before stays: the focus comes back to it from a dialog.
  showProblems(status, now) {
    const told = JSON.stringify([problemTexts(status, now), hiddenProblems(status)]);
    if (told !== this.shownProblems) {
      this.shownProblems = told;
      showProblems(status, now, (name) => this.explain(name));
    }
  }

  showTable() {
    const folded = this.folded === null ? null : new Set(this.folded);
    const nodes = folded === null ? this.nodes : this.nodes.filter((node) => folded.has(node.name));
    this.table.show(nodes, $("filter").value, this.now());
  }

  // The map is drawn anew where it would look different.
  showMap() {
    const paths = this.nodes.map((node) => `${node.name} ${node.path}`).join("\n");
    if (paths !== this.shownPaths || this.edges !== this.shownEdges) {
      [this.shownPaths, this.shownEdges] = [paths, this.edges];
      this.map.show(this.status.name, this.nodes, this.edges);
      if (this.graphTrouble !== "") {
        setText($("map-note"), this.graphTrouble);
      }
    }
  }

  fail(text) {
    setText($("trouble"), this.status === null ? text : `${text}. What is shown is older.`);
    setHidden($("trouble"), false);
    setText($("live"), "");
    document.body.classList.add("stale");
    document.title = "no answer – tinc";
    this.unfollow();
  }

  // The table shows the nodes of a bundle alone, until the filter is used.
  find(names) {
    this.folded = names;
    $("filter").value = "";
    this.showTable();
    $("nodes").scrollIntoView();
    $("nodes").focus({ preventScroll: true });
  }

  pause() {
    this.events.isPaused = !this.events.isPaused;
    $("pause").setAttribute("aria-pressed", String(this.events.isPaused));
    this.showEvents();
  }

  showEvents() {
    if (!this.events.isPaused) {
      const isOpen = this.source !== null && this.source.readyState === EventSource.OPEN;
      const words = isOpen ? "as they happen" : "each time the page looks";
      setText($("following"), document.body.classList.contains("stale") ? "none are told of meanwhile" : words);
    }
    this.events.show(this.now());
  }

  unfollow() {
    this.source?.close();
    this.source = null;
  }

  // Follow events from the last one on that was seen.
  follow() {
    const isOver = this.source === null || this.source.readyState === EventSource.CLOSED;
    if (!isOver) {
      return;
    }
    if (performance.now() < this.followAt) {
      this.catchUp();
      return;
    }
    this.followAt = performance.now() + FOLLOW_AGAIN * 1000;
    const source = new EventSource(`v1/${this.place()}/follow?since=${this.since()}`);
    this.source = source;
    source.addEventListener("message", (message) => this.onEvent(JSON.parse(message.data)));
    // The browser would ask for the same events once more.
    source.addEventListener("error", () => source.close());
  }

  since() {
    return this.events.last || Math.max(0, this.status.last_event - this.events.most);
  }

  // All places of followers are taken: events come with each look.
  async catchUp() {
    try {
      for (const event of await this.many("events", `?since=${this.since()}`)) {
        this.onEvent(event);
      }
    } catch (error) {
      if (!(error instanceof Unanswered)) {
        throw error;
      }
    }
  }

  onEvent(event) {
    this.events.add(event);
    if (MAP_KINDS.has(event.kind)) {
      this.isGraphDue = true;
    }
  }

  async explain(target) {
    if (this.net === null) {
      return;
    }
    this.asked += 1;
    const asked = this.asked;
    showWords(target, "quiet", "The daemon is being asked.");
    if (!$("explanation").open) {
      $("explanation").showModal();
    }
    try {
      const explanation = await this.one("explain", `?to=${encodeURIComponent(target)}`);
      const node = this.nodes.find((each) => each.name === explanation.node);
      if (asked === this.asked) {
        showExplanation(explanation, node, this.now());
      }
    } catch (error) {
      if (!(error instanceof Unanswered)) {
        throw error;
      }
      if (asked === this.asked) {
        showWords(target, "critical", error.message);
      }
    }
  }

  onVisibility() {
    if (document.hidden) {
      this.unfollow();
    } else {
      this.choose();
    }
  }
}

const page = new Page();
setInterval(() => page.showEvents(), SHOW_EVERY * 1000);
page.choose();
