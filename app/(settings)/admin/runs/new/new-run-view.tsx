/** @file The form that starts a run: stage, base, data, settings, and what it will take. */
"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { Button } from "@/app/_components/button";
import { SelectField, TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { Switch } from "@/app/_components/switch";
import type { Dataset, PpoTiming, RewardModelSummary, RunSummary } from "@/app/_lib/api-types";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle, Section } from "../../../_frame/section";
import { stageNames, stageTexts } from "../stage-names";
import { DataPicker } from "./data-picker";
import { EstimateNote, PpoEstimateNote } from "./estimate-note";
import { estimatePpo, tokensOfPrompt } from "./estimate-ppo";
import { countParameters } from "./estimate-run";
import { PresetChoice } from "./preset-choice";
import { isDoubt, RewardModelPicker } from "./reward-model-picker";
import { SettingsFields } from "./settings-fields";
import { SuitesPicker } from "./suites-picker";
import { type NewRunStart, useNewRun } from "./use-new-run";

type NewRunViewProps = NewRunStart & {
  initialDatasets: Dataset[];
  earlierRuns: RunSummary[];
  rewardModels: RewardModelSummary[];
  ppoTimings: PpoTiming[];
};

export function NewRunView({
  initialDatasets,
  earlierRuns,
  rewardModels,
  ppoTimings,
  ...start
}: NewRunViewProps) {
  const trpc = useTRPC();
  const datasets = useQuery(
    trpc.datasets.list.queryOptions(undefined, { initialData: initialDatasets }),
  ).data;
  const form = useNewRun(start);
  const { description, stage } = form;
  const chosenData = form.datasets.flatMap(
    ({ datasetId }) => datasets.find(({ id }) => id === datasetId) ?? [],
  );
  const erased = chosenData.filter(({ erasedRows }) => erasedRows > 0);
  const base = form.takesBase ? (form.bases.find(({ id }) => id === form.baseCheckpointId) ?? null) : null;
  const isPpo = description?.takesRewardModels === true;
  const parameters = base ? countParameters(base) : 0;
  const estimate = (settings: Record<string, unknown>) =>
    base && chosenData.length > 0 && form.rewardModels.length > 0
      ? estimatePpo({
          values: { ...form.values, ...settings },
          baseCheckpointId: base.id,
          parameters,
          rewardModels: form.rewardModels.length,
          promptTokens: promptTokensOf(chosenData),
          earlier: ppoTimings,
          parametersOf: (id) => {
            const known = form.bases.find((each) => each.id === id);
            return known ? countParameters(known) : null;
          },
        })
      : null;
  const data = description?.data;
  const learnsFrom = data?.data ? { data: data.data, pretrainMix: data.pretrainMix } : null;
  const missing =
    learnsFrom && form.datasets.length === 0
      ? "Choose or upload a dataset first."
      : isPpo && !form.rewardModels.some(({ role }) => role === "score")
        ? "Choose a reward model first."
        : null;

  return (
    <form
      className="max-w-3xl"
      onSubmit={(event) => {
        event.preventDefault();
        form.submit();
      }}
    >
      <nav aria-label="Way back">
        <Link href="/admin/runs" className="text-small text-muted underline-offset-2 hover:underline">
          Runs
        </Link>
      </nav>
      <PageTitle>{start.cloned ? `Clone of run ${start.cloned.number}` : "New run"}</PageTitle>
      <div className="mt-5 grid gap-x-6 gap-y-4 md:grid-cols-2">
        <SelectField
          label="Stage"
          hint={stageTexts[stage]}
          value={stage}
          onChange={({ target }) => {
            const next = start.stages.find((one) => one.stage === target.value);
            if (next) form.chooseStage(next.stage);
          }}
        >
          {start.stages.map((one) => (
            <option key={one.stage} value={one.stage}>
              {stageNames[one.stage]}
            </option>
          ))}
        </SelectField>
        <TextField
          label="Name"
          hint="Its checkpoints bear it too."
          placeholder={stageNames[stage]}
          maxLength={100}
          value={form.name}
          onChange={({ target }) => form.setName(target.value)}
        />
        {form.takesBase && (
          <SelectField
            label={baseTexts[stage]?.label ?? "Base"}
            hint={baseTexts[stage]?.hint ?? "The checkpoint whose weights it starts from."}
            value={form.baseCheckpointId ?? ""}
            onChange={({ target }) => form.setBase(target.value === "" ? null : target.value)}
          >
            <option value="">choose one</option>
            {form.bases.map(({ id, name, stage: made, run, isToy }) => (
              <option key={id} value={id}>
                {name} (
                {[made, run && `run ${run.number}, step ${run.step}`, isToy && "toy", id.slice(0, 8)]
                  .filter(Boolean)
                  .join(", ")}
                )
              </option>
            ))}
          </SelectField>
        )}
      </div>
      {learnsFrom && (
        <Section title="Data">
          <DataPicker
            kinds={learnsFrom}
            datasets={datasets}
            chosen={form.datasets}
            onChange={form.setDatasets}
          />
          {erased.length > 0 && (
            <div className="mt-3">
              <Switch
                label="Learn from what is left"
                hint={`Rows were erased in ${erased.map(({ name }) => `“${name}”`).join(", ")}. Off: the run is refused.`}
                checked={form.acceptErased}
                onChange={form.setAcceptErased}
              />
            </div>
          )}
        </Section>
      )}
      {isPpo && (
        <Section title="Reward" text="What the policy learns to be preferred by.">
          <RewardModelPicker
            models={rewardModels}
            chosen={form.rewardModels}
            onChange={form.setRewardModels}
            values={form.values}
            faults={form.faults}
            onAccept={form.change}
          />
        </Section>
      )}
      <Section
        title="Settings"
        text="What is left as it is has the stage's defaults, and the run keeps all of them."
      >
        {description && description.presets.length > 0 && (
          <div className="mb-5">
            <PresetChoice
              presets={description.presets}
              isChosen={form.hasPreset}
              onChoose={form.applyPreset}
              secondsOf={(settings) => {
                const expected = estimate(settings);
                return expected && expected.seconds * expected.seeds;
              }}
            />
          </div>
        )}
        {stage === "eval" && (
          <div className="mb-5">
            <SuitesPicker
              value={form.values.suites}
              fault={form.faults.get("suites") ?? null}
              onChange={(names) => form.change("suites", names)}
            />
          </div>
        )}
        <SettingsFields
          fields={form.fields.filter(({ name }) => !isDoubt(name) && name !== "suites")}
          values={form.values}
          faults={form.faults}
          onChange={form.change}
        />
      </Section>
      {isPpo ? (
        <PpoEstimateNote estimate={estimate({})} parameters={parameters} />
      ) : (
        learnsFrom && (
          <EstimateNote
            stage={stage}
            base={base}
            datasets={chosenData}
            values={form.values}
            earlierRuns={earlierRuns}
          />
        )
      )}
      <div className="mt-6 space-y-3">
        {form.hasError && (
          <Notice tone="error">
            <p className="whitespace-pre-wrap">
              {form.problems.length > 0
                ? form.problems.join("\n")
                : "Settings above do not fit; each says why."}
            </p>
          </Notice>
        )}
        <Button type="submit" look="primary" busy={form.isBusy} disabled={missing !== null}>
          Put it into the queue
        </Button>
        {missing && <p className="text-small text-muted">{missing}</p>}
      </div>
    </form>
  );
}

const baseTexts: Partial<Record<RunSummary["stage"], { label: string; hint: string }>> = {
  pretrain: { label: "Tokenizer of", hint: "The new model reads text as this one does." },
  eval: { label: "Checkpoint", hint: "What is measured, in the form in which it is served." },
  ppo: { label: "Start policy", hint: "It is the reference too: KL is measured from it." },
};

function promptTokensOf(datasets: readonly Dataset[]): number {
  const [bytes, rows] = [
    datasets.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    datasets.reduce((sum, { rowCount }) => sum + rowCount, 0),
  ];
  return tokensOfPrompt(bytes / Math.max(1, rows));
}
