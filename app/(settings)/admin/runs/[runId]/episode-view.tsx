/** @file One episode in full: its scores, and its text with each token's KL or value behind it. */
"use client";

import { useState } from "react";
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import type { Episode } from "@/app/_lib/api-types";
import { formatMetric, plural } from "@/app/_lib/format";
import { type MeasuredToken, measureTokens, type TokenMeasure } from "./episode-order";

const measures: Record<TokenMeasure, { title: string; text: string }> = {
  kl: {
    title: "KL",
    text: "Above 0 the policy prefers the token more than its reference does, below 0 less. Nats.",
  },
  value: { title: "Value", text: "What the value function expected of the rest before the token." },
};

export function EpisodeView({ episode }: { episode: Episode }) {
  const [measure, setMeasure] = useState<TokenMeasure>("kl");
  const tokens = measureTokens(episode, measure);
  const { prompt, score, reward, kl, isEnded, parts } = episode;
  return (
    <article aria-label="Episode" className="min-w-0">
      <p className="text-small whitespace-pre-wrap text-muted wrap-anywhere">{prompt}</p>
      <p className="mt-2 text-small tabular">
        Score {formatMetric(score)}
        {Object.keys(parts).length > 1 &&
          ` (${Object.entries(parts)
            .map(
              ([name, value]) => `${name === "rewardModel" ? "reward model" : name} ${formatMetric(value)}`,
            )
            .join(", ")})`}
        , reward {formatMetric(reward)}, KL {formatMetric(kl)} nats,{" "}
        {plural(tokens.length, "token", "tokens")},{" "}
        {isEnded ? "ended by itself" : "cut at the longest length"}
      </p>
      <fieldset className="mt-3 flex flex-wrap items-center gap-2">
        <legend className="sr-only">Behind each token</legend>
        {(Object.keys(measures) as TokenMeasure[]).map((each) => (
          <Button
            key={each}
            small
            aria-pressed={each === measure}
            className={each === measure ? "bg-selected" : ""}
            onClick={() => setMeasure(each)}
          >
            {measures[each].title}
          </Button>
        ))}
        <span className="text-small text-muted">{measures[measure].text}</span>
      </fieldset>
      <TokenText tokens={tokens} measure={measure} />
      <details className="mt-3">
        <summary className="w-fit text-small text-muted hover:text-ink">Every token as a table</summary>
        <div className="mt-2 max-h-96 overflow-y-auto">
          <DataTable caption="Tokens" columns={columns} rows={tokens} rowKey={({ at }) => String(at)} />
        </div>
      </details>
    </article>
  );
}

/** The stronger the colour, the larger; the sign is told by the line under the token too: solid above 0, dashed below. */
function TokenText({ tokens, measure }: { tokens: MeasuredToken[]; measure: TokenMeasure }) {
  return (
    <p className="mt-3 leading-8 whitespace-pre-wrap wrap-anywhere">
      {tokens.map((token) => (
        <span
          key={token.at}
          title={`${measures[measure].title} ${formatMetric(token[measure])}`}
          className={
            token.share < 0
              ? "border-b-2 border-dashed border-series-2"
              : "border-b-2 border-solid border-series-1"
          }
          style={{
            backgroundColor: `color-mix(in oklab, var(--color-series-${token.share < 0 ? 2 : 1}) ${Math.round(40 * Math.abs(token.share))}%, transparent)`,
            borderBottomColor: `color-mix(in oklab, var(--color-series-${token.share < 0 ? 2 : 1}) ${Math.round(100 * Math.abs(token.share))}%, transparent)`,
          }}
        >
          {token.text}
        </span>
      ))}
    </p>
  );
}

const columns: Column<MeasuredToken>[] = [
  { title: "Token", isNumber: true, cell: ({ at }) => at + 1 },
  {
    title: "Text",
    cell: ({ text }) => <code className="font-mono whitespace-pre">{JSON.stringify(text)}</code>,
  },
  { title: "KL", isNumber: true, cell: ({ kl }) => formatMetric(kl) },
  { title: "Value", isNumber: true, cell: ({ value }) => formatMetric(value) },
];
