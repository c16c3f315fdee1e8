// The map in SVG.  One of its nodes is in the order of tabs; arrow keys go on from it.

class MeshMap {
  constructor(explain, find) {
    this.explain = explain;
    this.find = find;
    this.zoom = 1;
    this.things = [];
    this.key = null;
    $("map").addEventListener("keydown", (press) => this.onKey(press));
    $("larger").addEventListener("click", () => this.setZoom(this.zoom * 1.5));
    $("smaller").addEventListener("click", () => this.setZoom(this.zoom / 1.5));
  }

  setZoom(zoom) {
    this.zoom = Math.min(Math.max(zoom, 1), 8);
    $("map").style.width = `${this.zoom * 100}%`;
  }

  show(root, nodes, edges) {
    const found = mapOf(root, nodes, edges);
    const held = document.activeElement?.closest("#map") ? this.key : null;
    const count = found.shown.length;
    const lines = found.lines.map(({ from, to, isTree }) =>
      draw("line", { x1: from.x.toFixed(1), y1: from.y.toFixed(1), x2: to.x.toFixed(1), y2: to.y.toFixed(1), class: isTree ? "tree" : "other" }),
    );
    // On a narrow screen letters and shapes are a little larger than the map.
    const scale = Math.min(Math.max(1, found.box[2] / Math.max($("map").parentElement.clientWidth, 1)), 1.3);
    this.things = found.shown.map((each) => ({ ...each, element: this.thing(each, count, scale) }));
    $("map").setAttribute("viewBox", found.box.map((each) => each.toFixed(0)).join(" "));
    $("map").style.maxWidth = this.zoom === 1 ? `${Math.max(found.box[2] * 1.4, 320)}px` : "none";
    $("map").classList.toggle("many", count > MOST_NAMED);
    $("map").replaceChildren(...lines, ...this.things.map((each) => each.element));
    setText($("map-note"), found.isFolded
      ? "Around this node those that lead on to others; a number stands for nodes folded into one, with the worst path among them. The table has all of them."
      : "Around this node all others, by the fewest links. The table has the same nodes.");
    this.select(this.things.find((each) => keyOf(each) === this.key) ?? this.things[0], held !== null);
  }

  thing(each, count, scale) {
    const at = { transform: `translate(${each.x.toFixed(1)} ${each.y.toFixed(1)})` };
    const halo = draw("circle", { class: "halo", r: String((each.names === null ? 12 : 20) * scale) });
    const made = draw("g", { ...at, role: "button", tabindex: "-1", "aria-label": labelOf(each) }, draw("title", {}, labelOf(each)), halo);
    if (each.names === null) {
      const side = (each.depth === 0 ? 18 : 15) * scale;
      made.append(draw("use", { href: `#shape-${each.path}`, class: each.path, x: String(-side / 2), y: String(-side / 2), width: String(side), height: String(side) }));
      if (count <= MOST_NAMED + MOST_LOST) {
        made.append(nameBeside(each, count, scale));
      }
    } else {
      made.append(draw("circle", { r: String(16 * scale), class: `bundle ${each.path}` }));
      made.append(draw("text", { class: "amount", "font-size": String(11 * scale) }, String(each.names.length)));
    }
    made.addEventListener("click", () => {
      this.select(this.things.find((other) => other.element === made), true);
      this.open(each);
    });
    return made;
  }

  open(each) {
    if (each.names === null) {
      this.explain(each.name);
    } else {
      this.find(each.names);
    }
  }

  select(each, isFocused) {
    for (const other of this.things) {
      other.element.setAttribute("tabindex", other === each ? "0" : "-1");
    }
    this.key = each === undefined ? null : keyOf(each);
    if (isFocused && each !== undefined) {
      each.element.focus({ preventScroll: false });
    }
  }

  onKey(press) {
    const here = this.things.find((each) => each.element === document.activeElement);
    if (here === undefined) {
      return;
    }
    const steps = new Map([["ArrowLeft", [-1, 0]], ["ArrowRight", [1, 0]], ["ArrowUp", [0, -1]], ["ArrowDown", [0, 1]]]);
    if (press.key === "Enter" || press.key === " ") {
      this.open(here);
    } else if (press.key === "Home") {
      this.select(this.things[0], true);
    } else if (steps.has(press.key)) {
      const there = nearest(here, this.things, ...steps.get(press.key));
      if (there !== undefined) {
        this.select(there, true);
      }
    } else {
      return;
    }
    press.preventDefault();
  }
}

// What stays the same of a thing when the map is drawn anew.
function keyOf(each) {
  return each.names === null ? `node ${each.name}` : `bundle ${each.parent ?? ""}`;
}

function labelOf(each) {
  const [word, text] = PATHS.get(each.path);
  if (each.names === null) {
    return `${each.name}: ${word}, ${text}`;
  }
  const behind = each.parent === null ? "that are not reached" : `behind ${each.parent}`;
  return `${counted(each.names.length, "node")} ${behind}, the worst path is ${word}`;
}

// The name on the side that looks away from the middle; on a full ring along its spoke.
function nameBeside(each, count, scale) {
  const text = each.name.length > 18 ? `${each.name.slice(0, 9)}…${each.name.slice(-8)}` : each.name;
  const style = { "font-size": String(13 * scale) };
  if (each.parent === null || Math.abs(each.x) < 1) {
    return draw("text", { ...style, y: (each.y < 0 ? -14 : 24) * scale, "text-anchor": "middle" }, text);
  }
  const isLeft = each.x < 0;
  const angle = (Math.atan2(each.y, each.x) * 180) / Math.PI + (isLeft ? 180 : 0);
  const turned = count > 24 && each.children.length === 0 ? { transform: `rotate(${angle.toFixed(1)})` } : {};
  return draw("text", { ...style, ...turned, x: (isLeft ? -12 : 12) * scale, y: 4.5 * scale, "text-anchor": isLeft ? "end" : "start" }, text);
}
