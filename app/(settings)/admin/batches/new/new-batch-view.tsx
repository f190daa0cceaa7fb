/** @file The form that makes a batch: task, prompts, policies, people. Each choice says what it changes. */
"use client";

import Link from "next/link";
import { Button } from "@/app/_components/button";
import { SelectField, TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { Switch } from "@/app/_components/switch";
import type { Batch, GuidelinesSummary, NewTest, PolicyChoice } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { PageTitle, Section } from "../../../_frame/section";
import { taskNames, taskTexts } from "../batch-names";
import { ChoiceList } from "./choice-list";
import { NewTestFields, PurposeFields } from "./purpose-fields";
import { type BatchDraft, useNewBatch } from "./use-new-batch";

const tasks = ["ranking", "pairwise", "demonstration"] as const;
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

type NewBatchViewProps = {
  policies: PolicyChoice[];
  versions: GuidelinesSummary[];
  /** Whose tasks may be copied for practice and tests. */
  sources: Batch[];
  purpose: BatchDraft["purpose"];
  testDefaults: NewTest;
};

export function NewBatchView(props: NewBatchViewProps) {
  const { policies, versions, sources: batches, purpose, testDefaults } = props;
  const { draft, change, counts, error, isBusy, submit } = useNewBatch({
    policies,
    purpose,
    test: testDefaults,
  });
  const isWritten = draft.task === "demonstration";
  const isWork = draft.purpose === "work";
  const isCopied = !isWork && draft.sourceId !== "";
  const pairs = draft.task === "ranking" ? (draft.k * (draft.k - 1)) / 2 : 1;
  const number = (key: "count" | "k" | "temperature" | "maxTokens" | "overlap" | "priority") => ({
    type: "number",
    required: true,
    value: Number.isNaN(draft[key]) ? "" : draft[key],
    onChange: ({ target }: { target: HTMLInputElement }) => change({ [key]: target.valueAsNumber }),
  });
  const taken = Math.min(draft.count || 0, counts?.usable ?? 0);
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
      <div className="mt-5 grid gap-x-6 gap-y-4 md:grid-cols-2">
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
          onChange={({ target }) => change({ task: tasks.find((one) => one === target.value) ?? "ranking" })}
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
      </div>
      {draft.purpose === "qualification" && (
        <NewTestFields test={draft.test} onChange={(test) => change({ test })} />
      )}
      {!isCopied && (
        <Section
          title="Prompts"
          text="Only prompts that may be used now. Who takes consent back leaves the queue at once."
        >
          <div className="grid gap-x-6 gap-y-4 md:grid-cols-2">
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
            <TextField label="How many" min={1} max={50_000} {...number("count")} />
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
          </div>
          <p role="status" className="mt-3 text-small">
            {counts
              ? `${plural(counts.usable, "prompt fits", "prompts fit")}, of ${counts.total.toLocaleString("en")} that may be used. The batch takes ${taken.toLocaleString("en")}.`
              : "Counting prompts."}
          </p>
        </Section>
      )}
      {!isWritten && !isCopied && (
        <Section
          title="Responses"
          text="Sampled in the background, only while nobody chats; a task opens when its responses are there."
        >
          <div className="grid gap-x-6 gap-y-4 md:grid-cols-2">
            <div className="md:col-span-2">
              <ChoiceList
                legend="Policies"
                hint="Responses are spread evenly over those chosen. Labelers never see which wrote what."
                choices={policies.map((policy) => ({ value: policy.id, label: policyLabel(policy) }))}
                chosen={draft.policies}
                onChange={(chosen) => change({ policies: chosen })}
              />
            </div>
            {draft.task === "ranking" && (
              <TextField
                label="Responses a task (K)"
                hint={`4 to 9. ${draft.k || 0} make up to ${pairs || 0} comparisons.`}
                min={4}
                max={9}
                {...number("k")}
              />
            )}
            <TextField
              label="Temperature"
              hint="1: as the policy itself would answer."
              min={0.1}
              max={2}
              step={0.1}
              {...number("temperature")}
            />
            <TextField
              label="Most tokens a response"
              hint="Longer ones are cut, and marked so."
              min={1}
              max={8192}
              {...number("maxTokens")}
            />
          </div>
        </Section>
      )}
      <Section title="People">
        <div className="grid gap-x-6 gap-y-4 md:grid-cols-2">
          {isWork && (
            <TextField
              label="Labelers a task"
              hint="Two or more let agreement be measured, at that many times the cost."
              min={1}
              max={100}
              {...number("overlap")}
            />
          )}
          <SelectField
            label="Guidelines"
            hint="Stored with every ranking."
            value={draft.guidelinesVersion ?? ""}
            onChange={({ target }) =>
              change({ guidelinesVersion: target.value === "" ? null : Number(target.value) })
            }
          >
            <option value="">the current version</option>
            {versions.map(({ version }) => (
              <option key={version} value={version}>
                version {version}
              </option>
            ))}
          </SelectField>
          <TextField
            label="Priority"
            hint="Higher goes first."
            min={-100}
            max={100}
            {...number("priority")}
          />
          <TextField
            label="Deadline (optional)"
            type="date"
            value={draft.deadline}
            onChange={({ target }) => change({ deadline: target.value })}
          />
          {!isWritten && draft.purpose !== "qualification" && (
            <Switch
              label="Rate each response alone first"
              hint="Overall 1 to 7 and flags, as in InstructGPT. Off: ranking only, and faster."
              checked={draft.hasRatings}
              onChange={(hasRatings) => change({ hasRatings })}
            />
          )}
          {isWork && (
            <>
              <Switch
                label="Open at once"
                hint="Off: it is sampled, and waits until you have looked at it."
                checked={draft.opensAtOnce}
                onChange={(opensAtOnce) => change({ opensAtOnce })}
              />
              <TextField
                label="Repeated tasks (%)"
                hint="Come back to the same labeler after two to four weeks, to measure agreement with oneself."
                type="number"
                min={0}
                max={50}
                value={draft.repeatShare}
                onChange={({ target }) => change({ repeatShare: target.valueAsNumber || 0 })}
              />
              <TextField
                label="Known answers (%)"
                hint="Tasks marked so in other work, in tests and in practice, mixed in unseen."
                type="number"
                min={0}
                max={50}
                value={draft.goldShare}
                onChange={({ target }) => change({ goldShare: target.valueAsNumber || 0 })}
              />
            </>
          )}
          <TextField
            label="Cost per hour (optional)"
            hint="In any currency: the batch then shows what a comparison costs."
            type="number"
            min={0}
            step="any"
            value={draft.costPerHour}
            onChange={({ target }) => change({ costPerHour: target.value })}
          />
        </div>
      </Section>
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
          disabled={!isCopied && (taken === 0 || (!isWritten && draft.policies.length === 0))}
        >
          Make the batch
        </Button>
        {!isWork && (
          <p className="text-small text-muted">
            It waits, not opened: next you set the known answer of each of its tasks.
          </p>
        )}
        {counts?.usable === 0 && !isCopied && (
          <p className="text-small text-muted">
            No prompt fits yet. Prompts come from conversations of people who agreed, from labelers, and from
            files.
          </p>
        )}
      </div>
    </form>
  );
}

function policyLabel({ id, name, stage, channels, isToy }: PolicyChoice): string {
  const facts = [stage, ...channels.map((channel) => `on ${channel}`), isToy && "toy", id.slice(0, 8)];
  return `${name} (${facts.filter(Boolean).join(", ")})`;
}
