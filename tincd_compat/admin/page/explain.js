// The dialog with the explanation of a node or an address.

const CHECK_WORDS = new Map([["ok", "✔ ok"], ["here", "✖ here"], ["skipped", "– skipped"]]);

function pair(title, value) {
  return value === null || value === undefined || value === UNKNOWN || value === "" ? [] : [make("dt", {}, title), make("dd", {}, value)];
}

function part(title, ...children) {
  return children.length === 0 ? [] : [make("h3", {}, title), ...children];
}

function facts(node, now) {
  const address = node.address === null ? null : `${node.address.host} port ${node.address.port}`;
  const key = node.key === null ? null : `${node.key.cipher}, ${node.key.digest}, ${node.key.mac_length} bytes of it; ${duration(age(node.key.since, now))} old`;
  const more = node.subnet_count - node.subnets.length;
  const subnets = node.subnets.join(", ") + (more > 0 ? ` and ${more} more` : "");
  const path = pathOf(node);
  return make(
    "dl",
    {},
    make("dt", {}, "Path"),
    make("dd", {}, shape(path), `${wayOf(node)}: ${PATHS.get(path)[1]}`),
    ...pair("Since", duration(age(node.since, now))),
    ...pair("Round trip", roundTripText(node)),
    ...pair("MTU", node.mtu === null ? null : `${node.mtu} bytes`),
    ...pair("Address", address),
    ...pair("Sent, received", node.sent === null && node.received === null ? null : `${size(node.sent?.bytes)}, ${size(node.received?.bytes)}`),
    ...pair("Last packet", node.last_packet === null ? null : `${duration(age(node.last_packet, now))} ago`),
    ...pair("Key", key),
    ...pair("Subnets", subnets),
  );
}

function checksOf(explanation) {
  const rows = explanation.checks.map((check) =>
    make("li", {}, make("span", { class: CHECK_WORDS.has(check.result) ? check.result : "" }, CHECK_WORDS.get(check.result) ?? check.result), make("span", {}, check.text)),
  );
  return make("ul", { class: "checks" }, ...rows);
}

function causeOf(explanation) {
  const cause = explanation.cause;
  if (cause === null) {
    return make("p", { class: "ok" }, "✔ Nothing is wrong with the way of packets there.");
  }
  const box = make("div", { class: "cause" }, make("p", {}, cause.text));
  if (explanation.command !== null) {
    box.append(make("p", {}, "Look there: ", make("code", {}, explanation.command)));
  }
  return box;
}

function fallbackOf(explanation) {
  const fallback = explanation.fallback;
  if (fallback === null) {
    return [];
  }
  const words = fallback.nexthop === null
    ? "If this link breaks, there is no other way."
    : `If this link breaks: through ${fallback.nexthop}, weight ${fallback.weight} instead of ${explanation.weight}.`;
  return [make("p", {}, words)];
}

function showExplanation(explanation, node, now) {
  const address = explanation.subnet === null ? [] : [make("p", {}, `${explanation.to} is in ${explanation.subnet} of ${explanation.node}.`)];
  const way = explanation.way.length > 1 ? [make("p", {}, explanation.way.join(" → "))] : [];
  const events = explanation.events.map((event) => make("li", {}, timeOf(event.at, now), ` ${event.text}`));
  setText($("explanation-title"), explanation.to);
  $("explanation-body").replaceChildren(
    ...address,
    causeOf(explanation),
    ...(node === undefined ? [] : part("The node", facts(node, now))),
    ...part("The way", ...way, ...fallbackOf(explanation)),
    ...part("What was looked at", checksOf(explanation)),
    ...(events.length === 0 ? [] : part("Before", make("ul", {}, ...events))),
    make("p", { class: "quiet" }, "The route of the kernel is looked at by ", make("code", {}, `tincd-compat explain ${explanation.to}`), " on the host."),
  );
}

function showWords(target, style, text) {
  setText($("explanation-title"), target);
  $("explanation-body").replaceChildren(make("p", { class: style }, text));
}
