/** @file Gates with what was found, and for those that do not hold what would change it. */
import { classNames } from "@/app/_components/class-names";
import { Icon, type IconName } from "@/app/_components/icon";
import type { PromotionGate } from "@/app/_lib/api-types";

const outcomes: Record<PromotionGate["outcome"], { icon: IconName; className: string; word: string }> = {
  failed: { icon: "close", className: "text-danger", word: "does not hold" },
  overridden: { icon: "warning", className: "text-people", word: "set aside" },
  passed: { icon: "check", className: "text-live", word: "holds" },
  off: { icon: "pause", className: "text-muted", word: "not asked for" },
};

export function GatesList({ gates }: { gates: PromotionGate[] }) {
  return (
    <ul className="divide-y divide-line border-y border-line">
      {gates.map(({ gate, title, outcome, says, needs, override }) => {
        const { icon, className, word } = outcomes[outcome];
        return (
          <li key={gate} className="flex items-start gap-3 py-2">
            <span className={classNames("mt-0.5", className)}>
              <Icon name={icon} size={16} />
            </span>
            <div className="min-w-0 grow sm:flex sm:items-baseline sm:gap-4">
              <p className="shrink-0 sm:w-56">
                <span className="font-medium">{title}</span>{" "}
                <span className="text-small text-muted">{word}</span>
              </p>
              <div className="min-w-0 grow">
                <p className="tabular">{says}</p>
                {outcome === "failed" && needs && <p className="text-small text-muted">{needs}</p>}
                {override && <p className="text-small text-muted">Set aside: {override.reason}</p>}
              </div>
            </div>
          </li>
        );
      })}
    </ul>
  );
}
