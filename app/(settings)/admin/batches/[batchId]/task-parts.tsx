/** @file What the dialogs of a task share: the turns of its prompt, and the rank a lead gives a response. */
import { SelectField } from "@/app/_components/field";
import type { TaskPreview } from "@/app/_lib/api-types";

export function PromptSections({ messages }: Pick<TaskPreview["prompt"], "messages">) {
  return messages.map(({ role, content }, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: the turns of a prompt do not change
    <section key={index}>
      <h3 className="text-small text-muted">{role}</h3>
      <p className="whitespace-pre-wrap break-words">{content}</p>
    </section>
  ));
}

type RankFieldProps = {
  letter: string;
  /** Left out: not ranked yet. */
  rank: number | undefined;
  /** Of so many responses. */
  count: number;
  onChange: (rank: number) => void;
};

export function RankField({ letter, rank, count, onChange }: RankFieldProps) {
  return (
    <div className="w-32">
      <SelectField
        label={`Rank of ${letter}`}
        value={rank ?? ""}
        onChange={({ target }) => onChange(Number(target.value))}
      >
        <option value="">not ranked</option>
        {Array.from({ length: count }, (_, i) => i + 1).map((place) => (
          <option key={place}>{place}</option>
        ))}
      </SelectField>
    </div>
  );
}
