// Where everything goes. Each open box is laid out by itself, by dagre, and is then one node of what it lies
// in; edges cross its border at ports, one for each array. So frames never overlap, and the main line is straight.

const MAIN = { value: 2, input: 1, parameter: 0, constant: 0 };
const PADDING = { x: 12, top: 24, bottom: 10 };

class Level {
  // recording: what to draw; box: the open box, -1 for the whole; drawn: sizes of nodes and labels.
  constructor(recording, box, nodes, drawn) {
    Object.assign(this, { recording, box, drawn, inner: new Map(), items: new Map(), edges: new Map(), entries: new Map(), exits: new Map() });
    for (const node of nodes) {
      const child = this.childOf(node.box);
      if (child === null) this.items.set(node.id, { id: node.id, node, ...drawn.sizeOf(node) });
      else this.inner.set(child, [...(this.inner.get(child) ?? []), node]);
    }
    for (const [child, inside] of this.inner) this.items.set(`g${child}`, { id: `g${child}`, level: new Level(recording, child, inside, drawn) });
  }

  // The box directly in this one that something in `box` lies in; null if it lies here itself.
  childOf(box) {
    if (box === this.box) return null;
    return this.recording.above(box).find((b) => b.parent === this.box)?.id;
  }

  has(node) {
    return node.box === this.box || this.inner.has(this.childOf(node.box));
  }

  itemOf(node) {
    const child = this.childOf(node.box);
    return child === null ? node.id : `g${child}`;
  }

  // Lay out what is inside: flows are arrays with the node that made each and the nodes that use it.
  layout(flows) {
    const passing = flows.filter((flow) => this.has(flow.from) || flow.ends.some((end) => this.has(end.node)));
    for (const flow of passing) this.addFlow(flow);
    for (const item of this.items.values()) if (item.level) this.enclose(item, passing);
    this.place();
    return this;
  }

  addFlow(flow) {
    const { array, from } = flow;
    const isHere = this.has(from);
    const inside = flow.ends.filter((end) => this.has(end.node));
    const source = isHere ? this.itemOf(from) : this.port(this.entries, `e${array.id}`, array);
    const groups = new Map(); // into a box an array goes once, to a rule as often as it is used there
    for (const end of inside) {
      const item = this.itemOf(end.node);
      if (item === source) continue;
      const place = end.node.kind === "op" && item === end.node.id ? `${item}.${end.use.slot}` : item;
      groups.set(place, { item, ends: [...(groups.get(place)?.ends ?? []), end] });
    }
    const isLabelled = isHere || groups.size > 1;
    for (const [place, { item, ends }] of groups) this.addEdge(source, item, array, ends, isLabelled, place);
    if (isHere && inside.length < flow.ends.length) this.addEdge(source, this.port(this.exits, `x${array.id}`, array), array, [], false);
  }

  port(ports, id, array) {
    ports.set(id, array);
    this.items.set(id, { id, isPort: true, width: 2, height: 2 });
    return id;
  }

  addEdge(from, to, array, ends, isLabelled, place = to) {
    const uses = ends.flatMap((end) => (end.use ? [end.use] : []));
    const edge = { id: `${this.box}:${from}-${place}-${array.id}`, from, to, array, uses };
    if (isLabelled) edge.label = this.drawn.labelOf(edge);
    this.edges.set(edge.id, edge);
  }

  // An open box as one item, its height even about the port of the main line.
  enclose(item, flows) {
    const { level } = item;
    level.layout(flows);
    item.width = level.width;
    item.middle = level.middle();
    item.height = 2 * Math.max(item.middle, level.height - item.middle);
  }

  middle() {
    const ports = [...this.entries, ...this.exits].map(([id, array]) => [array.role === "value" ? 0 : 1, this.items.get(id).y]);
    return ports.sort((a, b) => a[0] - b[0])[0]?.[1] ?? this.height / 2;
  }

