/** @file The form that compares two policies: which, on how many prompts, by whom. */
"use client";

import { useMutation } from "@tanstack/react-query";
import Link from "next/link";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { SelectField, TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { useToast } from "@/app/_components/toast";
import type { DoubtModel, LabelerGroup, PolicyChoice } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle } from "../../../_frame/section";
import { ChoiceList } from "../../batches/new/choice-list";
import { FieldGrid } from "../../batches/new/number-field";

type NewEvaluationViewProps = {
  policies: PolicyChoice[];
  rewardModels: DoubtModel[];
  groups: LabelerGroup[];
  /** Of held-out users, that may be used. */
  prompts: number;
  candidateId: string;
  today: string;
};

const isLive = ({ channels }: PolicyChoice) => channels.includes("live");

export function NewEvaluationView({
  policies,
  rewardModels,
  groups,
  prompts,
  ...start
}: NewEvaluationViewProps) {
  const trpc = useTRPC();
  const router = useRouter();
  const toast = useToast();
  const [draft, setDraft] = useState({
    candidateId: start.candidateId,
    opponentId: policies.find(isLive)?.id ?? "",
    name: `Side by side, ${start.today}`,
    prompts: Math.max(1, Math.min(200, prompts)),
    overlap: 1,
    groupId: "",
    maxTokens: 512,
    rewardModelIds: [] as string[],
  });
  const change = (part: Partial<typeof draft>) => setDraft({ ...draft, ...part });
  const making = useMutation(
    trpc.evaluations.create.mutationOptions({
      onSuccess: ({ batchId, tasks }) => {
        toast({ text: `Both policies answer ${plural(tasks, "prompt", "prompts")}.` });
        router.push(`/admin/evaluations/${batchId}`);
      },
    }),
  );
  return (
    <form
      className="max-w-3xl"
      onSubmit={(event) => {
        event.preventDefault();
        making.mutate({ ...draft, groupId: draft.groupId === "" ? null : draft.groupId });
      }}
    >
      <nav aria-label="Way back">
        <Link href="/admin/evaluations" className="text-small text-muted underline-offset-2 hover:underline">
          Evaluations
        </Link>
      </nav>
      <PageTitle>Compare two policies</PageTitle>
      <p className="mt-1 max-w-[38rem] text-small text-muted">
        Both answer the same prompts of held-out users as they would in chat, on the form that is served.
        Labelers judge in their console: left, right, tie or both bad, and never see which is which.
      </p>
      <div className="mt-5">
        <FieldGrid>
          <PolicyField
            label="Candidate"
            policies={policies}
            value={draft.candidateId}
            onChange={(candidateId) => change({ candidateId })}
          />
          <PolicyField
            label="Opponent"
            policies={policies}
            value={draft.opponentId}
            onChange={(opponentId) => change({ opponentId })}
          />
          <TextField
            label="Name"
            hint="Labelers see it beside each task: it names no policy."
            required
            maxLength={100}
            value={draft.name}
            onChange={({ target }) => change({ name: target.value })}
          />
          <NumberField
            label="Prompts"
            hint={`${plural(prompts, "prompt", "prompts")} of held-out users can be used. Those not judged yet come first.`}
            max={5_000}
            value={draft.prompts}
            onChange={(value) => change({ prompts: value })}
          />
          <NumberField
            label="Labelers a prompt"
            hint="More prompts tell more than more labelers on the same."
            max={100}
            value={draft.overlap}
            onChange={(value) => change({ overlap: value })}
          />
          <SelectField
            label="Who judges"
            value={draft.groupId}
            onChange={({ target }) => change({ groupId: target.value })}
          >
            <option value="">everybody who is qualified</option>
            {groups.map(({ id, name, isHeldOut }) => (
              <option key={id} value={id}>
                {isHeldOut ? `${name} (held out)` : name}
              </option>
            ))}
          </SelectField>
          <NumberField
            label="Most tokens an answer"
            hint="Longer ones are cut."
            max={8_192}
            value={draft.maxTokens}
            onChange={(value) => change({ maxTokens: value })}
          />
          {rewardModels.length > 0 && (
            <ChoiceList
              legend="Reward models that judge too"
              hint="One that trained either policy is refused."
              choices={rewardModels.map(({ id, name }) => ({
                value: id,
                label: `${name} (${id.slice(0, 8)})`,
              }))}
              chosen={draft.rewardModelIds}
              onChange={(rewardModelIds) => change({ rewardModelIds })}
            />
          )}
        </FieldGrid>
      </div>
      <div className="mt-6 space-y-3">
        {making.error && (
          <Notice tone="error">
            <p className="whitespace-pre-wrap">{errorText(making.error)}</p>
          </Notice>
        )}
        {prompts === 0 && (
          <Notice>
            No prompt of a held-out user can be used yet: one user in ten is held out. Collect prompts from
            conversations or upload a file first.
          </Notice>
        )}
        <Button
          type="submit"
          look="primary"
          busy={making.isPending}
          disabled={draft.candidateId === "" || draft.opponentId === ""}
        >
          Ask labelers
        </Button>
      </div>
    </form>
  );
}

type PolicyFieldProps = {
  label: string;
  policies: readonly PolicyChoice[];
  value: string;
  onChange: (id: string) => void;
};

function PolicyField({ label, policies, value, onChange }: PolicyFieldProps) {
  return (
    <SelectField label={label} required value={value} onChange={({ target }) => onChange(target.value)}>
      <option value="">choose one</option>
      {policies.map((policy) => (
        <option key={policy.id} value={policy.id}>
          {`${policy.name} (${[policy.stage, isLive(policy) && "live", policy.id.slice(0, 8)].filter(Boolean).join(", ")})`}
        </option>
      ))}
    </SelectField>
  );
}

type NumberFieldProps = {
  label: string;
  hint: string;
  max: number;
  value: number;
  onChange: (value: number) => void;
};

function NumberField({ value, onChange, ...field }: NumberFieldProps) {
  return (
    <TextField
      {...field}
      type="number"
      required
      min={1}
      value={Number.isNaN(value) ? "" : value}
      onChange={({ target }) => onChange(target.valueAsNumber)}
    />
  );
}
