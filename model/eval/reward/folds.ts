/**
 * @file k-fold splits for reward models: every ranking is tested once, by a model that has seen neither its prompt nor,
 * where folds are of labelers, its labeler.
 */
import { permutation } from "../../random/permutation";

/** A ranking by place: which prompt (or whose prompts) it belongs to, and who made it. */
export type FoldItem = { prompt: string; labeler: string | null };
/** Places of the items. */
export type Fold = { training: number[]; heldOut: number[] };
export type FoldOptions = { folds: number; seed: number };

/**
 * Prompts are dealt into folds of nearly equal numbers of rankings. Give `prompt` a key that near-duplicates share, or the
 * owner's, so that those stay together.
 * @throws RangeError for fewer than two folds, or fewer prompts than folds
 */
export function foldsByPrompt(items: readonly FoldItem[], options: FoldOptions): Fold[] {
  const foldOf = deal(countBy(items.map(({ prompt }) => prompt)), options, "prompts");
  return Array.from({ length: options.folds }, (_, fold) => ({
    training: placesWhere(items, ({ prompt }) => foldOf.get(prompt) !== fold),
    heldOut: placesWhere(items, ({ prompt }) => foldOf.get(prompt) === fold),
  }));
}

/**
 * Labelers are dealt into groups; each group judges a model trained by the others, on prompts that this group did not
 * rank (InstructGPT, section 3.5: five groups, train on four). Rankings of nobody named take no part.
 * @throws RangeError for fewer than two folds, or fewer labelers than folds
 */
export function foldsByLabeler(items: readonly FoldItem[], options: FoldOptions): Fold[] {
  const named = items.flatMap(({ labeler }) => labeler ?? []);
  const foldOf = deal(countBy(named), options, "labelers");
  return Array.from({ length: options.folds }, (_, fold) => {
    const isOwn = ({ labeler }: FoldItem) => labeler !== null && foldOf.get(labeler) === fold;
    const judged = new Set(items.filter(isOwn).map(({ prompt }) => prompt));
    return {
      training: placesWhere(
        items,
        (item) => item.labeler !== null && !isOwn(item) && !judged.has(item.prompt),
      ),
      heldOut: placesWhere(items, isOwn),
    };
  });
}

function placesWhere(items: readonly FoldItem[], belongs: (item: FoldItem) => boolean): number[] {
  return items.flatMap((item, place) => (belongs(item) ? [place] : []));
}

function countBy(keys: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

/** Each key in a random order to the fold that has least: the same for the same keys, in whatever order they come. */
function deal(
  counts: ReadonlyMap<string, number>,
  { folds, seed }: FoldOptions,
  what: string,
): Map<string, number> {
  if (!Number.isInteger(folds) || folds < 2) throw new RangeError(`${folds} folds: at least two are needed.`);
  if (counts.size < folds) throw new RangeError(`${counts.size} ${what} cannot fill ${folds} folds.`);
  const keys = [...counts.keys()].toSorted();
  const sizes = new Array<number>(folds).fill(0);
  const foldOf = new Map<string, number>();
  for (const at of permutation(seed, 0, keys.length)) {
    const key = keys[at] ?? "";
    // The fewest rankings; of equal ones the first.
    const fold = sizes.indexOf(Math.min(...sizes));
    foldOf.set(key, fold);
    sizes[fold] = (sizes[fold] ?? 0) + (counts.get(key) ?? 0);
  }
  return foldOf;
}
