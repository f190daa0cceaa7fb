/** @file “What made this?”: the policy that answered and what it came from, how it sampled, and what that cost. */
"use client";

import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { CopyButton } from "@/app/_components/copy-button";
import { Dialog } from "@/app/_components/dialog";
import { MeaningBadge } from "@/app/_components/meaning-badge";
import { Moment } from "@/app/_components/moment";
import { Pulse } from "@/app/_components/pulse";
import type { AnswerOrigin, Sampling, TeachingStep } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { formatMetric, plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";

type LineageDialogProps = { messageId: string; onClose: () => void };

export function LineageDialog({ messageId, onClose }: LineageDialogProps) {
  const trpc = useTRPC();
  const origin = useQuery(trpc.models.explainAnswer.queryOptions({ messageId }));
  return (
    <Dialog open onOpenChange={(open) => !open && onClose()} title="What made this?" wide>
      {origin.error && <p className="text-danger">{errorText(origin.error)}</p>}
      {origin.isPending && <Pulse>Looking it up…</Pulse>}
      {origin.data && <Origin origin={origin.data} />}
    </Dialog>
  );
}

const stageNames: Record<AnswerOrigin["lineage"][number]["stage"], string> = {
  base: "imported base",
  pretrain: "pretrained here",
  sft: "fine-tuned on demonstrations (SFT)",
  reward: "reward model",
  ppo: "trained by PPO on people's rankings",
};

function Origin({ origin }: { origin: AnswerOrigin }) {
  const { lineage, channel, sampling, promptTokens, responseTokens } = origin;
  return (
    <div className="space-y-5">
      <section aria-label="Lineage">
        <h3 className="font-medium">Lineage</h3>
        <ol className="mt-1 space-y-3">
          {lineage.map((checkpoint, index) => (
            <li key={checkpoint.id} className="border-l-2 border-line pl-3">
              <div className="flex flex-wrap items-center gap-x-3">
                <span className="font-medium">{checkpoint.name}</span>
                {index === 0 ? (
                  <MeaningBadge meaning={channel === "live" ? "live" : "candidate"}>
                    {describeChannel(channel)}
                  </MeaningBadge>
                ) : (
                  <MeaningBadge meaning="reference">came before</MeaningBadge>
                )}
              </div>
              <p className="text-small text-muted">
                {stageNames[checkpoint.stage]} · here since{" "}
                <Moment at={checkpoint.createdAt} withTime={false} />
                {checkpoint.run && ` · run ${checkpoint.run}`}
                {checkpoint.datasetSha256 && ` · dataset ${checkpoint.datasetSha256.slice(0, 12)}`}
                {checkpoint.sourceRevision && ` · source ${checkpoint.sourceRevision.slice(0, 12)}`}
              </p>
              <p className="flex items-center gap-1 text-small text-muted">
                <code className="font-mono">{checkpoint.id.slice(0, 16)}…</code>
                <CopyButton text={checkpoint.id} label="Copy the whole checkpoint id" />
              </p>
            </li>
          ))}
        </ol>
      </section>
      {origin.taught.length > 0 && <Taught steps={origin.taught} />}
      <section aria-label="Sampling">
        <h3 className="font-medium">Sampling</h3>
        <Facts facts={samplingFacts(sampling, origin.seed)} />
      </section>
      {origin.best && <BestOf best={origin.best} />}
      <section aria-label="Size and time">
        <h3 className="font-medium">Size and time</h3>
        <Facts
          facts={[
            ["Read", promptTokens === null ? "not known" : `${promptTokens.toLocaleString("en")} tokens`],
            [
              "Written",
              responseTokens === null ? "not known" : `${responseTokens.toLocaleString("en")} tokens`,
            ],
            ...(origin.droppedTurns > 0
              ? [["Left out", `${origin.droppedTurns} oldest messages`] satisfies Fact]
              : []),
            ...(origin.cutCharacters > 0
              ? [["Cut", `first ${origin.cutCharacters.toLocaleString("en")} characters`] satisfies Fact]
              : []),
            ...(origin.meanTokenProbability === null
              ? []
              : [
                  [
                    "How sure",
                    `${Math.round(origin.meanTokenProbability * 100)} % for a typical token`,
                  ] satisfies Fact,
                ]),
            ["Begun", <Moment key="begun" at={origin.createdAt} />],
            ...(origin.finishedAt
              ? [["Ended", <Moment key="ended" at={origin.finishedAt} />] satisfies Fact]
              : []),
          ]}
        />
      </section>
    </div>
  );
}

/** Numbers alone: who ranked is nobody's business. */
function Taught({ steps }: { steps: readonly TeachingStep[] }) {
  return (
    <section aria-label="What it learned from">
      <h3 className="font-medium">What it learned from</h3>
      <ol className="mt-1 space-y-3">
        {steps.map(({ checkpoint, run, snapshots, erasedRows }) => (
          <li key={checkpoint.id} className="border-l-2 border-line pl-3">
            <p>
              <span className="font-medium">{checkpoint.name}</span>{" "}
              <span className="text-small text-muted">
                {stageNames[checkpoint.stage]}, run {run}
              </span>
            </p>
            {snapshots.map((snapshot) => (
              <p key={snapshot.sha256} className="text-small tabular">
                {describeSnapshot(snapshot)}
              </p>
            ))}
            {erasedRows > 0 && (
              <p className="text-small text-people">
                {plural(erasedRows, "row of its data was", "rows of its data were")} erased since.
              </p>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

function describeSnapshot({
  rankings,
  labelers,
  guidelines,
  sha256,
}: TeachingStep["snapshots"][number]): string {
  const under =
    guidelines.length === 0
      ? ""
      : `, under ${guidelines.length === 1 ? "version" : "versions"} ${guidelines.join(", ")} of the instructions`;
  const snapshot = sha256 === null ? "" : ` · snapshot ${sha256.slice(0, 12)}`;
  return `${plural(rankings, "ranking", "rankings")} by ${plural(labelers, "labeler", "labelers")}${under}${snapshot}`;
}

function BestOf({ best: { of, score, rewardModel } }: { best: NonNullable<AnswerOrigin["best"]> }) {
  return (
    <section aria-label="Choice">
      <h3 className="font-medium">Choice</h3>
      <Facts
        facts={
          score === null
            ? [["Asked for", `the best of ${of}; they were not compared`]]
            : [
                ["Chosen", `the best of ${of} answers`],
                ["Score", formatMetric(score)],
                [
                  "Reward model",
                  rewardModel ? `${rewardModel.name} ${rewardModel.id.slice(0, 8)}` : "not known",
                ],
              ]
        }
      />
    </section>
  );
}

function describeChannel(channel: string | null): string {
  if (channel === "live") return "was live";
  if (channel === null) return "chosen by checkpoint";
  return channel === "live comparison" ? "compared with the live policy" : `tried on ${channel}`;
}

type Fact = [term: string, value: ReactNode];

function samplingFacts(sampling: Sampling, seed: number | null): Fact[] {
  const { temperature, topP, topK, minP, repetitionPenalty, maxTokens, stop } = sampling;
  return [
    ["Temperature", temperature],
    ["Top-p", topP === 1 ? "off" : topP],
    ["Top-k", topK === 0 ? "off" : topK],
    ["Min-p", minP === 0 ? "off" : minP],
    ["Repetition penalty", repetitionPenalty === 1 ? "off" : repetitionPenalty],
    ["Longest answer", `${maxTokens.toLocaleString("en")} tokens`],
    ...(stop.length > 0 ? [["Stops at", stop.join(" · ")] satisfies Fact] : []),
    ["Seed", seed ?? "not known"],
  ];
}

function Facts({ facts }: { facts: Fact[] }) {
  return (
    <dl className="tabular mt-1 grid grid-cols-[9rem_1fr] gap-x-4 gap-y-0.5">
      {facts.map(([term, value]) => (
        <div key={term} className="contents">
          <dt className="text-muted">{term}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
