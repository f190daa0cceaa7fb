/** @file A labeler's demonstrations, with the rating and the note of whoever reviewed them. */
import Link from "next/link";
import { Moment } from "@/app/_components/moment";
import type { OwnDemonstration } from "@/app/_lib/api-types";
import { formatDuration } from "@/app/_lib/format";
import { Section } from "@/app/(settings)/_frame/section";

export function DemonstrationsSection({ demonstrations }: { demonstrations: OwnDemonstration[] }) {
  return (
    <Section title="Demonstrations" text="Answers you wrote. A lead who did not write them rates each 1-7.">
      {demonstrations.length === 0 ? (
        <p className="text-muted">
          None yet. “None acceptable” at a task asks you for the answer you would have wanted.
        </p>
      ) : (
        <ol className="max-w-[46rem] divide-y divide-line border-y border-line">
          {demonstrations.map(({ id, promptStart, submittedAt, activeMs, rating, isReturned, note }) => (
            <li key={id} className="flex items-start gap-4 py-2">
              <div className="min-w-0 grow">
                <p className="line-clamp-1 break-words">
                  {promptStart === "" ? "Erased with its owner’s data." : promptStart}
                </p>
                <p className="text-small text-muted">
                  <Moment at={submittedAt} /> · {formatDuration(activeMs / 1000)} active
                </p>
                {note !== "" && <p className="mt-1 whitespace-pre-wrap break-words">{note}</p>}
              </div>
              <p className="shrink-0 tabular">
                {isReturned ? (
                  <Link href="/label" className="font-medium text-accent underline underline-offset-2">
                    given back: write it again
                  </Link>
                ) : rating === null ? (
                  <span className="text-muted">not rated yet</span>
                ) : (
                  <span className="font-medium">{rating} of 7</span>
                )}
              </p>
            </li>
          ))}
        </ol>
      )}
    </Section>
  );
}
