/** @file Who works on a batch: how many, of which group, by which guidelines, until when, at what cost. */
"use client";

import { SelectField, TextField } from "@/app/_components/field";
import { Switch } from "@/app/_components/switch";
import type { GuidelinesSummary, LabelerGroup } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";
import { Section } from "../../../_frame/section";
import { FieldGrid, NumberField, type PartProps } from "./number-field";

type PeoplePartProps = PartProps & {
  groups: readonly LabelerGroup[];
  versions: readonly GuidelinesSummary[];
};

export function PeoplePart({ groups, versions, ...part }: PeoplePartProps) {
  const { draft, change } = part;
  const isWork = draft.purpose === "work";
  return (
    <Section title="People">
      <FieldGrid>
        {isWork && (
          <NumberField
            {...part}
            name="overlap"
            label="Labelers a task"
            hint="Two or more let agreement be measured, at that many times the cost."
            min={1}
            max={100}
          />
        )}
        <SelectField
          label="Group"
          hint="Work of a held-out group judges evaluations and never trains."
          value={draft.groupId ?? ""}
          onChange={({ target }) => change({ groupId: target.value || null })}
        >
          <option value="">everybody who is qualified</option>
          {groups.map((group) => (
            <option key={group.id} value={group.id}>
              {groupLabel(group)}
            </option>
          ))}
        </SelectField>
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
        <NumberField
          {...part}
          name="priority"
          label="Priority"
          hint="Higher goes first."
          min={-100}
          max={100}
        />
        <TextField
          label="Deadline (optional)"
          type="date"
          value={draft.deadline}
          onChange={({ target }) => change({ deadline: target.value })}
        />
        {draft.task !== "demonstration" && draft.purpose !== "qualification" && (
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
            <NumberField
              {...part}
              name="repeatShare"
              label="Repeated tasks (%)"
              hint="Come back to the same labeler after two to four weeks, to measure agreement with oneself."
              min={0}
              max={50}
            />
            <NumberField
              {...part}
              name="goldShare"
              label="Known answers (%)"
              hint="Tasks marked so in other work, in tests and in practice, mixed in unseen."
              min={0}
              max={50}
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
      </FieldGrid>
    </Section>
  );
}

function groupLabel({ name, isHeldOut, members }: LabelerGroup): string {
  const facts = [plural(members, "labeler", "labelers"), isHeldOut && "held out"];
  return `${name} (${facts.filter(Boolean).join(", ")})`;
}
