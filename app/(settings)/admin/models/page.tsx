/** @file Channels, engines and checkpoints. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { ModelsView } from "./models-view";

export const metadata: Metadata = { title: "Models" };

export default async function ModelsPage() {
  const caller = await requirePermission("models.manage");
  const [channels, checkpoints, engines] = await Promise.all([
    caller.models.channels(),
    caller.models.checkpoints(),
    caller.models.engines(),
  ]);
  return <ModelsView channels={channels} checkpoints={checkpoints} engines={engines} />;
}
