/** @file The form that makes a batch: task, prompts, policies, people. Each choice says what it changes. */
"use client";

import Link from "next/link";
import { Button } from "@/app/_components/button";
import { SelectField, TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import type { GuidelinesSummary, LabelerGroup, PolicyChoice } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { PageTitle } from "../../../_frame/section";
import { taskNames, taskTexts } from "../batch-names";
import { FieldGrid } from "./number-field";
import { PeoplePart } from "./people-part";
import { PromptsPart } from "./prompts-part";
import { ResponsesPart } from "./responses-part";
import { useNewBatch } from "./use-new-batch";

const tasks = ["ranking", "pairwise", "demonstration"] as const;

type NewBatchViewProps = {
  policies: PolicyChoice[];
  groups: LabelerGroup[];
  versions: GuidelinesSummary[];
};

export function NewBatchView({ policies, groups, versions }: NewBatchViewProps) {
  const { draft, change, taken, error, isBusy, submit } = useNewBatch(policies);
  const part = { draft, change };
  const isWritten = draft.task === "demonstration";
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
            {tasks.map((task) => (
              <option key={task} value={task}>
                {taskNames[task]}
              </option>
            ))}
          </SelectField>
        </FieldGrid>
      </div>
      <PromptsPart {...part} taken={taken} />
      {!isWritten && <ResponsesPart {...part} policies={policies} />}
      <PeoplePart {...part} groups={groups} versions={versions} />
      <div className="mt-6 space-y-3">
        {error && (
          <Notice tone="error">
            <p className="whitespace-pre-wrap">{errorText(error)}</p>
          </Notice>
        )}
        <Button
          type="submit"
          look="primary"
          busy={isBusy}
          disabled={
            taken.count === 0 || taken.problem !== null || (!isWritten && draft.policies.length === 0)
          }
        >
          Make the batch
        </Button>
        {taken.fitting !== "named" && taken.fitting?.usable === 0 && (
          <p className="text-small text-muted">
            No prompt fits yet. Prompts come from conversations of people who agreed, from labelers, and from
            files.
          </p>
        )}
      </div>
    </form>
  );
}
