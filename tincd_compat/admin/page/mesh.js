// Rows of the table, and the mesh as the map shows it: functions of records alone.
// Names of nodes are chosen by members ("__proto__" is one), so they are keys of maps
// and never of objects.

// More rows are not drawn: a filter finds the others.
const MOST_ROWS = 1000;
// Up to so many nodes the map has each by itself; above, hubs and bundles of others.
const MOST_SINGLE = 300;
const MOST_HUBS = 60;
// Lines that are no part of the tree, and nodes that are not reached, by themselves.
const MOST_LINES = 1500;
const MOST_LOST = 12;
// Up to so many things have their names beside them, for which there is room.
const MOST_NAMED = 80;

// Column to its title, what it is sorted by, what it shows, and its classes.  Sorting
// begins with the name up, and with all else from the greatest down.
const COLUMNS = [
  ["name", "Node", (node) => node.name, (node) => node.name, ""],
  ["path", "Path", (node) => RANKS.indexOf(pathOf(node)), (node) => wayOf(node), ""],
  ["rtt", "Round trip", (node) => roundTrip(node)[0], (node) => roundTripText(node), "number"],
  ["mtu", "MTU", (node) => shownMtu(node), (node) => String(shownMtu(node) ?? UNKNOWN), "number wide"],
  ["sent", "Sent", (node) => bytesOf(node, node.sent), (node) => size(bytesOf(node, node.sent)), "number wide"],
  ["received", "Received", (node) => bytesOf(node, node.received), (node) => size(bytesOf(node, node.received)), "number wide"],
  ["last_packet", "Last packet", (node) => moment(node.last_packet), (node, now) => duration(age(node.last_packet, now)), "number wide"],
  ["since", "Since", (node) => moment(node.since), (node, now) => duration(age(node.since, now)), "number"],
];

// What has gone to a node that cannot be reached is no news of it.
function bytesOf(node, traffic) {
  return node.path === "none" ? null : traffic?.bytes ?? null;
}

function shownMtu(node) {
  return node.path === "none" ? null : node.mtu;
}

// Nodes with what went over their links, too: their own record has datagrams alone.
function withLinks(nodes, links) {
  const carried = new Map(links.filter((link) => link.active).map((link) => [link.name, link]));
  return nodes.map((node) => {
    const link = carried.get(node.name);
    if (link === undefined) {
      return node;
    }
    return { ...node, sent: total(node.sent, link.sent), received: total(node.received, link.received) };
  });
}

function total(one, other) {
  if (one === null || other === null) {
    return one ?? other;
  }
  return { packets: one.packets + other.packets, bytes: one.bytes + other.bytes };
}

const compareNames = new Intl.Collator("en", { numeric: true }).compare;

function compareKeys(one, other) {
  return typeof one === "string" ? compareNames(one, other) : one - other;
}

// Nodes in the order of a column; what is not known comes last in either direction.
function sorted(nodes, column, isDown) {
  const key = COLUMNS.find((each) => each[0] === column)[2];
  const keyed = nodes.map((node) => [key(node), node]);
  keyed.sort(([one, a], [other, b]) => {
    if (one === null || other === null) {
      return (one === null) - (other === null) || compareNames(a.name, b.name);
    }
    const order = compareKeys(one, other);
    return (isDown ? -order : order) || compareNames(a.name, b.name);
  });
  return keyed.map(([, node]) => node);
}

// Nodes that have each word of a filter somewhere: name, path, subnets or address.
function filtered(nodes, text) {
  const words = text.toLowerCase().split(/\s+/).filter((word) => word !== "");
  return nodes.filter((node) => {
    const place = node.address === null ? "" : `${node.address.host} port ${node.address.port}`;
    const all = [node.name, wayOf(node), ...node.subnets, place].join(" ").toLowerCase();
    return words.every((word) => all.includes(word));
  });
}

// Node to its neighbours in the order of their names; an edge counts with its reverse.
function graphOf(edges) {
  const found = new Map();
  for (const edge of edges) {
    if (edge.both) {
      if (!found.has(edge.from)) {
        found.set(edge.from, []);
      }
      found.get(edge.from).push(edge.to);
    }
  }
  for (const others of found.values()) {
    others.sort(compareNames);
  }
  return found;
}

// The tree of who is reached over whom by the fewest links, as the order in which it
// is found, and node to its parent.
function treeOf(graph, root) {
  const parents = new Map([[root, null]]);
  const order = [root];
  for (let place = 0; place < order.length; place += 1) {
    for (const other of graph.get(order[place]) ?? []) {
      if (!parents.has(other)) {
        parents.set(other, order[place]);
        order.push(other);
      }
    }
  }
  return { order, parents };
}

// Node to how many others are below it.
function belowOf({ order, parents }) {
  const below = new Map(order.map((name) => [name, 0]));
  for (let place = order.length - 1; place > 0; place -= 1) {
    const parent = parents.get(order[place]);
    below.set(parent, below.get(parent) + below.get(order[place]) + 1);
  }
  return below;
}

