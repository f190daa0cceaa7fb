/** @file A chat that is stored nowhere. */
import type { Metadata } from "next";
import { TemporaryView } from "../_conversation/temporary-view";

export const metadata: Metadata = { title: "Temporary chat" };

export default function TemporaryPage() {
  return <TemporaryView />;
}
