/** @file What an evaluation measured: figures beside those of its forebears, how it behaves, and what was said behind each figure. */
"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useEffect, useState } from "react";
import { type Column, DataTable } from "@/app/_components/data-table";
import { Pulse } from "@/app/_components/pulse";
import type { EvaluationView } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../../../_frame/section";
import { describeDelta, describeFigure, figureText, isWorse, percent, variantTexts } from "./describe-suite";
import { SlopeChart } from "./slope-chart";
import { Transcripts } from "./transcripts";

type Suite = EvaluationView["suites"][number];

const keyOf = ({ suite, variant }: Pick<Suite, "suite" | "variant">) => `${suite} ${variant}`;

/** Of a run of the stage eval; looks again until it has measured, or is over. */
export function EvaluationSection({ runId, isOver }: { runId: string; isOver: boolean }) {
  const trpc = useTRPC();
  const evaluation = useQuery(
    trpc.suites.ofRun.queryOptions(
      { runId },
      { refetchInterval: ({ state }) => (isOver || state.data ? false : 3_000) },
    ),
  );
  const { refetch } = evaluation;
  // It measures in its last moments: what was read before it ended may be too old.
  useEffect(() => {
    if (isOver) void refetch({ cancelRefetch: false });
  }, [isOver, refetch]);
  if (evaluation.isPending) return <Pulse>Reading what was measured…</Pulse>;
  if (!evaluation.data)
    return (
      <p className="mt-6 text-muted">
        {isOver
          ? "It ended before it had measured anything."
          : "Figures stand here when all items are answered."}
      </p>
    );
  return <EvaluationFigures view={evaluation.data} />;
}

export function EvaluationFigures({ view }: { view: EvaluationView }) {
  const [shown, setShown] = useState<Suite | null>(null);
  const { suites, against, parity, run } = view;
  return (
    <>
      <Section
        title="Suites"
        text={`Measured as served (${view.precision}); 95 % intervals, items resampled. Differences are taken item by item.`}
      >
        <DataTable
          caption="Figures by suite"
          columns={columnsOf(view, setShown)}
          rows={suites}
          rowKey={keyOf}
        />
        {suites.some(({ metric }) => metric === "toxicity") && (
          <p className="mt-2 max-w-[44rem] text-small text-muted">
            Toxicity is told by a list of English words and phrases: it finds what is said outright, misses
            what is said politely or in another language, and strikes where such words are quoted. Read the
            answers, the worst first, before believing a difference.
          </p>
        )}
        {against.length === 0 && (
          <p className="mt-2 text-small text-muted">
            Evaluate the checkpoints it came from, or the live one, to see what training changed.
          </p>
        )}
      </Section>
      {against.length > 0 && <SlopeChart view={view} />}
      {shown && <Transcripts runId={run.id} suite={shown} onClose={() => setShown(null)} />}
      <Section
        title="Behaviour"
        text="Of the responses to these suites. Refusals are told by their phrases: an estimate."
      >
        <DataTable
          caption="Behaviour by suite"
          columns={behaviourColumns}
          rows={suites.filter(({ behaviour }) => behaviour !== null)}
          rowKey={keyOf}
        />
      </Section>
      {parity && (
        <Section
          title="Served form"
          text="The served weights against the exact ones, on responses of its own."
        >
          <p>
            A token’s log-probability is <strong className="tabular">{parity.meanGap.toFixed(4)}</strong> nats
            off on average, <span className="tabular">{parity.largestGap.toFixed(3)}</span> at most, over{" "}
            {parity.tokens} tokens of {parity.responses} responses.
            {parity.effectKept !== null && ` ${percent(parity.effectKept)} of what training changed is left.`}
          </p>
        </Section>
      )}
    </>
  );
}

function columnsOf({ against }: EvaluationView, onShow: (suite: Suite) => void): Column<Suite>[] {
  return [
    {
      title: "Suite",
      cell: (suite) => (
        <button
          type="button"
          className="text-left underline underline-offset-2 hover:no-underline"
          onClick={() => onShow(suite)}
        >
          {suite.title}
          <span className="block text-small text-muted">
            {variantTexts[suite.variant]}, {plural(suite.itemCount, "item", "items")}
          </span>
        </button>
      ),
    },
    {
      title: "This checkpoint",
      isNumber: true,
      cell: (suite) => (
        <>
          {suite.figures.map((figure) => (
            <span key={figure.name} className="block">
              <span className="text-small text-muted">{figureText(figure.name)}</span>{" "}
              {describeFigure(figure, suite.metric)}
            </span>
          ))}
        </>
      ),
    },
    ...against.map(
      (other): Column<Suite> => ({
        title: `${other.isLive ? "live: " : ""}${other.checkpoint.name} (${other.checkpoint.stage}, run ${other.run.number})`,
        isNumber: true,
        cell: (suite) => {
          const delta = other.deltas.find((each) => keyOf(each) === keyOf(suite));
          const figure = other.suites.find((each) => keyOf(each) === keyOf(suite))?.figures[0];
          if (!delta || !figure) return <span className="text-muted">not measured</span>;
          return (
            <>
              <span className="block">{describeFigure(figure, suite.metric)}</span>
              <span
                className={isWorse(delta.difference, suite.metric) ? "block text-danger" : "block text-muted"}
              >
                {isWorse(delta.difference, suite.metric) && "worse by "}
                {describeDelta(delta.difference, suite.metric)}
              </span>
            </>
          );
        },
      }),
    ),
  ];
}

const behaviourColumns: Column<Suite>[] = [
  { title: "Suite", cell: ({ title, variant }) => `${title}, ${variantTexts[variant]}` },
  { title: "Tokens", isNumber: true, cell: ({ behaviour }) => behaviour?.responseTokens.toFixed(0) },
  { title: "Ended", isNumber: true, cell: ({ behaviour }) => percent(behaviour?.endedShare ?? 0) },
  { title: "Refused", isNumber: true, cell: ({ behaviour }) => percent(behaviour?.refusedShare ?? 0) },
  { title: "Repeated", isNumber: true, cell: ({ behaviour }) => percent(behaviour?.repetition ?? 0) },
  { title: "Empty", isNumber: true, cell: ({ behaviour }) => percent(behaviour?.emptyShare ?? 0) },
];

/** For a page that shows a checkpoint: its newest evaluation, or how to get one. */
export function LastEvaluation({ checkpointId }: { checkpointId: string }) {
  const trpc = useTRPC();
  const evaluation = useQuery(trpc.suites.ofCheckpoint.queryOptions({ checkpointId }));
  if (evaluation.isPending) return <Pulse>Reading what was measured…</Pulse>;
  if (!evaluation.data)
    return (
      <p className="mt-6 text-muted">
        It has not been measured on task suites yet.{" "}
        <Link
          href={`/admin/runs/new?stage=eval&base=${checkpointId}`}
          className="text-fg underline underline-offset-2 hover:no-underline"
        >
          Evaluate it
        </Link>
      </p>
    );
  return <EvaluationFigures view={evaluation.data} />;
}
