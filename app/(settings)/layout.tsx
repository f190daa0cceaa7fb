/** @file All pages beside the chat. */
import type { ReactNode } from "react";
import { requireViewer } from "../_lib/server-caller";
import { SettingsFrame } from "./_frame/settings-frame";

export default async function SettingsLayout({ children }: { children: ReactNode }) {
  return <SettingsFrame viewer={await requireViewer()}>{children}</SettingsFrame>;
}
