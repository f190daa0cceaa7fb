/** @file The form that makes a batch: task, prompts, policies, people. Each choice says what it changes. */
"use client";

import Link from "next/link";
import { Button } from "@/app/_components/button";
import { SelectField, TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import type {
  Batch,
  DoubtModel,
  GuidelinesSummary,
  LabelerGroup,
  NewTest,
  PolicyChoice,
} from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { PageTitle } from "../../../_frame/section";
import { taskNames, taskTexts } from "../batch-names";
import { FieldGrid } from "./number-field";
import { PeoplePart } from "./people-part";
import { PromptsPart } from "./prompts-part";
import { NewTestFields, PurposeFields } from "./purpose-fields";
import { ResponsesPart } from "./responses-part";
import { type BatchDraft, useNewBatch } from "./use-new-batch";

const tasks = ["ranking", "pairwise", "demonstration"] as const;

type NewBatchViewProps = {
  policies: PolicyChoice[];
  doubtModels: DoubtModel[];
  groups: LabelerGroup[];
  versions: GuidelinesSummary[];
  /** Whose tasks may be copied for practice and tests. */
  sources: Batch[];
  purpose: BatchDraft["purpose"];
  testDefaults: NewTest;
};

export function NewBatchView(props: NewBatchViewProps) {
  const { policies, doubtModels, groups, versions, sources: batches, purpose, testDefaults } = props;
  const { draft, change, taken, error, isBusy, submit } = useNewBatch({
    policies,
    purpose,
    test: testDefaults,
  });
  const part = { draft, change };
  const isWritten = draft.task === "demonstration";
  const isWork = draft.purpose === "work";
  const isCopied = !isWork && draft.sourceId !== "";
  const isUnanswered = !isWritten && draft.responsesFrom === "policies" && draft.policies.length === 0;
  const isShort = taken.count === 0 || taken.problem !== null || isUnanswered;
  return (
    <form
      className="max-w-3xl"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <nav aria-label="Way back">
        <Link href="/admin/batches" className="text-small text-muted underline-offset-2 hover:underline">
          Batches
        </Link>
      </nav>
      <PageTitle>New batch</PageTitle>
      <div className="mt-5">
        <FieldGrid>
          <TextField
            label="Name"
            hint="Labelers see it beside each task."
            required
            maxLength={100}
            value={draft.name}
            onChange={({ target }) => change({ name: target.value })}
          />
          <SelectField
            label="Task"
            hint={taskTexts[draft.task]}
            value={draft.task}
            onChange={({ target }) =>
              change({ task: tasks.find((one) => one === target.value) ?? "ranking" })
            }
          >
            {tasks
              .filter((task) => isWork || task !== "demonstration")
              .map((task) => (
                <option key={task} value={task}>
                  {taskNames[task]}
                </option>
              ))}
          </SelectField>
          <PurposeFields draft={draft} batches={batches} onChange={change} />
        </FieldGrid>
      </div>
      {draft.purpose === "qualification" && (
        <NewTestFields test={draft.test} onChange={(test) => change({ test })} />
      )}
      {!isCopied && <PromptsPart {...part} taken={taken} />}
      {!isWritten && !isCopied && <ResponsesPart {...part} policies={policies} doubtModels={doubtModels} />}
      <PeoplePart {...part} groups={groups} versions={versions} />
      <div className="mt-6 space-y-3">
        {error && (
          <Notice tone="error">
            <p className="whitespace-pre-wrap">{errorText(error)}</p>
          </Notice>
        )}
        <Button type="submit" look="primary" busy={isBusy} disabled={!isCopied && isShort}>
          Make the batch
        </Button>
        {!isWork && (
          <p className="text-small text-muted">
            It waits, not opened: next you set the known answer of each of its tasks.
          </p>
        )}
        {!isCopied && taken.fitting !== "named" && taken.fitting?.usable === 0 && (
          <p className="text-small text-muted">
            {draft.responsesFrom === "prompts" && !isWritten
              ? "No prompt fits: responses come with what is imported as rankings. Import a file, or let prompts in that were used before."
              : "No prompt fits yet. Prompts come from conversations of people who agreed, from labelers, and from files."}
          </p>
        )}
      </div>
    </form>
  );
}
