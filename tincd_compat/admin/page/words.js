// Words for people, made from records.  Nothing here knows the document or a clock.
"use strict";

const UNKNOWN = "–";

// Path of a node to its word, and to what the legend says of it.  Nodes whose path is
// null are "idle": no packet has gone there since their key is void.
const PATHS = new Map([
  ["self", ["self", "this node"]],
  ["udp", ["udp", "straight by UDP"]],
  ["relay_udp", ["udp", "by UDP over another node"]],
  ["tcp", ["tcp", "straight over TCP"]],
  ["relay_tcp", ["tcp", "over TCP and another node"]],
  ["idle", ["idle", "no packet has gone there yet"]],
  ["none", ["down", "cannot be reached"]],
]);

// The best path first: of several in one bundle the last one of these is shown.
const RANKS = [...PATHS.keys()];

// What an event of such a kind tells of: something lost, or something found.
const LOSSES = new Set(["link-down", "unreachable", "problem", "drop"]);
const GAINS = new Set(["link-up", "reachable", "start"]);

// Events after which the map is drawn anew.
const MAP_KINDS = new Set(["reachable", "unreachable", "link-up", "link-down", "graph", "start", "gap"]);

function pathOf(node) {
  return PATHS.has(node.path) ? node.path : "idle";
}

function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

function wayOf(node) {
  const path = pathOf(node);
  const word = PATHS.get(path)[0];
  if (path !== "relay_udp" && path !== "relay_tcp") {
    return word;
  }
  const over = node.via === null || node.via === node.name ? node.nexthop : node.via;
  return `${word} via ${over ?? "?"}`;
}

// Seconds of a round trip, and whether they were measured: else they are weights.
function roundTrip(node) {
  const path = pathOf(node);
  if (path === "none" || path === "self") {
    return [null, false];
  }
  if (path === "udp" && isNumber(node.rtt_udp)) {
    return [node.rtt_udp, true];
  }
  if ((path === "udp" || path === "tcp") && isNumber(node.rtt_link)) {
    return [node.rtt_link, true];
  }
  return [isNumber(node.weight) ? node.weight / 1000 : null, false];
}

function milliseconds(seconds) {
  if (!isNumber(seconds)) {
    return UNKNOWN;
  }
  const value = seconds * 1000;
  return value < 99.95 ? `${value.toFixed(1)} ms` : value < 9999.5 ? `${value.toFixed(0)} ms` : `${(value / 1000).toFixed(0)} s`;
}

function roundTripText(node) {
  const [seconds, isMeasured] = roundTrip(node);
  if (seconds === null || isMeasured) {
    return milliseconds(seconds);
  }
  return `~${Math.round(seconds * 1000)} ms`;
}

function size(amount) {
  if (!isNumber(amount)) {
    return UNKNOWN;
  }
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  let value = amount;
  let unit = 0;
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit > 0 && value < 9.95 ? value.toFixed(1) : value.toFixed(0)} ${units[unit]}`;
}

function duration(seconds) {
  if (!isNumber(seconds)) {
    return UNKNOWN;
  }
  const value = Math.max(seconds, 0);
  for (const [unit, length, next] of [["s", 1, 120], ["min", 60, 7200], ["h", 3600, 172800]]) {
    if (value < next) {
      return `${Math.floor(value / length)} ${unit}`;
    }
  }
  return `${Math.floor(value / 86400)} d`;
}

// Milliseconds since 1970 of a time in a record, or null.
function moment(text) {
  const value = typeof text === "string" ? Date.parse(text) : NaN;
  return Number.isNaN(value) ? null : value;
}

function age(text, now) {
  const then = moment(text);
  return then === null ? null : Math.max(now - then, 0) / 1000;
}

function counted(amount, word) {
  return `${amount} ${word}${amount === 1 ? "" : "s"}`;
}

// The line below the name of the net.
function summaryOf(status, now) {
  const paths = status.nodes;
  const up = paths.known - paths.none;
  const words = [
    `${status.name}, ${status.mode} mode, up ${duration(age(status.started, now))}`,
    `${up} of ${counted(paths.known, "node")} reachable`,
    `${counted(status.links, "link")}, ${counted(status.edges, "edge")}, ${counted(status.subnets, "subnet")}`,
  ];
  if (status.reloaded !== null) {
    words.push(`reloaded ${duration(age(status.reloaded, now))} ago`);
  }
  return words.join(" · ");
}

// Problems as they are shown, to find whether anything is new.
function problemTexts(status, now) {
  return status.problems.map((problem) => [problem.severity, problem.node, problem.text, duration(age(problem.since, now))]);
}

// Problems of each code that are counted and not listed, as sentences.
function hiddenProblems(status) {
  const listed = new Map();
  for (const problem of status.problems) {
    listed.set(problem.code, (listed.get(problem.code) ?? 0) + 1);
  }
  const more = [];
  for (const [code, amount] of Object.entries(status.problem_counts ?? {})) {
    if (amount > (listed.get(code) ?? 0)) {
      more.push(`${amount - (listed.get(code) ?? 0)} more of ${code}`);
    }
  }
  return more;
}
