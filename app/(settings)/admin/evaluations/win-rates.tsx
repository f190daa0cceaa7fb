/** @file How often a candidate is preferred to its opponent: by judge, by slice, and the texts behind each figure. */
"use client";

import { useMutation, useQueries, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Button } from "@/app/_components/button";
import { SelectField } from "@/app/_components/field";
import { ForestPlot } from "@/app/_components/forest-plot";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import { useToast } from "@/app/_components/toast";
import type { JudgeKey, ModelJudge, PolicySlice, WinRate } from "@/app/_lib/api-types";
import { describeShare } from "@/app/_lib/describe-share";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../../_frame/section";
import { describeDecision, isOfPeople, judgeRows, sliceName, toRow } from "./describe-win-rate";
import { Transcripts } from "./transcripts";

type WinRatesProps = {
  candidateId: string;
  opponentId: string;
  /** People whose judgments are left out: those who ask for a promotion, and those who approve it. */
  without?: string[];
  /** Whether this person may have a judge asked again. */
  mayManage?: boolean;
};

type NamedRate = { key: string; name: string; rate: WinRate };

const peopleInChat = "People in chat";
/** Reading again while judgments come in. */
const refetchInterval = 15_000;
const tieRule =
  "A tie and “both bad” count as half a win for each; two equal answers are a tie that nobody is asked about. Intervals hold however often one looks. People in chat chose between two drafts while they asked; gates go by labelers alone.";

export function WinRates({ candidateId, opponentId, without = [], mayManage = false }: WinRatesProps) {
  const trpc = useTRPC();
  const pair = { candidateId, opponentId };
  const comparison = useQuery(trpc.evaluations.comparison.queryOptions(pair, { refetchInterval }));
  const judges = judgesOf(comparison.data?.judges ?? [], (comparison.data?.chosen ?? 0) > 0);
  const rates = useQueries({
    queries: judges.map(({ judge }) =>
      trpc.evaluations.winRate.queryOptions({ ...pair, judge, without }, { refetchInterval }),
    ),
  });
  const named = judges.flatMap(({ name, key }, at): NamedRate[] => {
    const rate = rates[at]?.data;
    return rate ? [{ key, name, rate }] : [];
  });
  const error = comparison.error ?? rates.find((each) => each.error)?.error;
  if (error) return <Notice tone="error">{errorText(error)}</Notice>;
  if (named.length < judges.length || !comparison.data) return <Pulse>Counting judgments…</Pulse>;
  return (
    <>
      <ByJudge named={named}>
        <JudgingNotices judges={comparison.data.judges} pair={mayManage ? pair : null} />
      </ByJudge>
      <Behind {...pair} named={named.filter(({ rate }) => rate.overall !== null)} without={without} />
    </>
  );
}

type NamedJudge = { key: string; name: string; judge: JudgeKey };

function judgesOf(models: readonly ModelJudge[], areChosen: boolean): NamedJudge[] {
  return [
    { key: "labelers", name: "Labelers", judge: { kind: "labelers" } },
    ...(areChosen ? [{ key: "people", name: peopleInChat, judge: { kind: "people" } as const }] : []),
    ...models.map(({ name, judge }) => ({
      key: judge.kind === "rewardModel" ? judge.rewardModelId : `endpoint ${name}`,
      name,
      judge,
    })),
  ];
}

function ByJudge({ named, children }: { named: readonly NamedRate[]; children: ReactNode }) {
  const labelers = named[0]?.rate;
  const rows = named.flatMap(({ name, rate }) => judgeRows(name, rate));
  return (
    <Section title="Win rate" text={tieRule}>
      {labelers?.overall ? (
        <p className="mb-3">
          <span className="text-title tabular">
            {describeShare({ ...labelers.overall, share: labelers.overall.estimate })}
          </span>{" "}
          <span className="text-muted">{describeDecision(labelers.overall)}</span>
        </p>
      ) : (
        <p className="mb-3 max-w-[38rem] text-muted">
          {labelers && labelers.prompts > 0
            ? `No labeler has judged yet: ${plural(labelers.prompts, "prompt has", "prompts have")} both answers and wait in their queue.`
            : "Both policies are still being asked: judging begins when the first prompt has its two answers."}
        </p>
      )}
      {rows.length > 0 && (
        <ForestPlot
          caption="Win rate of the candidate by judge"
          nameTitle="Judge"
          valueTitle="Win rate"
          rows={rows}
          markTexts={{ reference: "models that judge" }}
        />
      )}
      {children}
    </Section>
  );
}

