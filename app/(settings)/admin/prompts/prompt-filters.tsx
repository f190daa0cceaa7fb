/** @file Which of the prompts are listed. */
import { Button } from "@/app/_components/button";
import { SelectField } from "@/app/_components/field";
import type { PromptFilter } from "@/app/_lib/api-types";
import { ruleNames, sourceNames, splitNames, statusNames } from "@/app/_lib/prompt-names";

type PromptFiltersProps = { filter: PromptFilter; onChange: (filter: PromptFilter) => void };

export function PromptFilters({ filter, onChange }: PromptFiltersProps) {
  const choose = <K extends keyof PromptFilter>(key: K, value: PromptFilter[K] | undefined) => {
    const { [key]: _, ...rest } = filter;
    onChange(value === undefined ? rest : { ...rest, [key]: value });
  };
  return (
    <div className="mt-8 flex flex-wrap items-end gap-3">
      <Choice
        label="Source"
        names={sourceNames}
        value={filter.source}
        onChoose={(value) => choose("source", value)}
      />
      <Choice
        label="State"
        names={statusNames}
        value={filter.status}
        onChoose={(value) => choose("status", value)}
      />
      <Choice
        label="Put aside by"
        names={ruleNames}
        value={filter.removedBy}
        onChoose={(value) => choose("removedBy", value)}
      />
      <Choice
        label="Split"
        names={splitNames}
        value={filter.split}
        onChoose={(value) => choose("split", value)}
      />
      <label className="flex min-h-9 items-center gap-2">
        <input
          type="checkbox"
          checked={filter.isMasked ?? false}
          onChange={({ target }) => choose("isMasked", target.checked || undefined)}
        />
        Something masked
      </label>
      {Object.keys(filter).length > 0 && (
        <Button look="quiet" onClick={() => onChange({})}>
          Show all
        </Button>
      )}
    </div>
  );
}

type ChoiceProps<T extends string> = {
  label: string;
  names: Record<T, string>;
  value: T | undefined;
  onChoose: (value: T | undefined) => void;
};

function Choice<T extends string>({ label, names, value, onChoose }: ChoiceProps<T>) {
  const keys = Object.keys(names) as T[];
  return (
    <SelectField
      label={label}
      value={value ?? ""}
      onChange={({ target }) => onChoose(keys.find((key) => key === target.value))}
    >
      <option value="">any</option>
      {keys.map((key) => (
        <option key={key} value={key}>
          {names[key]}
        </option>
      ))}
    </SelectField>
  );
}
