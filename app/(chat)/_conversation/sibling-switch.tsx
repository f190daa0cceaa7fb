/** @file Which of several siblings is on screen (‹2/3›), and the way to the others. */
"use client";

import { IconButton } from "@/app/_components/button";

type SiblingSwitchProps = {
  /** What is switched: "question" or "answer". */
  kind: string;
  ids: string[];
  currentId: string;
  onChoose: (id: string) => void;
};

export function SiblingSwitch({ kind, ids, currentId, onChoose }: SiblingSwitchProps) {
  if (ids.length < 2) return null;
  const index = ids.indexOf(currentId);
  const before = ids[index - 1];
  const after = ids[index + 1];
  return (
    <span className="inline-flex items-center text-small text-muted">
      <IconButton
        icon="chevronLeft"
        label={`Previous ${kind}`}
        size={16}
        disabled={!before}
        onClick={() => before && onChoose(before)}
      />
      <span className="tabular" role="status" aria-label={`${kind} ${index + 1} of ${ids.length}`}>
        {index + 1}/{ids.length}
      </span>
      <IconButton
        icon="chevronRight"
        label={`Next ${kind}`}
        size={16}
        disabled={!after}
        onClick={() => after && onChoose(after)}
      />
    </span>
  );
}
