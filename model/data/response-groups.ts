/** @file Prompts with several responses each, laid end to end so that a prompt is computed once for all of its responses. */

export type ResponseGroup = {
  prompt: readonly number[];
  /** At least one token each: what is read of a response is read at its last token. */
  responses: readonly (readonly number[])[];
};

/** Stretches of tokens beside each other and what they look at: see `AttentionBlock`. */
export type LaidOutBlock = {
  n: number;
  q: number;
  k: number;
  /** (n, q) */
  queries: BigInt64Array;
  /** (n, k) */
  keys: BigInt64Array;
  /** (n, q) */
  visible: BigInt64Array;
};

/** Of T tokens, the last of which is filling: nothing looks at it, and nothing is read of it. */
export type LaidOutGroups = {
  /** (T) */
  ids: BigInt64Array;
  /** (T) place within prompt and response */
  positions: BigInt64Array;
  /** (R) the last token of each response, group by group. */
  ends: BigInt64Array;
  blocks: LaidOutBlock[];
  /** Without the filling. */
  realTokens: number;
};

/** Tokens that look, at places [from, to) of the flat row, and how the places that they look at begin. */
type Stretch = { from: number; to: number; before: readonly Range[] };
type Range = { from: number; to: number };

export const tokensOf = ({ prompt, responses }: ResponseGroup): number =>
  prompt.length + responses.reduce((sum, { length }) => sum + length, 0);

/**
 * @param blockCount into how many blocks the stretches are sorted: each is filled up to its longest, so more blocks leave
 *   less filling
 */
export function layOutGroups(groups: readonly ResponseGroup[], blockCount: number): LaidOutGroups {
  const realTokens = groups.reduce((sum, group) => sum + tokensOf(group), 0);
  const filling = realTokens;
  const ids = new BigInt64Array(realTokens + 1);
  const positions = new BigInt64Array(realTokens + 1);
  const ends: bigint[] = [];
  const stretches: Stretch[] = [];
  let at = 0;
  const place = (tokens: readonly number[], position: number): Range => {
    const from = at;
    for (const [i, token] of tokens.entries()) {
      ids[at] = BigInt(token);
      positions[at++] = BigInt(position + i);
    }
    return { from, to: at };
  };
  for (const { prompt, responses } of groups) {
    const ofPrompt = place(prompt, 0);
    if (prompt.length > 0) stretches.push(...cutStretch(ofPrompt, []));
    for (const response of responses) {
      if (response.length === 0) throw new RangeError("A response has no token: it needs at least its end.");
      const ofResponse = place(response, prompt.length);
      stretches.push(...cutStretch(ofResponse, prompt.length > 0 ? [ofPrompt] : []));
      ends.push(BigInt(at - 1));
    }
  }
  const blocks = sortIntoBlocks(stretches, blockCount).map((each) => layOutBlock(each, filling));
  while (blocks.length < blockCount) blocks.push(emptyBlock(filling));
  return { ids, positions, ends: BigInt64Array.from(ends), blocks, realTokens };
}

/**
 * Of each token of each response, in order, the row of the token before it, which predicts it and at which its value is
 * read; and the token itself. The first token of a text without a prompt is predicted by nothing and left out.
 */
export function predictionRows(groups: readonly ResponseGroup[]): {
  places: BigInt64Array;
  labels: BigInt64Array;
} {
  const places: bigint[] = [];
  const labels: bigint[] = [];
  let at = 0;
  for (const { prompt, responses } of groups) {
    const promptEnd = at + prompt.length - 1;
    at += prompt.length;
    for (const response of responses) {
      for (const [i, token] of response.entries()) {
        if (i === 0 && prompt.length === 0) continue;
        places.push(BigInt(i === 0 ? promptEnd : at + i - 1));
        labels.push(BigInt(token));
      }
      at += response.length;
    }
  }
  return { places: BigInt64Array.from(places), labels: BigInt64Array.from(labels) };
}

/** How many rows `predictionRows` gives for a group. */
export const predictedTokens = ({ prompt, responses }: ResponseGroup): number =>
  responses.reduce((sum, { length }) => sum + length - (prompt.length === 0 ? 1 : 0), 0);

