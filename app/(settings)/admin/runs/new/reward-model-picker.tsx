/** @file Chooses what scores a run of PPO: one or more reward models, and one that may watch; and asks about those that are in doubt. */
"use client";

import { useQueries } from "@tanstack/react-query";
import Link from "next/link";
import { SelectField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { Switch } from "@/app/_components/switch";
import type { RewardModelSummary } from "@/app/_lib/api-types";
import { useTRPC } from "@/app/_lib/trpc";
import type { ChosenRewardModel } from "./use-new-run";

/** Settings that a person has to say yes to before a doubtful reward model scores; asked beside the model. */
const doubts = ["acceptFailedProbes", "acceptFallenAccuracy"] as const;
type Doubt = (typeof doubts)[number];
export const isDoubt = (setting: string): boolean => doubts.some((doubt) => doubt === setting);

type RewardModelPickerProps = {
  models: RewardModelSummary[];
  chosen: ChosenRewardModel[];
  onChange: (chosen: ChosenRewardModel[]) => void;
  /** The form's settings, and what the server said of them. */
  values: Record<string, unknown>;
  faults: ReadonlyMap<string, string>;
  onAccept: (doubt: Doubt, accepts: boolean) => void;
};

export function RewardModelPicker({
  models,
  chosen,
  onChange,
  values,
  faults,
  onAccept,
}: RewardModelPickerProps) {
  const trpc = useTRPC();
  const scoring = chosen.filter(({ role }) => role === "score");
  const judge = chosen.find(({ role }) => role === "judge");
  const failed = models.filter(
    ({ id, measured }) =>
      measured?.passesProbes === false && scoring.some(({ checkpointId }) => checkpointId === id),
  );
  const lives = useQueries({
    queries: scoring.map(({ checkpointId }) => trpc.rewardModels.live.queryOptions({ checkpointId })),
  });
  const fallen = scoring.flatMap(({ checkpointId }, at) => {
    const isFallen = lives[at]?.data?.series.some(({ hasFallen }) => hasFallen);
    return isFallen ? models.filter(({ id }) => id === checkpointId) : [];
  });
  const score = (checkpointId: string, on: boolean) => {
    const others = chosen.filter((each) => each.checkpointId !== checkpointId);
    onChange(on ? [...others, { checkpointId, role: "score" }] : others);
  };
  const watch = (checkpointId: string) =>
    onChange([...scoring, ...(checkpointId ? [{ checkpointId, role: "judge" as const }] : [])]);
  return (
    <div className="space-y-5">
      <fieldset className="space-y-2">
        <legend className="font-medium">Scored by</legend>
        {models.length === 0 && (
          <p className="text-small text-muted">
            There is no reward model yet. Train one from rankings first: a run of the stage Reward model.
          </p>
        )}
        <div className="max-h-64 overflow-y-auto">
          {models.map((model) => (
            <label key={model.id} className="flex items-baseline gap-2.5 py-1">
              <input
                type="checkbox"
                checked={scoring.some(({ checkpointId }) => checkpointId === model.id)}
                onChange={({ target }) => score(model.id, target.checked)}
              />
              <span className="min-w-0">
                {model.name} <span className="text-small text-muted">{describe(model)}</span>
              </span>
            </label>
          ))}
        </div>
        {scoring.length > 1 && (
          <p className="text-small text-muted">
            Several are combined as the setting Combine says. The value function starts as a copy of the one
            chosen first.
          </p>
        )}
      </fieldset>
      {failed.length > 0 && (
        <DoubtNotice
          text="failed probes: degenerate responses score better than real ones, and PPO finds such responses."
          see="See which of"
          models={failed}
          fault={faults.get("acceptFailedProbes")}
          isAccepted={values.acceptFailedProbes === true}
          onAccept={(accepts) => onAccept("acceptFailedProbes", accepts)}
        />
      )}
      {fallen.length > 0 && (
        <DoubtNotice
          text="did worse on new rankings than the report promised: the policy would learn what people no longer prefer."
          see="See the accuracy of"
          models={fallen}
          fault={faults.get("acceptFallenAccuracy")}
          isAccepted={values.acceptFallenAccuracy === true}
          onAccept={(accepts) => onAccept("acceptFallenAccuracy", accepts)}
        />
      )}
      {models.length > 1 && (
        <SelectField
          label="Judge"
          hint="Optional: a reward model of another seed or of other data that only watches. The run pauses when the score rises and the judge’s does not."
          value={judge?.checkpointId ?? ""}
          onChange={({ target }) => watch(target.value)}
        >
          <option value="">none: held-out prompts are watched</option>
          {models
            .filter(({ id }) => !scoring.some(({ checkpointId }) => checkpointId === id))
            .map((model) => (
              <option key={model.id} value={model.id}>
                {model.name} {describe(model)}
              </option>
            ))}
        </SelectField>
      )}
    </div>
  );
}

type DoubtNoticeProps = {
  /** What is said of the models, which are named before it. */
  text: string;
  see: string;
  models: RewardModelSummary[];
  fault: string | undefined;
  isAccepted: boolean;
  onAccept: (accepts: boolean) => void;
};

function DoubtNotice({ text, see, models, fault, isAccepted, onAccept }: DoubtNoticeProps) {
  return (
    <Notice tone="warning">
      <p>
        {models.map(({ name }) => `“${name}”`).join(", ")} {text}{" "}
        {models.map(({ id, name }) => (
          <Link key={id} href={`/admin/reward-models/${id}`} className="mr-2 underline underline-offset-2">
            {see} {name}
          </Link>
        ))}
      </p>
      <div className="mt-2">
        <Switch
          label="Use it all the same"
          hint={fault ?? "Off: the run is refused."}
          checked={isAccepted}
          onChange={onAccept}
        />
      </div>
    </Notice>
  );
}

function describe({ id, run, measured }: RewardModelSummary): string {
  const share = measured?.accuracy?.share ?? null;
  const facts = [
    run && `run ${run.number}, step ${run.step}${run.isBest ? ", its best" : ""}`,
    share !== null && `${(100 * share).toFixed(0)} % of pairs as people`,
    measured?.passesProbes === false && "failed probes",
    measured?.passesProbes === null && "not probed",
    measured === null && "never measured",
    id.slice(0, 8),
  ];
  return `(${facts.filter(Boolean).join(", ")})`;
}
