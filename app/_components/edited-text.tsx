/** @file What somebody changed in a text: words struck out and words added, in the place where each stands. */
import { diffWordsWithSpace } from "diff";

/** Texts with more changes than this have so little in common that marking it would mark everything. */
const mostChanges = 1_500;

export function EditedText({ from, to }: { from: string; to: string }) {
  const changes = diffWordsWithSpace(from, to, { maxEditLength: mostChanges });
  if (!changes) {
    return <p className="text-muted">The two have too little in common to show what was changed.</p>;
  }
  return (
    <div className="max-w-[46rem] whitespace-pre-wrap break-words leading-relaxed">
      {changes.map(({ value, added, removed }, index) =>
        added ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: the parts of one difference never change places
          <ins key={index} className="bg-mark decoration-2 underline-offset-2">
            {value}
          </ins>
        ) : removed ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: as above
          <del key={index} className="text-muted decoration-2">
            {value}
          </del>
        ) : (
          // biome-ignore lint/suspicious/noArrayIndexKey: as above
          <span key={index}>{value}</span>
        ),
      )}
    </div>
  );
}
