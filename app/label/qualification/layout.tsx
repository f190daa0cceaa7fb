/** @file The qualification stands among the pages beside the chat. */
import type { ReactNode } from "react";
import { requireViewer } from "@/app/_lib/server-caller";
import { SettingsFrame } from "@/app/(settings)/_frame/settings-frame";

export default async function QualificationLayout({ children }: { children: ReactNode }) {
  return <SettingsFrame viewer={await requireViewer()}>{children}</SettingsFrame>;
}