/** In order, each with as many groups as fit; a group by itself may be longer. */
export function cutIntoBatches<G extends ResponseGroup>(groups: readonly G[], mostTokens: number): G[][] {
  const batches: G[][] = [];
  let room = 0;
  for (const group of groups) {
    const tokens = tokensOf(group);
    const open = batches.at(-1);
    if (open && tokens <= room) open.push(group);
    else {
      batches.push([group]);
      room = mostTokens;
    }
    room -= tokens;
  }
  return batches;
}

/** A long text looks at its own beginning in pieces, so that less of what is multiplied is hidden. */
const longestStretch = 256;

function cutStretch({ from, to }: Range, before: readonly Range[]): Stretch[] {
  const count = Math.ceil((to - from) / longestStretch);
  const length = Math.ceil((to - from) / count);
  return Array.from({ length: count }, (_, i) => {
    const start = from + i * length;
    const own = start > from ? [{ from, to: start }] : [];
    return { from: start, to: Math.min(to, start + length), before: [...before, ...own] };
  });
}

const sizeOf = ({ from, to }: Range) => to - from;
const queriesOf = (stretch: Stretch) => sizeOf(stretch);
const keysOf = ({ before, ...own }: Stretch) =>
  before.reduce((sum, range) => sum + sizeOf(range), sizeOf(own));

/** Neighbours in length share a block: the cut into blocks that multiplies least, filling counted. */
function sortIntoBlocks(stretches: readonly Stretch[], blockCount: number): Stretch[][] {
  const sorted = stretches.toSorted((a, b) => queriesOf(b) - queriesOf(a) || keysOf(b) - keysOf(a));
  const count = sorted.length;
  /** By number of blocks, then by how many stretches they hold: the least cost, and where the last block begins. */
  let best = [{ cost: 0, cuts: [] as number[] }, ...Array.from({ length: count }, () => null)];
  for (let block = 0; block < Math.min(blockCount, count); block++) {
    best = Array.from({ length: count + 1 }, (_, to) => {
      let least: { cost: number; from: number } | null = null;
      let [mostQueries, mostKeys] = [0, 0];
      // Backwards, so that each longer block is one step from the one before; of equal ones the longest.
      for (let from = to - 1; from >= 0; from--) {
        const stretch = sorted[from];
        if (stretch) {
          mostQueries = Math.max(mostQueries, queriesOf(stretch));
          mostKeys = Math.max(mostKeys, keysOf(stretch));
        }
        const before = best[from];
        if (!before) continue;
        const cost = before.cost + (to - from) * mostQueries * mostKeys;
        if (least === null || cost <= least.cost) least = { cost, from };
      }
      return least && { cost: least.cost, cuts: [...(best[least.from]?.cuts ?? []), least.from] };
    }) as typeof best;
  }
  const cuts = [...(best[count]?.cuts ?? []), count];
  return cuts.slice(0, -1).map((from, i) => sorted.slice(from, cuts[i + 1]));
}

function layOutBlock(stretches: readonly Stretch[], filling: number): LaidOutBlock {
  const n = stretches.length;
  const q = Math.max(...stretches.map(queriesOf));
  const k = Math.max(...stretches.map(keysOf));
  const queries = new BigInt64Array(n * q).fill(BigInt(filling));
  const keys = new BigInt64Array(n * k).fill(BigInt(filling));
  const visible = new BigInt64Array(n * q).fill(1n);
  for (const [i, stretch] of stretches.entries()) {
    const own = { from: stretch.from, to: stretch.to };
    const before = keysOf(stretch) - sizeOf(own);
    for (let j = 0; j < sizeOf(own); j++) {
      queries[i * q + j] = BigInt(own.from + j);
      visible[i * q + j] = BigInt(before + j + 1);
    }
    let slot = i * k;
    for (const { from, to } of [...stretch.before, own]) {
      for (let row = from; row < to; row++) keys[slot++] = BigInt(row);
    }
  }
  return { n, q, k, queries, keys, visible };
}

function emptyBlock(filling: number): LaidOutBlock {
  const one = () => BigInt64Array.of(BigInt(filling));
  return { n: 1, q: 1, k: 1, queries: one(), keys: one(), visible: BigInt64Array.of(1n) };
}
