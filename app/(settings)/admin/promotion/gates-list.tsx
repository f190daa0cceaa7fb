/** @file Gates with what was found, and for those that do not hold what would change it, or a reason to set them aside. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { classNames } from "@/app/_components/class-names";
import { Icon, type IconName } from "@/app/_components/icon";
import type { PromotionGate } from "@/app/_lib/api-types";
import { useTRPC } from "@/app/_lib/trpc";
import { ReasonDialog } from "./reason-dialog";
import { useDecision } from "./use-decision";

const outcomes: Record<PromotionGate["outcome"], { icon: IconName; className: string; word: string }> = {
  failed: { icon: "close", className: "text-danger", word: "does not hold" },
  overridden: { icon: "warning", className: "text-people", word: "set aside" },
  passed: { icon: "check", className: "text-live", word: "holds" },
  off: { icon: "pause", className: "text-muted", word: "not asked for" },
};

/** @param requestId of the request that gates can be set aside for; null: there is none, or this person decides nothing */
export function GatesList({ gates, requestId }: { gates: PromotionGate[]; requestId: string | null }) {
  const trpc = useTRPC();
  const { refresh } = useDecision();
  const [setAside, setSetAside] = useState<PromotionGate | null>(null);
  const overriding = useMutation(
    trpc.promotion.override.mutationOptions({ onSuccess: () => setSetAside(null), onSettled: refresh }),
  );
  return (
    <>
      <ul className="divide-y divide-line border-y border-line">
        {gates.map((row) => {
          const { gate, title, outcome, says, needs, override, isOverridable } = row;
          const { icon, className, word } = outcomes[outcome];
          return (
            <li key={gate} className="flex items-start gap-3 py-2">
              <span className={classNames("mt-0.5", className)}>
                <Icon name={icon} size={16} />
              </span>
              <div className="min-w-0 grow sm:flex sm:items-baseline sm:gap-4">
                <p className="shrink-0 sm:w-80">
                  <span className="font-medium">{title}</span>{" "}
                  <span className="text-small text-muted">{word}</span>
                </p>
                <div className="min-w-0 grow">
                  <p className="tabular">{says}</p>
                  {outcome === "failed" && needs && <p className="text-small text-muted">{needs}</p>}
                  {override && <p className="text-small text-muted">Set aside: {override.reason}</p>}
                </div>
              </div>
              {requestId !== null && outcome === "failed" && isOverridable && (
                <Button small className="shrink-0" onClick={() => setSetAside(row)}>
                  Set aside…
                </Button>
              )}
            </li>
          );
        })}
      </ul>
      {setAside && requestId !== null && (
        <ReasonDialog
          title={`Set aside: ${setAside.title}`}
          description={`${setAside.says}. ${setAside.needs ?? ""} Approvals given before do not hold any more.`}
          act="Set aside"
          error={overriding.error}
          isBusy={overriding.isPending}
          onSubmit={(reason) => overriding.mutate({ requestId, gate: setAside.gate, reason })}
          onClose={() => setSetAside(null)}
        />
      )}
    </>
  );
}
