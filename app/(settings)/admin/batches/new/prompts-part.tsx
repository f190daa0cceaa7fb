/** @file Which prompts a batch takes: so many of those that fit, or those named one by one. */
"use client";

import Link from "next/link";
import { SelectField, TextArea } from "@/app/_components/field";
import { Switch } from "@/app/_components/switch";
import type { PromptsFitting } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";
import { Section } from "../../../_frame/section";
import { ChoiceList } from "./choice-list";
import { FieldGrid, NumberField, type PartProps } from "./number-field";
import type { Taken } from "./use-new-batch";

const sources = [
  { value: "conversation", label: "Conversations of people who agreed" },
  { value: "labeler", label: "Written by labelers" },
  { value: "upload", label: "Uploaded" },
  { value: "import", label: "Imported" },
] as const;
const splits = [
  { value: "train", label: "Train" },
  { value: "validation", label: "Validation" },
  { value: "test", label: "Test" },
] as const;

export function PromptsPart({ draft, change, taken }: PartProps & { taken: Taken }) {
  return (
    <Section
      title="Prompts"
      text="Only prompts that may be used now. Who takes consent back leaves the queue at once."
    >
      <div className="mb-4">
        <FieldGrid>
          <SelectField
            label="Chosen"
            value={draft.chosenBy}
            onChange={({ target }) => change({ chosenBy: target.value === "ids" ? "ids" : "filter" })}
          >
            <option value="filter">by where they come from</option>
            <option value="ids">one by one</option>
          </SelectField>
        </FieldGrid>
      </div>
      {draft.chosenBy === "ids" ? (
        <NamedPrompts draft={draft} change={change} problem={taken.problem} />
      ) : (
        <FilteredPrompts draft={draft} change={change} />
      )}
      <p role="status" className="mt-3 text-small">
        {describe(taken)}
      </p>
    </Section>
  );
}

function NamedPrompts({ draft, change, problem }: PartProps & { problem: string | null }) {
  return (
    <TextArea
      label="Ids of prompts"
      hint={
        <>
          One a line, in the order in which they are to be labeled. Choose them in the{" "}
          <Link href="/admin/prompts" className="underline underline-offset-2">
            list of prompts
          </Link>
          . Those used before are taken too.
        </>
      }
      error={problem}
      rows={6}
      className="font-mono"
      value={draft.promptIds}
      onChange={({ target }) => change({ promptIds: target.value })}
    />
  );
}

function FilteredPrompts(part: PartProps) {
  const { draft, change } = part;
  return (
    <FieldGrid>
      <ChoiceList
        legend="From where"
        hint="None chosen: from everywhere."
        choices={sources}
        chosen={draft.sources}
        onChange={(chosen) => change({ sources: chosen })}
      />
      <ChoiceList
        legend="Split"
        hint="None chosen: all. Rankings follow their prompt's split; test prompts never train."
        choices={splits}
        chosen={draft.splits}
        onChange={(chosen) => change({ splits: chosen })}
      />
      <NumberField {...part} name="count" label="How many" min={1} max={50_000} />
      <SelectField
        label="Which first"
        hint="Disliked answers teach most."
        value={draft.order}
        onChange={({ target }) => change({ order: target.value === "newest" ? "newest" : "priority" })}
      >
        <option value="priority">disliked first, then the newest</option>
        <option value="newest">the newest</option>
      </SelectField>
      <Switch
        label="Also prompts used before"
        hint="Off: a prompt with a task of this kind is passed over."
        checked={draft.includesUsed}
        onChange={(includesUsed) => change({ includesUsed })}
      />
      <Switch
        label="Also sensitive prompts"
        hint="They are blurred until opened, and go to labelers who agreed to see them."
        checked={draft.includesSensitive}
        onChange={(includesSensitive) => change({ includesSensitive })}
      />
    </FieldGrid>
  );
}

function describeK(k: PromptsFitting["k"]): string {
  if (k === null) return "";
  const each = k.least === k.most ? String(k.least) : `${k.least} to ${k.most}`;
  return ` ${k.least === k.most ? "Each" : "They"} came with ${each} responses${k.least === k.most ? "" : " each"}.`;
}

function describe({ count, fitting }: Taken): string {
  if (fitting === "named") return `The batch takes ${plural(count, "prompt", "prompts")}.`;
  if (fitting === null) return "Counting prompts.";
  const found = `${plural(fitting.usable, "prompt fits", "prompts fit")}, of ${fitting.total.toLocaleString("en")} that may be used.`;
  return `${found} The batch takes ${count.toLocaleString("en")}.${describeK(fitting.k)}`;
}
