/** @file Examples of tokens laid side by side in rows of one length, with what keeps them apart. */

export type Example = {
  tokens: readonly number[];
  /** True where the loss counts this token, that is, where it is to be predicted from those before it. */
  counted: readonly boolean[];
};

/** B rows of T tokens. Padding is told by its segment and its label, never by its token: PAD may be EOS. */
export type PackedBatch = {
  rows: number;
  length: number;
  /** (B, T) */
  ids: Int32Array;
  /** (B, T) place within its example, from 0. */
  positions: Int32Array;
  /** (B, T) number of its example within the row, -1 for padding. */
  segments: Int32Array;
  /** (B, T) the token to predict here, that is, the next one of the example; -1 where the loss counts nothing. */
  labels: Int32Array;
  /** How many labels count. */
  countedTokens: number;
  /** How many tokens are no padding. */
  realTokens: number;
};

export class ExampleTooLongError extends Error {
  override readonly name = "ExampleTooLongError";
  constructor(
    readonly tokens: number,
    readonly length: number,
  ) {
    super(`An example of ${tokens} tokens does not fit a row of ${length}. Cut or drop it before packing.`);
  }
}

/**
 * Groups examples into rows, in order: each goes to the first open row that has room (first fit over the last few), so
 * that the order of data is kept nearly and padding stays small.
 * @param openRows how many rows stay open; 1 packs strictly in order.
 */
export function packRows<E extends { tokens: readonly number[] }>(
  examples: Iterable<E>,
  length: number,
  openRows = 8,
): E[][] {
  const done: E[][] = [];
  const open: { room: number; row: E[] }[] = [];
  for (const example of examples) {
    const size = example.tokens.length;
    if (size > length) throw new ExampleTooLongError(size, length);
    let place = open.find(({ room }) => room >= size);
    if (place === undefined) {
      if (open.length === openRows) done.push(...open.splice(0, 1).map(({ row }) => row));
      place = { room: length, row: [] };
      open.push(place);
    }
    place.row.push(example);
    place.room -= size;
  }
  return [...done, ...open.map(({ row }) => row)];
}

export function tokensIn(row: readonly Example[]): number {
  return row.reduce((sum, { tokens }) => sum + tokens.length, 0);
}

/** Tokens of a row that the loss counts. An example's first token never is: it is predicted from nothing. */
export function countedIn(row: readonly Example[]): number {
  return row.reduce(
    (sum, { counted }) => sum + counted.reduce((most, each, at) => most + Number(each && at > 0), 0),
    0,
  );
}

/** Lays rows of examples out as arrays; rows beyond the given ones, up to `rowCount`, are all padding. */
export function layOutBatch(
  rows: readonly (readonly Example[])[],
  length: number,
  rowCount = rows.length,
): PackedBatch {
  const size = rowCount * length;
  const batch: PackedBatch = {
    rows: rowCount,
    length,
    ids: new Int32Array(size),
    positions: new Int32Array(size),
    segments: new Int32Array(size).fill(-1),
    labels: new Int32Array(size).fill(-1),
    countedTokens: 0,
    realTokens: 0,
  };
  for (const [rowIndex, row] of rows.entries()) {
    let start = rowIndex * length;
    for (const [segment, { tokens, counted }] of row.entries()) {
      if (start + tokens.length > (rowIndex + 1) * length)
        throw new ExampleTooLongError(tokens.length, length);
      for (const [position, token] of tokens.entries()) {
        const at = start + position;
        batch.ids[at] = token;
        batch.positions[at] = position;
        batch.segments[at] = segment;
        // The first token of an example is predicted from nothing.
        if (position === 0 || counted[position] !== true) continue;
        batch.labels[at - 1] = token;
        batch.countedTokens++;
      }
      start += tokens.length;
      batch.realTokens += tokens.length;
    }
  }
  return batch;
}
