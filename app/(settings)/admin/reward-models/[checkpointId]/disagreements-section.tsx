/** @file Where the model is surest of what people did not say, with both responses to read. */
"use client";

import { useState } from "react";
import { Markdown } from "@/app/_components/markdown";
import { ScrolledPrompt } from "@/app/_components/scrolled-prompt";
import type { RewardReportView } from "@/app/_lib/api-types";
import { formatMetric, plural } from "@/app/_lib/format";
import { Section } from "../../../_frame/section";

type Example = RewardReportView["report"]["disagreements"][number];
type Texts = RewardReportView["texts"][number];

export function DisagreementsSection({ view: { report, texts } }: { view: RewardReportView }) {
  return (
    <Section
      title="Where model and people disagree most"
      text="At most one pair a prompt, the widest margin first. Some are people’s slips; a pattern among them is the model’s fault."
    >
      {report.disagreements.length === 0 && (
        <p className="text-muted">There is no pair it orders otherwise than most people.</p>
      )}
      {report.disagreements.map((example, at) => (
        <ExampleDetails key={example.id} example={example} texts={texts[at] ?? null} />
      ))}
    </Section>
  );
}

/** Its content is made when it is opened: twenty examples have forty long responses. */
function ExampleDetails({ example, texts }: { example: Example; texts: Texts }) {
  const [isOpen, setIsOpen] = useState(false);
  const { chosenScore, rejectedScore, votes, source } = example;
  return (
    <details onToggle={(event) => setIsOpen(event.currentTarget.open)} className="border-b border-line py-2">
      <summary className="hover:bg-hover">
        <span className="font-medium tabular">{formatMetric(chosenScore - rejectedScore)}</span>{" "}
        <span className="text-small text-muted tabular">
          {describeVotes(votes)}
          {source !== null && `, ${source}`}
        </span>
        <span className="line-clamp-1 pl-4">
          {texts?.prompt.at(-1)?.content ?? "its texts cannot be shown"}
        </span>
      </summary>
      {isOpen && (texts ? <ExampleTexts example={example} texts={texts} /> : <Missing example={example} />)}
    </details>
  );
}

function describeVotes({ chosen, rejected, tied }: Example["votes"]): string {
  const all = chosen + rejected + tied;
  return `${chosen} of ${plural(all, "ranking", "rankings")} against the model`;
}

function Missing({ example: { place, id } }: { example: Example }) {
  return (
    <p className="py-3 text-small text-muted">
      They were erased, or are not on this server.{" "}
      {place ? `They stood in ${place.file}, line ${place.line}.` : `The task was ${id}.`}
    </p>
  );
}

function ExampleTexts({ example, texts }: { example: Example; texts: NonNullable<Texts> }) {
  const { chosenScore, chosenTokens, rejectedScore, rejectedTokens } = example;
  return (
    <div className="space-y-4 py-3">
      <ScrolledPrompt messages={texts.prompt} className="max-h-60" />
      <div className="grid gap-4 md:grid-cols-2">
        <Side title="People put first" text={texts.chosen} score={chosenScore} tokens={chosenTokens} />
        <Side
          title="The model puts first"
          text={texts.rejected}
          score={rejectedScore}
          tokens={rejectedTokens}
        />
      </div>
    </div>
  );
}

function Side({
  title,
  text,
  score,
  tokens,
}: {
  title: string;
  text: string;
  score: number;
  tokens: number;
}) {
  return (
    <div className="min-w-0">
      <h3 className="font-medium">{title}</h3>
      <p className="text-small text-muted tabular">
        score {formatMetric(score)}, {plural(tokens, "token", "tokens")}
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be focusable (WCAG 2.1.1) */}
      <section aria-label={title} tabIndex={0} className="mt-1 max-h-96 overflow-y-auto">
        {text === "" ? <p className="text-muted">(empty)</p> : <Markdown text={text} />}
      </section>
    </div>
  );
}