  place() {
    const graph = new dagre.Graph({ multigraph: true });
    graph.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 20, edgesep: 10, marginx: 0, marginy: 0 });
    const aside = this.aside();
    const isLeaf = ({ node }) => node?.kind === "leaf";
    const inOrder = [...this.items.values()].sort((a, b) => isLeaf(a) - isLeaf(b));
    for (const { id, width, height } of inOrder) graph.setNode(id, { width, height });
    for (const { id, from, to, label } of this.edges.values()) {
      const { width, height } = label ?? { width: 0, height: 0 };
      graph.setEdge(from, to, { width, height, labelpos: "c", weight: aside.has(id) ? 1 : 3 }, id);
    }
    let heights;
    const customOrder = (ranked, order) => {
      order(ranked);
      arranged(ranked, this.edges, aside);
      heights = this.heights(ranked, aside);
    };
    dagre.layout(graph, { customOrder });
    this.take(graph, heights);
  }

  // The height of each node, and of each place of each edge, from left to right.
  heights(ranked, aside) {
    const cells = new Map(ranked.nodes().map((id) => [id, { id, ...ranked.node(id), isPlace: Boolean(ranked.node(id).edgeObj) }]));
    const ranks = [];
    for (const cell of cells.values()) (ranks[cell.rank] ??= []).push(cell);
    ranks.forEach((rank) => rank.sort((a, b) => a.order - b.order));
    const links = ranked.edges().map((edge) => {
      const name = (ranked.node(edge.v).edgeObj ?? ranked.node(edge.w).edgeObj ?? edge).name;
      const { array } = this.edges.get(name) ?? {};
      const weight = aside.has(name) ? 1 : 8;
      return { a: cells.get(edge.v), b: cells.get(edge.w), leaving: this.offset(edge.v, `x${array?.id}`), arriving: this.offset(edge.w, `e${array?.id}`), weight };
    });
    settle(ranks, links);
    const places = new Map();
    for (const cell of ranks.flat().filter((cell) => cell.isPlace)) {
      const { name } = cell.edgeObj;
      places.set(name, [...(places.get(name) ?? []), cell]);
    }
    const widths = ranks.map((rank) => Math.max(...rank.map((cell) => cell.width || 0)));
    return { of: (id) => cells.get(id).y, places, widths };
  }

  // How far from an item's middle an edge meets it.
  offset(id, port) {
    const item = this.items.get(id);
    return item?.level ? (item.level.items.get(port)?.y ?? item.middle) - item.middle : 0;
  }

  // The edges that may stand above or below the main one of what they lead to: of parameters, beside an input.
  aside() {
    const found = new Set();
    for (const { id } of this.items.values()) {
      const into = [...this.edges.values()].filter((edge) => edge.to === id);
      const best = Math.max(...into.map((edge) => MAIN[edge.array.role]));
      if (into.filter((edge) => MAIN[edge.array.role] === best).length > 1) continue;
      into.filter((edge) => MAIN[edge.array.role] < best).forEach((edge) => found.add(edge.id));
    }
    return found;
  }

  take(graph, heights) {
    for (const item of this.items.values()) Object.assign(item, { x: graph.node(item.id).x, y: heights.of(item.id) });
    for (const edge of this.edges.values()) {
      const { points, x } = graph.edge(edge.from, edge.to, edge.id);
      const places = heights.places.get(edge.id) ?? [];
      const label = places.find((place) => place.dummy === "edge-label") ?? places[0];
      Object.assign(edge, { x, y: label?.y ?? 0, points: through(points, places, heights.widths) });
    }
    this.trim();
    for (const edge of this.edges.values()) this.connect(edge);
  }

  // Move everything to begin at the padding, ports onto the border.
  trim() {
    const seen = [...this.items.values()].filter((item) => !item.isPort);
    const labels = [...this.edges.values()].filter((edge) => edge.label).map((edge) => ({ x: edge.x, y: edge.y, ...edge.label }));
    const all = [...seen.map((item) => this.extent(item)), ...labels.map(({ x, y, width, height }) => ({ left: x - width / 2, right: x + width / 2, top: y - height / 2, bottom: y + height / 2 }))];
    const ports = [...this.items.values()].filter((item) => item.isPort);
    const left = Math.min(...all.map((e) => e.left)) - PADDING.x;
    const top = Math.min(...all.map((e) => e.top), ...ports.map((p) => p.y)) - (this.box < 0 ? 8 : PADDING.top);
    this.width = Math.max(...all.map((e) => e.right)) + PADDING.x - left;
    this.height = Math.max(...all.map((e) => e.bottom), ...ports.map((p) => p.y)) + PADDING.bottom - top;
    if (this.box >= 0) this.width = Math.max(this.width, this.drawn.titleWidth(this.recording.boxes[this.box]));
    for (const item of this.items.values()) Object.assign(item, { x: item.x - left, y: item.y - top });
    for (const id of this.entries.keys()) this.items.get(id).x = 0;
    for (const id of this.exits.keys()) this.items.get(id).x = this.width;
    for (const edge of this.edges.values()) {
      Object.assign(edge, { x: edge.x - left, y: edge.y - top });
      edge.points = edge.points.map(({ x, y }) => ({ x: x - left, y: y - top }));
    }
  }

  // The rectangle that is seen: of an open box its frame, which need not be even about its middle.
  extent({ x, y, width, height, level, middle }) {
    const top = level ? y - middle : y - height / 2;
    return { left: x - width / 2, right: x + width / 2, top, bottom: top + (level ? level.height : height) };
  }

  // Let an edge begin and end where it should: at ports, at the sides of nodes.
  connect(edge) {
    const [from, to] = [this.items.get(edge.from), this.items.get(edge.to)];
    edge.points[0] = this.side(from, `x${edge.array.id}`, 1);
    edge.points[edge.points.length - 1] = this.side(to, `e${edge.array.id}`, -1);
  }

  side(item, port, which) {
    if (item.isPort) return { x: item.x, y: item.y };
    if (!item.level) return { x: item.x + (which * this.drawn.outlineOf(item.node).width) / 2, y: item.y };
    const inner = item.level.items.get(port);
    return { x: item.x + (which * item.width) / 2, y: item.y - item.middle + (inner?.y ?? item.middle) };
  }

  // Everything at its place in the whole picture.
  *placed(dx = 0, dy = 0) {
    for (const item of this.items.values()) {
      const at = { ...this.extent(item), x: item.x + dx, y: item.y + dy };
      if (item.level) {
        const top = at.top + dy;
        yield { frame: this.recording.boxes[item.level.box], left: at.left + dx, top, width: item.level.width, height: item.level.height };
        yield* item.level.placed(at.left + dx, top);
      } else if (item.node) yield { node: item.node, x: at.x, y: at.y };
    }
    for (const edge of this.edges.values()) {
      const points = edge.points.map(({ x, y }) => ({ x: x + dx, y: y + dy }));
      yield { edge, points, x: edge.x + dx, y: edge.y + dy };
    }
  }
}

