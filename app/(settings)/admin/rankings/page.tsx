/** @file Rankings in and out. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { RankingsView } from "./rankings-view";

export const metadata: Metadata = { title: "Rankings" };

export default async function RankingsPage() {
  const caller = await requirePermission("labeling.lead");
  const [imports, layouts, waiting] = await Promise.all([
    caller.exchange.imports(),
    caller.exchange.layouts(),
    caller.exchange.waiting(),
  ]);
  return <RankingsView initialImports={imports} layouts={layouts} initialWaiting={waiting} />;
}
