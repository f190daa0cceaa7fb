/** @file What people make of a new policy so far, beside what they made of the one before. */
import { Moment } from "@/app/_components/moment";
import type { WatchedPolicy } from "@/app/_lib/api-types";

export function WatchList({ watched }: { watched: WatchedPolicy }) {
  const { findings, since, until, policy, before } = watched;
  const isEmpty = policy.errors.n === 0 || before.errors.n === 0;
  return (
    <>
      {isEmpty && (
        <p className="tabular">
          Nothing to compare with yet: {policy.errors.n} answers by it, {before.errors.n} by the other.
        </p>
      )}
      <ul className="space-y-0.5">
        {(isEmpty ? [] : findings).map(({ what, says, eValue, limit }) => (
          <li key={what} className="tabular">
            {says}
            {eValue !== null && (
              <span className="text-small text-muted">
                {" "}
                · evidence that it is worse: {eValue.toPrecision(2)} of {limit.toFixed(0)}
              </span>
            )}
          </li>
        ))}
      </ul>
      <p className="mt-1 text-small text-muted">
        Since <Moment at={since} />
        {until && (
          <>
            , until <Moment at={until} />
          </>
        )}
        . One thumb a conversation counts.
      </p>
    </>
  );
}
