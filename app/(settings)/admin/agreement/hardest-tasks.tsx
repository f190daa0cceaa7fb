/** @file The tasks people differ on most: who placed what where, the consensus, and any two responses side by side. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Column, DataTable } from "@/app/_components/data-table";
import { SelectField } from "@/app/_components/field";
import { Markdown } from "@/app/_components/markdown";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import { ScrolledPrompt } from "@/app/_components/scrolled-prompt";
import type { AgreementQuestion, HardTask } from "@/app/_lib/api-types";
import { percent } from "@/app/_lib/describe-share";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { letterOf } from "@/app/_lib/letter-of";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../../_frame/section";
import { mostDisputedPair } from "./most-disputed";

type HardestTasksProps = { question: AgreementQuestion; tieRuleText: string };

export function HardestTasks({ question, tieRuleText }: HardestTasksProps) {
  const trpc = useTRPC();
  const { data, error } = useQuery(
    trpc.agreement.hardest.queryOptions(question, { placeholderData: (previous) => previous }),
  );
  return (
    <Section
      title="Hardest tasks"
      text={`Where labelers agree least, to talk over in a calibration meeting. ${tieRuleText}`}
    >
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      {!data && !error && <Pulse>Looking for the tasks people differ on…</Pulse>}
      {data?.length === 0 && <p className="text-muted">No task has three pairs to compare yet.</p>}
      {data?.map((task) => (
        <TaskDetails key={task.taskId} task={task} />
      ))}
    </Section>
  );
}

/** Its content is made when it is opened: ten tasks have up to ninety long responses. */
function TaskDetails({ task }: { task: HardTask }) {
  const [isOpen, setIsOpen] = useState(false);
  const { share, pairs, leftOut, placements, prompt, batchName } = task;
  const start = prompt.isSensitive ? "a sensitive prompt" : (prompt.messages.at(-1)?.content ?? "");
  return (
    <details onToggle={(event) => setIsOpen(event.currentTarget.open)} className="border-b border-line py-2">
      <summary className="hover:bg-hover">
        <span className="font-medium tabular">{percent(share)} %</span>{" "}
        <span className="text-small text-muted tabular">
          n={pairs}
          {leftOut > 0 && ` (${leftOut} tied)`}, {plural(placements.length, "labeler", "labelers")},{" "}
          {batchName}
        </span>
        <span className="line-clamp-1 pl-4">{start}</span>
      </summary>
      {isOpen && <TaskContent task={task} />}
    </details>
  );
}

function TaskContent({ task }: { task: HardTask }) {
  const { prompt, responses, placements } = task;
  const disputed = mostDisputedPair(
    responses.map(({ id }) => id),
    placements.map(({ ranks }) => ranks),
  );
  const rows = responses.map(({ id }, index) => ({ id, letter: letterOf(index) }));
  return (
    <div className="space-y-4 py-3">
      <ScrolledPrompt messages={prompt.messages} className="max-h-80" />
      <DataTable
        caption="Who placed which response where; 1 is best"
        columns={placementColumns(task)}
        rows={rows}
        rowKey={({ id }) => id}
      />
      <div className="grid gap-4 md:grid-cols-2">
        <ReadingPane label="Left" task={task} initial={disputed?.[0] ?? responses[0]?.id ?? ""} />
        <ReadingPane label="Right" task={task} initial={disputed?.[1] ?? responses[1]?.id ?? ""} />
      </div>
    </div>
  );
}

type PlacementRow = { id: string; letter: string };

function placementColumns({ placements, consensus, gold, adjudication }: HardTask): Column<PlacementRow>[] {
  const place = (ranks: Record<string, number>) => (row: PlacementRow) => ranks[row.id] ?? "–";
  const agreed = new Map(consensus.map((each) => [each.responseId, each]));
  return [
    { title: "Response", cell: ({ letter }) => letter },
    ...placements.map(({ labeler, isHeldOut, ranks }) => ({
      title: isHeldOut ? `${labeler} (held out)` : labeler,
      isNumber: true,
      cell: place(ranks),
    })),
    ...(gold ? [{ title: "Known answer", isNumber: true, cell: place(gold) }] : []),
    ...(adjudication
      ? [{ title: `Expert ${adjudication.labeler}`, isNumber: true, cell: place(adjudication.ranks) }]
      : []),
    {
      title: "Bradley-Terry",
      isNumber: true,
      cell: ({ id }) => {
        const found = agreed.get(id);
        return found ? `${found.bradleyTerry} (${found.strength.toFixed(2)})` : "–";
      },
    },
    { title: "Ranked pairs", isNumber: true, cell: ({ id }) => agreed.get(id)?.rankedPairs ?? "–" },
  ];
}

function ReadingPane({ label, task, initial }: { label: string; task: HardTask; initial: string }) {
  const [chosen, setChosen] = useState(initial);
  const response = task.responses.find(({ id }) => id === chosen);
  return (
    <div className="min-w-0 space-y-2">
      <SelectField label={label} value={chosen} onChange={({ target }) => setChosen(target.value)}>
        {task.responses.map(({ id }, index) => (
          <option key={id} value={id}>
            Response {letterOf(index)}
          </option>
        ))}
      </SelectField>
      {response && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be focusable (WCAG 2.1.1)
        <section aria-label={`${label} response`} tabIndex={0} className="max-h-96 overflow-y-auto">
          <Markdown text={response.text} />
        </section>
      )}
    </div>
  );
}
