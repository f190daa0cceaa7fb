/** @file Checkpoints as a family: each under the one it was trained from. Knows no server. */

type Member = { id: string; parentId: string | null };

/** Roots in the order given, each followed by what was trained from it; `depth` 0 for roots. */
export function orderByLineage<C extends Member>(
  checkpoints: readonly C[],
): { checkpoint: C; depth: number }[] {
  const known = new Set(checkpoints.map(({ id }) => id));
  const children = new Map<string, C[]>();
  const roots: C[] = [];
  for (const checkpoint of checkpoints) {
    const { parentId } = checkpoint;
    // A parent whose files are gone is not listed; what came from it stands at the top.
    if (parentId === null || !known.has(parentId)) roots.push(checkpoint);
    else children.set(parentId, [...(children.get(parentId) ?? []), checkpoint]);
  }
  const placed: { checkpoint: C; depth: number }[] = [];
  const place = (checkpoint: C, depth: number) => {
    placed.push({ checkpoint, depth });
    for (const child of children.get(checkpoint.id) ?? []) place(child, depth + 1);
  };
  for (const root of roots) place(root, 0);
  return placed;
}
