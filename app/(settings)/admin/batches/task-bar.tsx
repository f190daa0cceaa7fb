/** @file How many tasks of a batch are done, and how many wait for what. */
import type { Batch } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";

export function TaskBar({ tasks }: { tasks: Batch["progress"]["tasks"] }) {
  const { sampling, open, done, excluded } = tasks;
  const total = sampling + open + done;
  const waiting = [
    sampling > 0 && `${sampling.toLocaleString("en")} being sampled`,
    excluded > 0 && `${excluded.toLocaleString("en")} excluded`,
  ].filter(Boolean);
  return (
    <div className="min-w-36 pt-1.5">
      <progress
        className="block h-1.5 w-full"
        aria-label="Tasks done"
        max={Math.max(total, 1)}
        value={done}
      />
      <p className="mt-1 text-small">
        {done.toLocaleString("en")} of {plural(total, "task", "tasks")}
      </p>
      {waiting.length > 0 && <p className="text-small text-muted">{waiting.join(", ")}</p>}
    </div>
  );
}
