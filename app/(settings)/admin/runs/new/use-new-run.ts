/** @file The state of the form for a new run: what is chosen, what it comes to with defaults, and sending it. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { useState } from "react";
import type { Checkpoint, RunDetail, StageDescription } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { stageNames } from "../stage-names";
import { readDefaults, readFields, splitFaults } from "./read-settings";

export type Role = "data" | "pretrainMix";
export type ChosenDataset = { datasetId: string; role: Role };
export type ChosenRewardModel = { checkpointId: string; role: "score" | "judge" };

export type NewRunStart = {
  stages: StageDescription[];
  checkpoints: Checkpoint[];
  cloned: RunDetail | null;
  /** The stage that learns from the chosen dataset comes first. */
  chosen: {
    datasetId: string | null;
    datasetKind: string | null;
    baseCheckpointId: string | null;
    stage: string | null;
    rewardModelId: string | null;
  };
};

export function useNewRun({ stages, checkpoints, cloned, chosen }: NewRunStart) {
  const trpc = useTRPC();
  const router = useRouter();
  const firstStage =
    stages.find(({ stage }) => stage === (cloned?.stage ?? chosen.stage)) ??
    stages.find(({ takesRewardModels }) => takesRewardModels && chosen.rewardModelId !== null) ??
    stages.find(
      ({ stage, data }) => stage !== "pretrain" && data.data !== null && data.data === chosen.datasetKind,
    ) ??
    stages.find(({ stage }) => stage === "sft");
  const [stage, setStage] = useState(firstStage?.stage ?? "sft");
  const description = stages.find((one) => one.stage === stage);
  const settings = description?.settings ?? {};
  const defaults = readDefaults(settings);
  const fields = readFields(settings);
  const [name, setName] = useState(cloned ? `${cloned.name} (clone)`.slice(0, 100) : "");
  const bases = checkpoints.filter((checkpoint) => checkpoint.stage !== "reward");
  const [baseCheckpointId, setBase] = useState<string | null>(
    cloned ? (cloned.base?.id ?? null) : (chosen.baseCheckpointId ?? likelyBase(bases)),
  );
  const [datasets, setDatasets] = useState<ChosenDataset[]>(
    cloned
      ? cloned.datasets.map(({ id, role }) => ({ datasetId: id, role }))
      : chosen.datasetId
        ? [{ datasetId: chosen.datasetId, role: "data" }]
        : [],
  );
  const [rewardModels, setRewardModels] = useState<ChosenRewardModel[]>(
    cloned
      ? cloned.rewardModels.map(({ id, role }) => ({ checkpointId: id, role }))
      : chosen.rewardModelId
        ? [{ checkpointId: chosen.rewardModelId, role: "score" }]
        : [],
  );
  const [changes, setChanges] = useState<Record<string, unknown>>(
    cloned ? differences(cloned.config, defaults) : {},
  );
  const [acceptErased, setAcceptErased] = useState(false);
  const values = { ...defaults, ...changes };
  // Its own tokenizer means new weights and no base.
  const takesBase = !(stage === "pretrain" && (values.tokenizer ?? null) !== null);

  const goTo = ({ runId }: { runId: string }) => router.push(`/admin/runs/${runId}`);
  const creating = useMutation(trpc.runs.create.mutationOptions({ onSuccess: goTo }));
  const cloning = useMutation(trpc.runs.clone.mutationOptions({ onSuccess: goTo }));
  const error = creating.error ?? cloning.error;
  const { faults, rest } = error
    ? splitFaults(
        errorText(error),
        fields.map((field) => field.name),
      )
    : { faults: new Map<string, string>(), rest: [] };

  const submit = () => {
    creating.reset();
    cloning.reset();
    const run = {
      name: name.trim() || stageNames[stage],
      config: changes,
      baseCheckpointId: takesBase ? baseCheckpointId : null,
      datasets,
      rewardModels: description?.takesRewardModels ? rewardModels : [],
      acceptErased,
    };
    // A clone remembers whose; its settings are laid over the other's, so all are given.
    if (cloned && cloned.stage === stage) cloning.mutate({ ...run, runId: cloned.id, config: values });
    else creating.mutate({ ...run, stage });
  };

  return {
    stage,
    chooseStage: (next: typeof stage) => {
      setStage(next);
      setChanges({});
      setDatasets([]);
    },
    description,
    fields,
    name,
    setName,
    bases,
    takesBase,
    baseCheckpointId,
    setBase,
    datasets,
    setDatasets: (next: ChosenDataset[]) => {
      setDatasets(next);
      const isMixed = next.some(({ role }) => role === "pretrainMix");
      const mix = description?.mixSetting ?? null;
      if (mix === null) return;
      // The setting and its data come and go together.
      if (!isMixed) setChanges(({ [mix]: _, ...others }) => others);
      else if (!values[mix]) setChanges({ ...changes, [mix]: {} });
    },
    rewardModels,
    setRewardModels,
    /** Settings for a size of patience, over the defaults; what was set by hand goes. */
    applyPreset: (settings: Record<string, unknown>) => {
      const kept = [
        ...["lora", "lr", "ptx", "parts", "judge", "seed", "seeds"],
        ...["acceptFailedProbes", "acceptFallenAccuracy"],
      ];
      setChanges((before) => ({ ...pick(before, kept), ...settings }));
    },
    /** Whether all of a preset's settings are those of the form. */
    hasPreset: (settings: Record<string, unknown>) =>
      Object.entries(settings).every(([key, value]) => JSON.stringify(values[key]) === JSON.stringify(value)),
    values,
    change: (setting: string, value: unknown) => {
      const { [setting]: _, ...others } = changes;
      const isDefault = JSON.stringify(value) === JSON.stringify(defaults[setting]);
      setChanges(isDefault ? others : { ...others, [setting]: value });
    },
    acceptErased,
    setAcceptErased,
    faults,
    /** What the server said that belongs to no setting. */
    problems: rest,
    hasError: error !== null,
    isBusy: creating.isPending || cloning.isPending,
    submit,
  };
}

/** The live policy, else the newest one that is no toy. */
function likelyBase(bases: Checkpoint[]): string | null {
  const live = bases.find(({ channels }) => channels.includes("live"));
  return (live ?? bases.find(({ isToy }) => !isToy) ?? bases[0])?.id ?? null;
}

function pick(from: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(from).filter(([key]) => keys.includes(key)));
}

function differences(
  config: Record<string, unknown>,
  defaults: Record<string, unknown>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(config).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(defaults[key])),
  );
}
