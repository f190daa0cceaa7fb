/** @file Where a batch's responses come from: sampled from which policies, how many a task and how, or brought by the prompts. */
"use client";

import { SelectField } from "@/app/_components/field";
import type { DoubtModel, PolicyChoice } from "@/app/_lib/api-types";
import { Section } from "../../../_frame/section";
import { ChoiceList } from "./choice-list";
import { FieldGrid, NumberField, type PartProps } from "./number-field";
import { OrderFields } from "./order-fields";
import type { BatchDraft } from "./use-new-batch";

type ResponsesPartProps = PartProps & {
  policies: readonly PolicyChoice[];
  doubtModels: readonly DoubtModel[];
};

export function ResponsesPart({ policies, doubtModels, ...part }: ResponsesPartProps) {
  const { draft, change } = part;
  return (
    <Section title="Responses" text={sourceTexts[draft.responsesFrom]}>
      <FieldGrid>
        <SelectField
          label="Which responses"
          value={draft.responsesFrom}
          onChange={({ target }) =>
            change({ responsesFrom: target.value === "prompts" ? "prompts" : "policies" })
          }
        >
          <option value="policies">new ones, sampled from policies</option>
          <option value="prompts">those that came with the prompts</option>
        </SelectField>
        {draft.responsesFrom === "policies" && <SampledFields {...part} policies={policies} />}
        {draft.purpose === "work" && <OrderFields {...part} models={doubtModels} />}
      </FieldGrid>
    </Section>
  );
}

const sourceTexts: Record<BatchDraft["responsesFrom"], string> = {
  policies: "Sampled in the background, only while nobody chats; a task opens when its responses are there.",
  prompts:
    "Made elsewhere and imported with their prompts, two to nine a task: nothing is sampled, and the tasks can be opened at once. Labelers see neither who wrote them nor how they were ranked before.",
};

function SampledFields({ policies, ...part }: PartProps & { policies: readonly PolicyChoice[] }) {
  const { draft, change } = part;
  const pairs = (draft.k * (draft.k - 1)) / 2;
  return (
    <>
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
        <NumberField
          {...part}
          name="k"
          label="Responses a task (K)"
          hint={`4 to 9. ${draft.k || 0} make up to ${pairs || 0} comparisons.`}
          min={4}
          max={9}
        />
      )}
      <NumberField
        {...part}
        name="temperature"
        label="Temperature"
        hint="1: as the policy itself would answer."
        min={0.1}
        max={2}
        step={0.1}
      />
      <NumberField
        {...part}
        name="maxTokens"
        label="Most tokens a response"
        hint="Longer ones are cut, and marked so."
        min={1}
        max={8192}
      />
    </>
  );
}

function policyLabel({ id, name, stage, channels, isToy }: PolicyChoice): string {
  const facts = [stage, ...channels.map((channel) => `on ${channel}`), isToy && "toy", id.slice(0, 8)];
  return `${name} (${facts.filter(Boolean).join(", ")})`;
}
