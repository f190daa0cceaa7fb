/** @file What a batch is for, and what practice and tests need beside: whose tasks they copy, what passes. */
"use client";

import { SelectField, TextField } from "@/app/_components/field";
import type { Batch, NewTest } from "@/app/_lib/api-types";
import { Section } from "../../../_frame/section";
import { TestFields } from "../../qualification/test-fields";
import { purposeNames } from "../batch-names";
import type { BatchDraft } from "./use-new-batch";

const purposes = ["work", "practice", "qualification"] as const;
const purposeTexts: Record<BatchDraft["purpose"], string> = {
  work: "Its rankings are what training is made of.",
  practice: "Tasks with known answers, explained after each submit, for everybody.",
  qualification:
    "Tasks with known answers and demonstrations: while it is open, work goes to who has passed.",
};

type PurposeFieldsProps = {
  draft: BatchDraft;
  /** Whose tasks may be copied. */
  batches: readonly Batch[];
  onChange: (part: Partial<BatchDraft>) => void;
};

/** Fields of the form's first grid. */
export function PurposeFields({ draft, batches, onChange }: PurposeFieldsProps) {
  const isWork = draft.purpose === "work";
  return (
    <>
      <SelectField
        label="For"
        hint={purposeTexts[draft.purpose]}
        value={draft.purpose}
        onChange={({ target }) => {
          const purpose = purposes.find((one) => one === target.value) ?? "work";
          const isRefused = purpose !== "work" && draft.task === "demonstration";
          onChange({ purpose, ...(isRefused ? { task: "ranking" } : {}) });
        }}
      >
        {purposes.map((one) => (
          <option key={one} value={one}>
            {purposeNames[one]}
          </option>
        ))}
      </SelectField>
      {!isWork && (
        <SelectField
          label="Tasks from"
          hint="Copied with their responses. What an expert has adjudicated comes first, as the known answer."
          value={draft.sourceId}
          onChange={({ target }) => onChange({ sourceId: target.value })}
        >
          <option value="">prompts, with new responses</option>
          {batches
            .filter(({ task }) => task === draft.task)
            .map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
        </SelectField>
      )}
      {!isWork && draft.sourceId !== "" && (
        <TextField
          label="How many"
          type="number"
          required
          min={1}
          max={1_000}
          value={Number.isNaN(draft.count) ? "" : draft.count}
          onChange={({ target }) => onChange({ count: target.valueAsNumber })}
        />
      )}
    </>
  );
}

type NewTestFieldsProps = { test: NewTest; onChange: (test: NewTest) => void };

export function NewTestFields({ test, onChange }: NewTestFieldsProps) {
  const { demonstrations } = test;
  return (
    <Section title="The test">
      <TestFields settings={test} onChange={(part) => onChange({ ...test, ...part })}>
        <TextField
          label="Demonstrations"
          hint="On other prompts than those that are ranked; a lead rates them 1 to 7."
          type="number"
          required
          min={0}
          max={20}
          value={Number.isNaN(demonstrations) ? "" : demonstrations}
          onChange={({ target }) => onChange({ ...test, demonstrations: target.valueAsNumber })}
        />
      </TestFields>
    </Section>
  );
}
