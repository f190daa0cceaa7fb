/** @file Gates with what was found, and for those that do not hold what would change it, or a reason to set them aside. */
"use client";

import { useMutation } from "@tanstack/react-query";
import Link from "next/link";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { classNames } from "@/app/_components/class-names";
import { Icon, type IconName } from "@/app/_components/icon";
import type { PromotionGate } from "@/app/_lib/api-types";
import { useTRPC } from "@/app/_lib/trpc";
import { outcomeWords } from "./describe-gates";
import { ReasonDialog } from "./reason-dialog";
import { useDecision } from "./use-decision";

const looks: Record<PromotionGate["outcome"], { icon: IconName; className: string }> = {
  failed: { icon: "close", className: "text-danger" },
  overridden: { icon: "warning", className: "text-people" },
  passed: { icon: "check", className: "text-live" },
  off: { icon: "pause", className: "text-muted" },
};

type GatesListProps = {
  candidateId: string;
  gates: PromotionGate[];
  /** Of the request that gates can be set aside for; null: there is none, or this person decides nothing. */
  requestId: string | null;
};

export function GatesList({ candidateId, gates, requestId }: GatesListProps) {
  const trpc = useTRPC();
  const { refresh } = useDecision();
  /** With the request that the reason is typed for: another may take its place meanwhile. */
  const [setAside, setSetAside] = useState<{ gate: PromotionGate; requestId: string } | null>(null);
  const overriding = useMutation(
    trpc.promotion.override.mutationOptions({ onSuccess: () => setSetAside(null), onSettled: refresh }),
  );
  return (
    <>
      <ul className="divide-y divide-line border-y border-line">
        {gates.map((row) => {
          const { gate, title, outcome, says, needs, override, isOverridable } = row;
          const { icon, className } = looks[outcome];
          return (
            <li key={gate} className="flex items-start gap-3 py-2">
              <span className={classNames("mt-0.5", className)}>
                <Icon name={icon} size={16} />
              </span>
              <div className="min-w-0 grow sm:flex sm:items-baseline sm:gap-4">
                <p className="shrink-0 sm:w-80">
                  <span className="font-medium">{title}</span>{" "}
                  <span className="text-small text-muted">{outcomeWords[outcome]}</span>
                </p>
                <div className="min-w-0 grow">
                  <p className="tabular">{says}</p>
                  {outcome === "failed" && needs && <p className="text-small text-muted">{needs}</p>}
                  {gate === "regressions" && outcome !== "off" && (
                    <Link
                      href={`/admin/cases?candidate=${candidateId}`}
                      className="text-small underline underline-offset-2 hover:no-underline"
                    >
                      Each case with its answers
                    </Link>
                  )}
                  {override && <p className="text-small text-muted">Set aside: {override.reason}</p>}
                </div>
              </div>
              {requestId !== null && outcome === "failed" && isOverridable && (
                <Button
                  small
                  className="shrink-0"
                  aria-label={`Set aside… ${title}`}
                  onClick={() => setSetAside({ gate: row, requestId })}
                >
                  Set aside…
                </Button>
              )}
            </li>
          );
        })}
      </ul>
      {setAside && (
        <ReasonDialog
          title={`Set aside: ${setAside.gate.title}`}
          description={`${setAside.gate.says}. ${setAside.gate.needs ?? ""} Approvals given before do not hold any more.`}
          act="Set aside"
          error={overriding.error}
          isBusy={overriding.isPending}
          onSubmit={(reason) =>
            overriding.mutate({ requestId: setAside.requestId, gate: setAside.gate.gate, reason })
          }
          onClose={() => setSetAside(null)}
        />
      )}
    </>
  );
}
