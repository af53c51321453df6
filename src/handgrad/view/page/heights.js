// How high each thing of a rank lies, in a given order, so that edges are as level as can be: as
// handgrad.view.still.heights does it. Each rank is an isotonic regression: its members want to be at the weighted
// median of what their neighbours ask for, and keep their order and distance.

const TURNS = 6;
const IDLE = 1e-3;

// cells: {order, rank, height, isPlace}; links: {a, b, leaving, arriving, weight} with a left of b.
function settle(ranks, links) {
  const before = new Map(ranks.flat().map((cell) => [cell, []]));
  const after = new Map(ranks.flat().map((cell) => [cell, []]));
  for (const { a, b, leaving, arriving, weight } of links) {
    before.get(b).push({ other: a, offset: leaving - arriving, weight });
    after.get(a).push({ other: b, offset: arriving - leaving, weight });
  }
  const both = new Map(ranks.flat().map((cell) => [cell, [...before.get(cell), ...(cell.isPlace ? [] : after.get(cell))]]));
  for (const rank of ranks) lay(rank, rank.map(() => [{ at: 0, weight: 1 }]));
  const sweeps = [...Array(TURNS).fill([before, after]).flat(), before, ...Array(TURNS).fill(both)];
  for (const seen of sweeps)
    for (const rank of seen === after ? [...ranks].reverse() : ranks) lay(rank, rank.map((cell) => wishes(cell, seen.get(cell))));
}

function wishes(cell, neighbours) {
  if (!neighbours.length) return [{ at: cell.y, weight: IDLE }];
  return neighbours.map(({ other, offset, weight }) => ({ at: other.y + offset, weight }));
}

// Place a rank's cells where they want to be, or as near as the others let them.
function lay(rank, wanted) {
  const offsets = [0];
  for (let i = 1; i < rank.length; i++) offsets.push(offsets[i - 1] + rank[i - 1].height / 2 + gap(rank[i - 1], rank[i]) + rank[i].height / 2);
  const blocks = [];
  rank.forEach((cell, i) => {
    let pool = wanted[i].map(({ at, weight }) => ({ at: at - offsets[i], weight }));
    let count = 1;
    while (blocks.length && blocks.at(-1).at > median(pool)) {
      const last = blocks.pop();
      pool = [...last.pool, ...pool];
      count += last.count;
    }
    blocks.push({ at: median(pool), pool, count });
  });
  let i = 0;
  for (const { at, count } of blocks) for (const end = i + count; i < end; i++) rank[i].y = at + offsets[i];
}

const gap = (above, below) => (above.height > 2 && below.height > 2 ? 16 : 9);

// The height with as much weight above as below; the middle of all such heights.
function median(pool) {
  const sorted = [...pool].sort((a, b) => a.at - b.at);
  const half = sorted.reduce((sum, { weight }) => sum + weight, 0) / 2;
  let weight = 0;
  for (let i = 0; i < sorted.length; i++) {
    weight += sorted[i].weight;
    if (Math.abs(weight - half) < 1e-9 * half) return (sorted[i].at + sorted[i + 1].at) / 2;
    if (weight > half) return sorted[i].at;
  }
  return sorted.at(-1).at;
}
