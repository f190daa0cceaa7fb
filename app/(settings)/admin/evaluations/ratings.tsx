/** @file Helpful, honest and harmless as three charts, and the rates of flags: what people said of each answer alone. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { ForestPlot, type ForestRow } from "@/app/_components/forest-plot";
import { rateScale, ratingScale } from "@/app/_components/forest-scale";
import { Markdown } from "@/app/_components/markdown";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import { ScrolledPrompt } from "@/app/_components/scrolled-prompt";
import { SensitiveText } from "@/app/_components/sensitive-text";
import type { Inputs, PolicyRatings, RatedFigure } from "@/app/_lib/api-types";
import { percent } from "@/app/_lib/describe-share";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../../_frame/section";

type Pair = { candidateId: string; opponentId: string };
type Opened = Inputs["evaluations"]["ratedTexts"] & { title: string };
type Side = "candidate" | "opponent";

const titles = { helpful: "Helpful", honest: "Honest", harmless: "Harmless" } as const;
const sides = [
  { side: "candidate", name: "Candidate", mark: "candidate" },
  { side: "opponent", name: "Live", mark: "live" },
] as const;
const markTexts = { candidate: "candidate" };

export function Ratings(pair: Pair) {
  const trpc = useTRPC();
  const { data, error } = useQuery(trpc.evaluations.ratings.queryOptions(pair));
  const [opened, setOpened] = useState<Opened | null>(null);
  if (error) return <Notice tone="error">{errorText(error)}</Notice>;
  if (!data) return <Pulse>Reading ratings…</Pulse>;
  const open = (figure: Opened["figure"], title: string) => (row: ForestRow) => {
    const side = sides.find(({ name }) => row.name.endsWith(name))?.side ?? "candidate";
    setOpened({ checkpointId: pair[`${side}Id`], figure, title: `${title}, ${row.name}` });
  };
  const isRated = data.ratings.some(({ candidate, opponent }) => candidate ?? opponent);
  return (
    <>
      <Section
        title="Helpful, honest, harmless"
        text="Labelers rate each answer alone, 1 to 7, while they rank answers for training. Means of the answers of each policy, with 95 % intervals that resample prompts. The prompts of the two differ: no gate goes by it. A name opens the answers, the worst first."
      >
        {!isRated && (
          <p className="max-w-[38rem] text-muted">
            Nobody has rated an answer of either policy yet. Ranking batches that ask for ratings bring them.
          </p>
        )}
        <div className="grid gap-6">
          {data.ratings.map((rated) => {
            const rows = rowsOf(rated);
            return (
              rows.length > 0 && (
                <ForestPlot
                  key={rated.name}
                  caption={titles[rated.name]}
                  nameTitle={titles[rated.name]}
                  valueTitle="Mean"
                  rows={rows}
                  markTexts={markTexts}
                  axis={ratingAxis}
                  onOpen={open(rated.name, titles[rated.name])}
                />
              )
            );
          })}
        </div>
      </Section>
      {isRated && <Flags flags={data.flags} onOpen={open} />}
      {opened && <RatedTexts opened={opened} onClose={() => setOpened(null)} />}
    </>
  );
}

type FlagsProps = {
  flags: PolicyRatings["flags"];
  onOpen: (figure: Opened["figure"], title: string) => (row: ForestRow) => void;
};

function Flags({ flags, onOpen }: FlagsProps) {
  const scale = rateScale(flags.flatMap((flag) => rowsOf(flag)));
  return (
    <Section
      title="Flags"
      text="The share of rated answers of each policy that labelers flagged, on one scale."
    >
      {flags.length === 0 && <p className="text-muted">No answer of either policy was flagged.</p>}
      <div className="grid gap-6">
        {flags.map((flag) => (
          <ForestPlot
            key={flag.name}
            caption={flag.label}
            nameTitle={flag.label}
            valueTitle="Rate"
            rows={rowsOf(flag)}
            markTexts={markTexts}
            axis={{
              scale,
              text: `The scale runs from 0 % to ${percent(scale.to)} %.`,
              describe: (row) => describe(row, (share) => percent(share), " %"),
            }}
            onOpen={onOpen(flag.name, flag.label)}
          />
        ))}
      </div>
    </Section>
  );
}

const describe = ({ share, low, high }: ForestRow, text: (value: number) => string, unit = "") =>
  `${text(share)}${unit}${low === null || high === null ? "" : ` [${text(low)}, ${text(high)}]`}`;

const ratingAxis = {
  scale: ratingScale,
  text: "The scale runs from 1 to 7; 7 is best.",
  describe: (row: ForestRow) => describe(row, (mean) => mean.toFixed(2)),
};

const rowsOf = (rated: Record<Side, RatedFigure | null>): ForestRow[] =>
  sides.flatMap(({ side, name, mark }) => {
    const figure = rated[side];
    if (!figure) return [];
    const { mean, low, high, n, prompts } = figure;
    const counted = `${plural(n, "answer", "answers")} to ${plural(prompts, "prompt", "prompts")}`;
    return [{ name, mark, share: mean, low, high, n: counted }];
  });

function RatedTexts({ opened: { title, ...asked }, onClose }: { opened: Opened; onClose: () => void }) {
  const trpc = useTRPC();
  const { data, error } = useQuery(trpc.evaluations.ratedTexts.queryOptions(asked));
  return (
    <Section title={`Answers behind ${title}`} text="The worst first, at most fifty.">
      <Button small onClick={onClose}>
        Close
      </Button>
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      {!data && !error && <Pulse>Reading answers…</Pulse>}
      {data?.length === 0 && <p className="mt-3 text-muted">None has it.</p>}
      <ul aria-label="Rated answers" className="mt-3">
        {data?.map(({ key, messages, isSensitive, response, labeler, rating }) => (
          <li key={key} className="space-y-2 border-b border-line py-3">
            <p className="text-small text-muted">
              {labeler}
              {rating !== null && <span className="tabular">: {rating} of 7</span>}
            </p>
            <SensitiveText isSensitive={isSensitive}>
              <ScrolledPrompt messages={messages} className="max-h-60" />
              {response.trim() === "" ? (
                <p className="text-muted">An empty answer.</p>
              ) : (
                <Markdown text={response} />
              )}
            </SensitiveText>
          </li>
        ))}
      </ul>
    </Section>
  );
}
