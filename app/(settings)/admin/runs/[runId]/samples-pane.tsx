/** @file What the run said at the step under the crosshair, beside what it said to the same prompt at first and says now. */
"use client";

import { Notice } from "@/app/_components/notice";
import type { TimelineRow } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { ExportLinks } from "./export-links";
import { samplesAt } from "./timeline-rows";
import { useTimeline } from "./use-timeline";

const kinds = ["sample"] as const;

type SamplesPaneProps = {
  runId: string;
  newRows: readonly TimelineRow[];
  /** Null: the newest. */
  step: number | null;
};

export function SamplesPane({ runId, newRows, step }: SamplesPaneProps) {
  const { rows, error, isPending } = useTimeline({ runId, kinds, newRows, limit: 500 });
  const { at, pairs, erased } = samplesAt(rows, step);
  return (
    <section
      aria-label="Samples"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be focusable (WCAG 2.1.1)
      tabIndex={0}
      className="min-w-0 xl:max-h-[44rem] xl:overflow-y-auto"
    >
      <h3 className="font-medium">
        Samples
        {at !== null && <span className="font-normal text-muted"> at step {at.toLocaleString("en")}</span>}
      </h3>
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      {at === null && !isPending && (
        <p className="mt-1 text-small text-muted">
          {rows.length === 0
            ? "What the policy answers as it learns will stand here, beside what it answered before."
            : "Nothing was sampled this early. Move the crosshair to the right."}
        </p>
      )}
      <ul className="mt-2 space-y-4">
        {pairs.map(({ prompt, before, then, now }) => (
          <li key={prompt} className="space-y-1.5 border-t border-line pt-2">
            <p className="line-clamp-4 text-small whitespace-pre-wrap text-muted">{prompt}</p>
            <div className={before || now ? "grid gap-3 sm:grid-cols-2" : ""}>
              {before && <Said title={`Step ${before.step}`} text={before.response} />}
              <Said title={`Step ${then.step}`} text={then.response} />
              {now && <Said title={`Now, step ${now.step}`} text={now.response} />}
            </div>
          </li>
        ))}
      </ul>
      {erased > 0 && (
        <p className="mt-3 text-small text-muted">
          {plural(erased, "sample was", "samples were")} erased with the data of the person whose words they
          held.
        </p>
      )}
      {rows.length > 0 && (
        <p className="mt-3">
          <ExportLinks runId={runId} content="samples" />
        </p>
      )}
    </section>
  );
}

function Said({ title, text }: { title: string; text: string }) {
  return (
    <div className="min-w-0">
      <p className="text-small font-medium">{title}</p>
      <p className="text-small whitespace-pre-wrap">{text === "" ? "(nothing)" : text}</p>
    </div>
  );
}
