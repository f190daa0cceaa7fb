/** @file Which tasks of a batch go to labelers first: in the order of their prompts, or by what a reward model is unsure of. */
"use client";

import { SelectField } from "@/app/_components/field";
import type { DoubtModel } from "@/app/_lib/api-types";
import type { PartProps } from "./number-field";
import type { BatchDraft } from "./use-new-batch";

const orders = {
  plain: "in the order of their prompts",
  margin: "where the scores of responses are closest",
  deviation: "where an ensemble differs most",
} as const satisfies Record<BatchDraft["first"], string>;
const kinds = ["plain", "margin", "deviation"] as const;

/** Nothing where there is no reward model to ask. */
export function OrderFields({ draft, change, models }: PartProps & { models: readonly DoubtModel[] }) {
  if (models.length === 0) return null;
  const able = models.filter(({ members }) => draft.first !== "deviation" || members > 1);
  const choose = (first: BatchDraft["first"]) => {
    const fitting = models.filter(({ members }) => first !== "deviation" || members > 1);
    const kept = fitting.find(({ id }) => id === draft.doubtModelId) ?? fitting[0];
    change({ first, doubtModelId: first === "plain" ? "" : (kept?.id ?? "") });
  };
  const hasEnsemble = models.some(({ members }) => members > 1);
  return (
    <>
      <SelectField
        label="Labeled first"
        hint="Rankings teach a reward model most where it is unsure. Responses are scored in the background, behind everybody else who asks for scores."
        value={draft.first}
        onChange={({ target }) => choose(kinds.find((one) => one === target.value) ?? "plain")}
      >
        {kinds.map((kind) => (
          <option key={kind} value={kind} disabled={kind === "deviation" && !hasEnsemble}>
            {orders[kind]}
          </option>
        ))}
      </SelectField>
      {draft.first !== "plain" && (
        <SelectField
          label="Reward model"
          hint="Tasks that it has not scored yet come last. Where it is deleted, these stay in the order of their prompts."
          value={draft.doubtModelId}
          onChange={({ target }) => change({ doubtModelId: target.value })}
        >
          {able.map(({ id, name, members }) => (
            <option key={id} value={id}>
              {`${name} (${members > 1 ? `ensemble of ${members}, ` : ""}${id.slice(0, 8)})`}
            </option>
          ))}
        </SelectField>
      )}
    </>
  );
}
