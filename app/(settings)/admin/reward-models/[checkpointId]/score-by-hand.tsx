/** @file Any response to any prompt, scored on the spot, with what the model would say at each of its tokens. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { TextArea } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import type { ResponseScore } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { formatMetric, plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../../../_frame/section";
import { PlainChart } from "./plain-chart";
import { type TokenChange, tokenChanges } from "./token-changes";

type ScoreByHandProps = { checkpointId: string; other: { id: string; name: string } | null };
type Scored = { title: string; scores: ResponseScore[] };

export function ScoreByHand({ checkpointId, other }: ScoreByHandProps) {
  const trpc = useTRPC();
  const [prompt, setPrompt] = useState("");
  const [first, setFirst] = useState("");
  const [second, setSecond] = useState("");
  const [result, setResult] = useState<Scored[]>([]);
  const score = useMutation(trpc.rewardModels.score.mutationOptions());
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const texts = {
      prompt: [{ role: "user" as const, content: prompt }],
      responses: second === "" ? [first] : [first, second],
    };
    try {
      const own = await score.mutateAsync({ checkpointId, ...texts });
      const others = other ? await score.mutateAsync({ checkpointId: other.id, ...texts }) : null;
      setResult([
        { title: "This model", scores: own.scores },
        ...(others && other ? [{ title: other.name, scores: others.scores }] : []),
      ]);
    } catch {
      // Shown below as the mutation's error.
      setResult([]);
    }
  };
  return (
    <Section
      title="Score by hand"
      text="Nothing of it is stored. The model is loaded when it is first asked, and leaves memory a minute after the last time."
    >
      <form onSubmit={submit} className="grid max-w-[60rem] gap-4 sm:grid-cols-2">
        <div className="sm:col-span-2">
          <TextArea
            label="Prompt"
            required
            value={prompt}
            onChange={({ target }) => setPrompt(target.value)}
          />
        </div>
        <TextArea
          label="Response"
          rows={5}
          hint="May be empty: that is a response too."
          value={first}
          onChange={({ target }) => setFirst(target.value)}
        />
        <TextArea
          label="Another response"
          rows={5}
          hint="To compare; left out where it is empty."
          value={second}
          onChange={({ target }) => setSecond(target.value)}
        />
        <div className="flex items-center gap-3">
          <Button type="submit" look="primary" busy={score.isPending} disabled={prompt.trim() === ""}>
            Score
          </Button>
          {score.isPending && <Pulse>Scoring; the first time the model is loaded…</Pulse>}
        </div>
      </form>
      {score.error && (
        <Notice tone="error" className="mt-3 max-w-[46rem]">
          {errorText(score.error)}
        </Notice>
      )}
      <div aria-live="polite" className="mt-6 space-y-8">
        {result.map(({ title, scores }) => (
          <div key={title}>
            {result.length > 1 && <h3 className="font-medium">{title}</h3>}
            <div className="mt-2 grid gap-6 md:grid-cols-2">
              {scores.map((each, at) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: responses have no id, and their order never changes
                <ScoreView key={at} title={at === 0 ? "Response" : "Another response"} score={each} />
              ))}
            </div>
          </div>
        ))}
      </div>
    </Section>
  );
}

function ScoreView({
  title,
  score: { score, deviation, tokens, cutTokens, perToken },
}: {
  title: string;
  score: ResponseScore;
}) {
  const changes = tokenChanges(perToken ?? []);
  return (
    <section aria-label={title} className="min-w-0">
      <p className="text-small text-muted">{title}</p>
      <p className="text-title tabular">
        {formatMetric(score)}
        {deviation !== null && (
          <span className="text-body text-muted">
            {" "}
            ± {formatMetric(deviation)} <span className="text-small">deviation of the members</span>
          </span>
        )}
      </p>
      <p className="text-small text-muted tabular">{plural(tokens, "token", "tokens")}</p>
      {cutTokens > 0 && (
        <Notice tone="warning" className="mt-1">
          {plural(cutTokens, "token", "tokens")} at its end did not fit into the model’s context and were not
          read.
        </Notice>
      )}
      {changes.length > 1 && (
        <>
          <TokenText changes={changes} />
          <PlainChart
            title="Score so far"
            unit="by token"
            xs={changes.map((_, at) => at + 1)}
            columns={[changes.map((each) => each.score)]}
            lines={[{ label: "score", colorClass: "text-candidate" }]}
          />
        </>
      )}
      {changes.length > 0 && (
        <details className="mt-2">
          <summary className="w-fit text-small text-muted hover:text-ink">Every token</summary>
          <div className="mt-2 max-h-96 overflow-y-auto">
            <DataTable
              caption={`Tokens of ${title.toLowerCase()}`}
              columns={columns}
              rows={changes.map((each, at) => ({ ...each, at }))}
              rowKey={({ at }) => String(at)}
            />
          </div>
        </details>
      )}
    </section>
  );
}

/** The text with the change behind the tokens that moved the score most. */
function TokenText({ changes }: { changes: TokenChange[] }) {
  return (
    <p className="my-3 whitespace-pre-wrap wrap-anywhere">
      {changes.map(({ text, change, isLarge }, at) =>
        isLarge ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: tokens have no id, and their order never changes
          <span key={at}>
            <span
              className={
                change < 0
                  ? "underline decoration-danger decoration-2"
                  : "underline decoration-live decoration-2"
              }
            >
              {text}
            </span>
            <sup className={`text-small tabular ${change < 0 ? "text-danger" : "text-live"}`}>
              {change < 0 ? "−" : "+"}
              {formatMetric(Math.abs(change))}
            </sup>
          </span>
        ) : (
          text
        ),
      )}
    </p>
  );
}

const columns: Column<TokenChange & { at: number }>[] = [
  { title: "Token", isNumber: true, cell: ({ at }) => at + 1 },
  {
    title: "Text",
    cell: ({ text }) => <code className="font-mono whitespace-pre">{JSON.stringify(text)}</code>,
  },
  { title: "Score here", isNumber: true, cell: ({ score }) => formatMetric(score) },
  { title: "Change", isNumber: true, cell: ({ change }) => formatMetric(change) },
];