// The points of an edge: level through each rank, however wide what else stands in it; it turns in between.
function through(points, places, widths) {
  const [first, last] = [points[0], points.at(-1)];
  const inner = places.flatMap(({ rank, y }, i) => [-1, 1].map((side) => ({ x: points[i + 1].x + (side * widths[rank]) / 2, y })));
  return [{ ...first }, ...inner, { ...last }];
}

// In each rank, put the edges that may stand aside around the main one, and inputs side by side in their order.
function arranged(graph, edges, aside) {
  const ranks = new Map();
  for (const id of graph.nodes()) {
    const { rank, order } = graph.node(id);
    if (typeof rank === "number") ranks.set(rank, [...(ranks.get(rank) ?? []), { id, order }]);
  }
  for (const rank of ranks.values()) {
    const ids = rank.sort((a, b) => a.order - b.order).map(({ id }) => id);
    gathered(graph, inOrder(graph, ids, edges, aside), edges, aside).forEach((id, order) => (graph.node(id).order = order));
  }
}

// The edge that a node of a rank is a place of, or the only edge of a leaf.
function edgeAt(graph, id) {
  const { edgeObj } = graph.node(id);
  if (edgeObj) return edgeObj;
  const out = graph.outEdges(id);
  if (out.length !== 1 || graph.inEdges(id).length) return null;
  return graph.node(out[0].w).edgeObj ?? out[0];
}

const slotOf = ({ uses: [use] }) => (use ? 1000 * use.op + use.slot : Infinity);

function grouped(graph, ids, edges, belongs) {
  const groups = new Map();
  for (const id of ids) {
    const at = edgeAt(graph, id);
    const edge = at && edges.get(at.name);
    if (edge && belongs(edge)) groups.set(edge.to, [...(groups.get(edge.to) ?? []), { id, slot: slotOf(edge) }]);
  }
  for (const group of groups.values()) group.sort((a, b) => a.slot - b.slot);
  return groups;
}

// Leaves that are one rule's equal inputs, from the first one down.
function inOrder(graph, ids, edges, aside) {
  const found = [...ids];
  for (const group of grouped(graph, ids, edges, (edge) => !aside.has(edge.id) && edge.array.role !== "value").values()) {
    const places = group.map(({ id }) => ids.indexOf(id)).sort((a, b) => a - b);
    group.forEach(({ id }, i) => (found[places[i]] = id));
  }
  return found;
}

// Half of what may stand aside above the main edge, half below; one alone on its own side.
function gathered(graph, ids, edges, aside) {
  const groups = grouped(graph, ids, edges, (edge) => aside.has(edge.id));
  const moved = new Set([...groups.values()].flat().map(({ id }) => id));
  const found = ids.filter((id) => !moved.has(id));
  for (const [target, group] of groups) {
    const own = group.map(({ id }) => id);
    const main = found.findIndex((id) => graph.node(id).edgeObj?.w === target || leadsTo(graph, id, target));
    if (main < 0) {
      found.splice(Math.min(ids.indexOf(own[0]), found.length), 0, ...own);
      continue;
    }
    const edge = edges.get((edgeAt(graph, found[main]) ?? {}).name);
    const above = own.length === 1 ? Number(edge && group[0].slot < slotOf(edge)) : Math.ceil(own.length / 2);
    found.splice(main, 1, ...own.slice(0, above), found[main], ...own.slice(above));
  }
  return found;
}

const leadsTo = (graph, id, target) => (graph.successors(id) ?? []).some((next) => next === target || graph.node(next).edgeObj?.w === target);
