/** @file What was asked and said behind a figure, the worst first. */
"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Pulse } from "@/app/_components/pulse";
import { ScrolledPrompt } from "@/app/_components/scrolled-prompt";
import type { EvaluationView } from "@/app/_lib/api-types";
import { formatMetric } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../../../_frame/section";
import { PinButton } from "../../cases/pin-button";
import { figureText, variantTexts } from "./describe-suite";

type TranscriptsProps = {
  runId: string;
  suite: Pick<EvaluationView["suites"][number], "suite" | "title" | "variant" | "figures">;
  onClose: () => void;
};

const step = 50;

export function Transcripts({ runId, suite: { suite, title, variant, figures }, onClose }: TranscriptsProps) {
  const trpc = useTRPC();
  const [limit, setLimit] = useState(step);
  const read = useQuery(trpc.suites.transcripts.queryOptions({ runId, suite, variant, limit }));
  const main = figures[0]?.name ?? "";
  return (
    <Section title={`${title}, ${variantTexts[variant]}: what was said`} text="The worst first.">
      <Button onClick={onClose}>Close</Button>
      {read.isPending && <Pulse>Reading…</Pulse>}
      <ul aria-label="Transcripts" className="mt-3">
        {read.data?.transcripts.map(
          ({ position, caseId, messages, response, expected, values, isFinished }) => (
            <li key={position} className="border-b border-line py-3">
              <ScrolledPrompt messages={messages.slice(-1)} className="max-h-40" />
              <dl className="mt-2 grid gap-x-4 gap-y-1 md:grid-cols-[8rem_1fr]">
                <dt className="text-small text-muted">It said</dt>
                <dd className="whitespace-pre-wrap wrap-anywhere">
                  {response === "" ? <span className="text-muted">nothing</span> : response}
                  {isFinished === false && <span className="text-small text-muted"> (cut at the limit)</span>}
                </dd>
                <dt className="text-small text-muted">Expected</dt>
                <dd className="whitespace-pre-wrap wrap-anywhere">{expected}</dd>
                <dt className="text-small text-muted">{figureText(main)}</dt>
                <dd className="tabular">{formatMetric(values[main])}</dd>
              </dl>
              <div className="mt-2">
                {caseId !== null ? (
                  <Link
                    href={`/admin/cases/${caseId}`}
                    className="text-small underline underline-offset-2 hover:no-underline"
                  >
                    The case
                  </Link>
                ) : (
                  messages.at(-1)?.role === "user" && (
                    <PinButton origin={{ from: "transcript", runId, position }} reference={expected} />
                  )
                )}
              </div>
            </li>
          ),
        )}
      </ul>
      {(read.data?.total ?? 0) > limit && (
        <Button onClick={() => setLimit(limit + step)}>Show more of {read.data?.total}</Button>
      )}
    </Section>
  );
}