type JudgingNoticesProps = {
  judges: readonly ModelJudge[];
  /** For who may have a judge asked again; else null. */
  pair: { candidateId: string; opponentId: string } | null;
};

function JudgingNotices({ judges, pair }: JudgingNoticesProps) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const asking = useMutation(
    trpc.evaluations.askAgain.mutationOptions({
      onSuccess: ({ pairs }) =>
        toast({
          text:
            pairs > 0
              ? `${plural(pairs, "pair waits", "pairs wait")} again.`
              : "None is in an open evaluation.",
        }),
      onError: (error) => toast({ text: errorText(error), isError: true }),
      onSettled: () => queries.invalidateQueries({ queryKey: trpc.evaluations.pathKey() }),
    }),
  );
  const { data } = useQuery(trpc.evaluations.hindrances.queryOptions(undefined, { refetchInterval }));
  return (
    <ul className="mt-3 space-y-2 text-small text-muted">
      {judges.map(({ judge, name, judged, waiting, faults }) => {
        const hindrance = data?.find(
          ({ modelId }) => modelId === (judge.kind === "rewardModel" ? judge.rewardModelId : name),
        );
        return (
          <li key={`${judge.kind} ${name}`}>
            {name}: {plural(judged, "pair", "pairs")} judged
            {waiting > 0 && `, ${waiting.toLocaleString("en")} waiting`}
            {faults.count > 0 &&
              `, ${faults.count.toLocaleString("en")} left out because they could not be judged. The newest: ${faults.newest}`}
            {pair && judge.kind === "endpoint" && faults.count > 0 && (
              <Button
                small
                className="ml-2"
                busy={asking.isPending}
                aria-label={`Ask ${name} again`}
                onClick={() => asking.mutate({ ...pair, name })}
              >
                Ask again
              </Button>
            )}
            {hindrance && <Notice tone="warning">It cannot judge now: {hindrance.message}</Notice>}
          </li>
        );
      })}
    </ul>
  );
}

type BehindProps = {
  candidateId: string;
  opponentId: string;
  named: readonly NamedRate[];
  without: string[];
};

/** Slices and texts of one judge. */
function Behind({ named, ...pair }: BehindProps) {
  const [key, setKey] = useState("labelers");
  const [slice, setSlice] = useState<PolicySlice | null>(null);
  const chosen = named.find((each) => each.key === key) ?? named[0];
  if (!chosen) return null;
  const { rate } = chosen;
  const { slices, worstSlice } = rate;
  return (
    <>
      <Section
        title="Where it wins and loses"
        text="Prompts told apart by what is known of them. Where one kind holds all of them it is not listed."
      >
        {named.length > 1 && (
          <div className="mb-3 max-w-64">
            <SelectField label="Judge" value={chosen.key} onChange={({ target }) => setKey(target.value)}>
              {named.map((each) => (
                <option key={each.key} value={each.key}>
                  {each.name}
                </option>
              ))}
            </SelectField>
          </div>
        )}
        {worstSlice && (
          <p className="mb-3 max-w-[44rem]">
            Worst: {sliceName(worstSlice)},{" "}
            <span className="tabular">
              {describeShare({ ...worstSlice.figure, share: worstSlice.figure.estimate })}
            </span>
            <span className="text-muted">
              . Its interval allows for having looked at {plural(worstSlice.of, "slice", "slices")} of 20
              prompts or more.
            </span>
          </p>
        )}
        {slices.length === 0 ? (
          <p className="text-muted">All judged prompts are of one kind so far.</p>
        ) : (
          <ForestPlot
            caption={`Win rate by slice, judged by ${chosen.name}`}
            nameTitle="Prompts"
            valueTitle="Win rate"
            rows={slices.map((each) =>
              toRow(sliceName(each), each.figure, isOfPeople(rate.judge) ? "people" : "reference"),
            )}
            markTexts={{ reference: "models that judge" }}
          />
        )}
      </Section>
      <Transcripts
        {...pair}
        key={chosen.key}
        judge={rate.judge}
        judgeName={chosen.name}
        slices={slices}
        slice={slice}
        onSlice={setSlice}
      />
    </>
  );
}
