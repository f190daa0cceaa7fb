/** @file Whether an answer to a case holds, in a word with its mark. */
import { classNames } from "@/app/_components/class-names";
import { Icon, type IconName } from "@/app/_components/icon";
import type { CaseResult, ListedCase } from "@/app/_lib/api-types";

const looks: Record<CaseResult["outcome"], { icon: IconName; className: string; text: string }> = {
  held: { icon: "check", className: "text-live", text: "holds" },
  failed: { icon: "close", className: "text-danger", text: "fails" },
  good: { icon: "check", className: "text-live", text: "read: good" },
  bad: { icon: "close", className: "text-danger", text: "read: bad" },
  unread: { icon: "warning", className: "text-people", text: "to be read" },
};

/** @param outcome null: it was not asked */
export function CaseOutcome({ outcome }: { outcome: CaseResult["outcome"] | null }) {
  if (outcome === null) return <span className="text-muted">not asked</span>;
  const { icon, className, text } = looks[outcome];
  return (
    <span className="whitespace-nowrap">
      <span className={classNames("mr-1.5 inline-block align-[-3px]", className)}>
        <Icon name={icon} size={16} />
      </span>
      {text}
    </span>
  );
}

export const kindTexts: Record<ListedCase["kind"], string> = {
  check: "by rules",
  reference: "by a reference",
  eyes: "by people who read it",
};

export const sourceTexts: Record<ListedCase["source"], string> = {
  hand: "written by hand",
  suite: "from a suite",
  prompt: "from a prompt",
};
