/** @file Promotion: a candidate against what people talk to now, one decision, and everything that was decided before. */
import type { Metadata } from "next";
import { readViewer, requirePermission } from "@/app/_lib/server-caller";
import { PromotionView } from "./promotion-view";

export const metadata: Metadata = { title: "Promotion" };

type Props = { searchParams: Promise<{ candidate?: string }> };

export default async function PromotionPage({ searchParams }: Props) {
  const caller = await requirePermission("promotion.read");
  const candidateId = (await searchParams).candidate?.slice(0, 100) || null;
  const [state, history, viewer] = await Promise.all([
    caller.promotion.state({ candidateId }),
    caller.promotion.history({}),
    readViewer(),
  ]);
  return (
    <PromotionView
      key={candidateId}
      candidateId={candidateId}
      initial={state}
      firstPage={history}
      viewerId={viewer?.id ?? ""}
      mayDecide={viewer?.permissions.includes("promotion.decide") ?? false}
    />
  );
}
