/** @file Who is looking, for the chat's client components. */
"use client";

import { createContext, type ReactNode, useContext } from "react";
import type { Viewer } from "@/app/_lib/viewer";

const ViewerContext = createContext<Viewer | null>(null);

export function ViewerProvider({ viewer, children }: { viewer: Viewer; children: ReactNode }) {
  return <ViewerContext value={viewer}>{children}</ViewerContext>;
}

export function useViewer(): Viewer {
  const viewer = useContext(ViewerContext);
  if (!viewer) throw new Error("useViewer needs a ViewerProvider above it");
  return viewer;
}