// What the map shows: nodes by themselves and bundles, each with its parent.
// A bundle has the names of the nodes that are folded into it.
function folded(tree, nodes) {
  const { order, parents } = tree;
  let single = new Set(order);
  if (order.length > MOST_SINGLE) {
    const below = belowOf(tree);
    // A parent has more below it than its children, so no hub is without its parent.
    const hubs = order.filter((name) => below.get(name) > 0).sort((a, b) => below.get(b) - below.get(a));
    single = new Set([order[0], ...hubs.slice(0, MOST_HUBS)]);
  }
  const shown = [];
  const bundles = new Map();
  const holders = new Map();
  for (const name of order) {
    const parent = parents.get(name);
    if (single.has(name)) {
      holders.set(name, name);
      shown.push({ name, parent, path: pathOf(nodes.get(name) ?? { path: null }), names: null });
      continue;
    }
    const holder = holders.get(parent);
    holders.set(name, holder);
    if (!bundles.has(holder)) {
      bundles.set(holder, []);
    }
    bundles.get(holder).push(name);
  }
  for (const [holder, names] of bundles) {
    shown.push({ name: null, parent: holder, path: worst(names, nodes), names });
  }
  return { shown, isFolded: order.length > MOST_SINGLE, holders };
}

// The worst path of some nodes, which is the last in the order of the legend.
function worst(names, nodes) {
  return names
    .map((name) => pathOf(nodes.get(name) ?? { path: null }))
    .reduce((one, other) => (RANKS.indexOf(other) > RANKS.indexOf(one) ? other : one));
}

// Give each shown thing its place: rings around this node, the angle of each by how
// many ends are below it.  Returns the radius of the whole.
function placed(shown) {
  const byName = new Map(shown.filter((each) => each.name !== null).map((each) => [each.name, each]));
  const parentOf = (each) => (each.parent === null ? null : byName.get(each.parent));
  // Parents come before their children, but for bundles, which have none.
  const rings = [];
  for (const each of shown) {
    const parent = parentOf(each);
    each.depth = parent === null ? 0 : parent.depth + 1;
    each.ends = 0;
    each.children = [];
    parent?.children.push(each);
    (rings[each.depth] ??= []).push(each);
  }
  for (const ring of [...rings].reverse()) {
    for (const each of ring) {
      each.ends ||= 1;
      const parent = parentOf(each);
      if (parent !== null) {
        parent.ends += each.ends;
      }
    }
  }
  let radius = 0;
  const isNamed = shown.length <= MOST_NAMED;
  rings.forEach((ring, depth) => {
    // Things without names beside them stand in three rows, where they are many.
    const rows = isNamed || ring.length < 24 ? 1 : 3;
    const around = ring.length * (isNamed ? 30 : 22) / (2 * Math.PI * rows);
    const inner = depth === 0 ? 0 : Math.max(radius + 85, around);
    ring.forEach((each, number) => {
      if (depth === 0) {
        [each.from, each.to] = [-Math.PI / 2, 1.5 * Math.PI];
      }
      const angle = (each.from + each.to) / 2;
      const here = inner + 22 * (number % rows);
      [each.x, each.y] = [here * Math.cos(angle), here * Math.sin(angle)];
      let from = each.from;
      for (const child of each.children) {
        child.from = from;
        from += (each.to - each.from) * child.ends / each.ends;
        child.to = from;
      }
    });
    radius = inner + 22 * (rows - 1);
  });
  return radius;
}

// The map of a mesh: what is shown with its place, the lines between, the half width.
function mapOf(root, nodes, edges) {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const graph = graphOf(edges);
  const tree = treeOf(graph, root);
  const { shown, isFolded } = folded(tree, byName);
  const radius = placed(shown);
  const lines = linesOf(shown, graph, tree.parents);
  const lost = nodes.map((node) => node.name).filter((name) => !tree.parents.has(name));
  const rest = lost.length > MOST_LOST ? [{ name: null, names: lost }] : lost.map((name) => ({ name, names: null }));
  // Room for names, which stand out on all sides.
  const margin = shown.length > MOST_NAMED ? 40 : 110;
  const width = Math.max(radius + margin, 180);
  rest.forEach((each, place) => {
    const path = each.name === null ? worst(lost, byName) : pathOf(byName.get(each.name));
    const [row, column] = [Math.floor(place / 3), place % 3];
    Object.assign(each, { parent: null, path, x: (column - 1) * 110, y: radius + margin + 20 + row * 48 });
  });
  const low = radius + margin + (rest.length > 0 ? 48 * Math.ceil(rest.length / 3) + 20 : 0);
  return { shown: [...shown, ...rest], lines, isFolded, box: [-width, -radius - margin, 2 * width, radius + margin + low] };
}

function linesOf(shown, graph, parents) {
  const places = new Map(shown.filter((each) => each.name !== null).map((each) => [each.name, each]));
  const tree = [];
  for (const each of shown) {
    if (each.parent !== null) {
      tree.push({ from: places.get(each.parent), to: each, isTree: true });
    }
  }
  const others = [];
  for (const [name, neighbours] of graph) {
    for (const other of neighbours) {
      const isOther = name < other && parents.get(name) !== other && parents.get(other) !== name;
      if (isOther && places.has(name) && places.has(other) && others.length < MOST_LINES) {
        others.push({ from: places.get(name), to: places.get(other), isTree: false });
      }
    }
  }
  // What is drawn last lies above the rest.
  return [...others, ...tree];
}

// Of things with places the nearest one from here in a direction, or undefined.
function nearest(here, others, dx, dy) {
  let best;
  let least = Infinity;
  for (const each of others) {
    const [x, y] = [each.x - here.x, each.y - here.y];
    const along = x * dx + y * dy;
    const aside = Math.abs(x * dy) + Math.abs(y * dx);
    if (along > 1 && along + 2 * aside < least) {
      [best, least] = [each, along + 2 * aside];
    }
  }
  return best;
}
