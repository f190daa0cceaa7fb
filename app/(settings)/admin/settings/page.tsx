/** @file The settings of the instance. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { SettingsView } from "./settings-view";

export const metadata: Metadata = { title: "Settings" };

export default async function SettingsPage() {
  const caller = await requirePermission("settings.manage");
  const { settings, builtInSampling } = await caller.settings.read();
  return <SettingsView initialSettings={settings} builtInSampling={builtInSampling} />;
}
